/** Buffers that are lent: what a client has not yet taken must stay as it was, whatever its own session and others read meanwhile. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { SOURCE_LARGE } from '../../../src/base/limits.ts'
import { NOT_CARRIED } from '../../../src/pop3/reply.ts'
import { relay } from '../../../src/relay/pump.ts'
import { connectSource } from '../../../src/relay/source.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** Octets that say whose they are and where they belong. */
function body(letter: string, size: number): string {
  let text = ''
  for (let n = 0; text.length < size; n++) text += `${letter}${n}`
  return text.slice(0, size)
}

/** Answers each command of a session at once, all answers of one chunk in one write. */
async function oldServer(answer: (line: string) => string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      socket.write(bytes.toString().split('\r\n').slice(0, -1).map(answer).join(''))
    })
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** `room`: what the client lets wait before it is full. `isBusy`: it says its commands one after the other, while it takes the answers. */
type Manner = { room: number; isBusy: boolean }

/** A client whose system takes octets late: they are looked at in the last moment before that is said. */
function lateClient(ms: number, room: number): { client: Duplex; got(): string } {
  let got = ''
  const client = new Duplex({
    writableHighWaterMark: room,
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      setTimeout(() => {
        got += chunk.toString('latin1')
        done()
      }, ms)
    },
  })
  return { client, got: () => got }
}

async function session(
  letter: string,
  commands: string[],
  late: number,
  { room, isBusy }: Manner,
): Promise<{ got: string; wanted: string }> {
  const reply = (line: string) => {
    const [verb = '', size = 0] = line.split(' ')
    if (verb === 'TOP' || verb === 'RETR') return `+OK\r\n${body(letter, Number(size))}\r\n.\r\n`
    return `+OK ${letter} ${verb}\r\n`
  }
  const source = connectSource({ host: '127.0.0.1', port: await oldServer(reply), allowHalfOpen: true })
  await once(source.socket, 'connect')
  const { client, got } = lateClient(late, room)
  const lines = commands.map((line) => `${line}\r\n`)
  const over = relay(client, source, {
    fromClient: Buffer.from(isBusy ? '' : lines.join('')),
    fromServer: Buffer.alloc(0),
    pipelining: true,
    idleMs: 10_000,
    stop: new AbortController().signal,
    progress: () => undefined,
  })
  if (isBusy)
    for (const line of lines) {
      client.push(line)
      await delay(5)
    }
  const wanted = commands.map((line) => (line === 'XTND' ? NOT_CARRIED : reply(line))).join('')
  await expect.poll(() => got().length, { timeout: 10_000, interval: 5 }).toBeGreaterThanOrEqual(wanted.length)
  client.destroy()
  await over
  return { got: got(), wanted }
}

test.each<[string, Manner]>([
  ['that is soon full', { room: 16_384, isBusy: false }],
  ['that is never full', { room: 100 * SOURCE_LARGE, isBusy: false }],
  ['that is busy', { room: 100 * SOURCE_LARGE, isBusy: true }],
])(
  'a buffer is nobody else’s until a client %s has taken its last octet, also where answers of our own stand between',
  async (_, manner) => {
    const sizes = [1, 900, 5_000, SOURCE_LARGE - 40, SOURCE_LARGE, SOURCE_LARGE + 40, 3 * SOURCE_LARGE]
    // Behind a long reply, a refusal of ours and a short answer: these lie in the large buffer when no long reply is due any more.
    const commands = sizes.flatMap((size) => [
      `RETR ${size}`,
      'XTND',
      'NOOP',
      'XTND',
      'STAT',
      `TOP ${size}`,
      'XTND',
      'NOOP',
    ])
    const all = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((letter, n) => session(letter, commands, n * 2, manner)),
    )
    for (const { got, wanted } of all) {
      let same = 0
      while (same < wanted.length && got[same] === wanted[same]) same++
      // Where they part, not three million octets of both.
      expect([same, got.slice(same - 20, same + 40)]).toEqual([wanted.length, wanted.slice(same - 20, same + 40)])
    }
  },
)
