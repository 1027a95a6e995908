/** A plain mail program, as small as it can be: it logs in, reads everything, compares. For `demo --check`. */
import { readFile } from 'node:fs/promises'
import { connect, type TLSSocket } from 'node:tls'
import { within } from '../base/deadline.ts'

const PATIENCE_MS = 30_000

type Trial = {
  port: number
  caFile: string
  user: string
  password: string
  code: () => string
  expected: Buffer[]
  say: (text: string) => void
}

/** Tries the bare password (must be refused), then password and code, then fetches all. Gives whether all was as it must be. */
export async function tryOut(trial: Trial): Promise<boolean> {
  const client = await open(trial)
  trial.say(`TLS ${client.protocol}, ${client.cipher}`)
  trial.say(client.greeting)
  const bare = await logIn(client, trial.user, trial.password)
  trial.say(`password alone: ${bare}`)
  const full = await logIn(client, trial.user, trial.password + trial.code())
  trial.say(`password and code: ${full}`)
  if (bare.startsWith('+OK') || !full.startsWith('+OK')) return false
  trial.say(`STAT: ${await client.ask('STAT')}`)
  let right = 0
  for (const [index, message] of trial.expected.entries()) {
    const got = await client.fetch(index + 1)
    const same = got.equals(message)
    trial.say(`message ${index + 1}: ${got.length} octets, ${same ? 'byte for byte' : 'ALTERED'}`)
    if (same) right += 1
  }
  trial.say(`QUIT: ${await client.ask('QUIT')}`)
  return right === trial.expected.length
}

async function logIn(client: Client, user: string, password: string): Promise<string> {
  await client.ask(`USER ${user}`)
  return client.ask(`PASS ${password}`)
}

type Client = {
  protocol: string
  cipher: string
  greeting: string
  ask(command: string): Promise<string>
  fetch(message: number): Promise<Buffer>
}

async function open(trial: Trial): Promise<Client> {
  const socket = connect({
    host: '127.0.0.1',
    port: trial.port,
    ca: await readFile(trial.caFile),
    servername: 'localhost',
  })
  const read = reader(socket)
  const greeting = await read('\r\n')
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    greeting: greeting.toString('latin1').trimEnd(),
    async ask(command) {
      socket.write(`${command}\r\n`)
      return (await read('\r\n')).toString('latin1').trimEnd()
    },
    async fetch(message) {
      socket.write(`RETR ${message}\r\n`)
      const status = await read('\r\n')
      if (!status.toString('latin1').startsWith('+OK')) return status
      const stuffed = (await read('\r\n.\r\n')).toString('latin1')
      return Buffer.from(stuffed.slice(0, -3).replace(/(^|\n)\.\./g, '$1.'), 'latin1')
    },
  }
}

/** Gives bytes up to and with a mark; throws when the connection ends or nothing comes. */
function reader(socket: TLSSocket): (mark: string) => Promise<Buffer> {
  let seen = Buffer.alloc(0)
  let wake = () => {}
  let broken: Error | null = null
  socket.on('data', (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk])
    wake()
  })
  socket.on('error', (error) => {
    broken = error
    wake()
  })
  socket.on('close', () => {
    broken ??= new Error('the connection was closed')
    wake()
  })
  const until = async (mark: string) => {
    for (;;) {
      const at = seen.indexOf(mark)
      if (at >= 0) {
        const part = seen.subarray(0, at + mark.length)
        seen = seen.subarray(at + mark.length)
        return part
      }
      if (broken !== null) throw broken
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return (mark) => within(PATIENCE_MS, 'demo: an answer', until(mark))
}
