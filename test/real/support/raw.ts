import { connect as connectPlain } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const REPLY_MS = 60_000

/** Where a POP3 server is, and from which address to go there; `ca` (PEM) makes it POP3S and is the one certificate that is believed. */
export type Address = { host: string; port: number; from?: string; ca?: string }

/** One answer as it came over the wire: the status line without CR LF, and all bytes behind it, the closing dot included. */
export type Answer = { status: string; wire: Buffer }

export type Raw = {
  /** Sends one line and gives the one-line answer; throws on -ERR. */
  say: (line: string) => Promise<string>
  /** Sends one line and gives the multi-line answer; throws on -ERR. */
  ask: (line: string) => Promise<Answer>
  quit: () => Promise<void>
  /** Is gone without QUIT: an end of the stream, or with `reset` a TCP reset. */
  vanish: (reset?: boolean) => void
}

/**
 * Logs in by USER and PASS as the plainest client there is: one command at a time, every byte kept.
 * It knows an answer by its end only, so a byte too many or too few shows at once. Throws when refused.
 */
export async function login(at: Address, user: string, password: string): Promise<Raw> {
  const { socket, plain } = await open(at)
  const take = reader(socket)
  const say = async (line: string): Promise<string> => {
    if (line !== '') socket.write(`${line}\r\n`)
    const status = (await take(false)).toString('latin1').slice(0, -2)
    if (!status.startsWith('+OK')) throw new Error(`${line.split(' ')[0] ?? ''}: ${status}`)
    return status
  }
  const ask = async (line: string): Promise<Answer> => {
    socket.write(`${line}\r\n`)
    const all = await take(true)
    const end = all.indexOf('\r\n')
    const status = all.subarray(0, end).toString('latin1')
    if (!status.startsWith('+OK')) throw new Error(`${line}: ${status}`)
    return { status, wire: all.subarray(end + 2) }
  }
  const vanish = (reset = false): void => {
    if (reset) plain.resetAndDestroy()
    else socket.destroy()
  }
  try {
    await say('')
    await say(`USER ${user}`)
    await say(`PASS ${password}`)
  } catch (error) {
    vanish()
    throw error
  }
  const quit = async (): Promise<void> => {
    await say('QUIT')
    socket.destroy()
  }
  return { say, ask, quit, vanish }
}

type Line = { socket: Socket; plain: Socket }

async function open(at: Address): Promise<Line> {
  const plain = connectPlain({
    port: at.port,
    host: at.host,
    ...(at.from === undefined ? {} : { localAddress: at.from }),
  })
  const socket = at.ca === undefined ? plain : connectTls({ socket: plain, ca: at.ca, servername: 'localhost' })
  await new Promise<void>((resolve, reject) => {
    socket.once(at.ca === undefined ? 'connect' : 'secureConnect', resolve)
    socket.once('error', reject)
    plain.once('error', reject)
  })
  // What breaks later shows as a missing answer.
  socket.on('error', () => undefined)
  return { socket, plain }
}

/** Gives the next whole answer. In lock step nothing may follow an answer, so its end is the end of what has come. */
function reader(socket: Socket): (multi: boolean) => Promise<Buffer> {
  let chunks: Buffer[] = []
  let tail = Buffer.alloc(0)
  let head = Buffer.alloc(0)
  let wake: () => void = () => undefined
  let gone = false
  socket.on('data', (bytes: Buffer) => {
    chunks.push(bytes)
    tail = Buffer.concat([tail, bytes.subarray(-8)]).subarray(-8)
    if (head.length < 1024) head = Buffer.concat([head, bytes]).subarray(0, 1024)
    wake()
  })
  socket.on('close', () => {
    gone = true
    wake()
  })
  const whole = (multi: boolean): boolean => {
    const line = head.indexOf('\r\n')
    if (line < 0) return false
    if (!multi || head[0] !== 0x2b) return tail.subarray(-2).toString('latin1') === '\r\n'
    const ends = tail.toString('latin1')
    return ends.endsWith('\r\n.\r\n') && (head.length >= 1024 || head.length > line + 4)
  }
  return async (multi) => {
    const end = Date.now() + REPLY_MS
    while (!whole(multi)) {
      const got = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      if (gone) throw new Error(`the connection closed inside an answer, after ${String(got)} bytes`)
      if (Date.now() > end) throw new Error(`no whole answer in time, ${String(got)} bytes of it`)
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, 1_000).unref()
      })
    }
    const all = Buffer.concat(chunks)
    chunks = []
    tail = Buffer.alloc(0)
    head = Buffer.alloc(0)
    return all
  }
}

/** The message inside the wire form of a RETR: the closing dot line cut off, one dot taken from each line that starts with one (RFC 1939, 3). */
export function unstuff(wire: Buffer): Buffer {
  const body = wire.subarray(0, -3)
  const parts: Buffer[] = []
  let from = body[0] === 0x2e ? 1 : 0
  for (let at = body.indexOf('\r\n.', from); at >= 0; at = body.indexOf('\r\n.', at + 3)) {
    parts.push(body.subarray(from, at + 2))
    from = at + 3
  }
  parts.push(body.subarray(from))
  return Buffer.concat(parts)
}

/** The lines of a LIST or UIDL as pairs of message number and word. */
export function rows(answer: Answer): [number, string][] {
  const lines = answer.wire.toString('latin1').split('\r\n').slice(0, -2)
  return lines.map((line) => {
    const [number = '', word = ''] = line.split(' ')
    return [Number(number), word]
  })
}

/** Reads a whole mailbox: of every message in order its size in LIST, the status and the wire form of its RETR. */
export async function readAll(at: Address, user: string, password: string): Promise<(Answer & { size: number })[]> {
  const raw = await login(at, user, password)
  const answers: (Answer & { size: number })[] = []
  for (const [number, size] of rows(await raw.ask('LIST'))) {
    answers.push({ ...(await raw.ask(`RETR ${String(number)}`)), size: Number(size) })
  }
  await raw.quit()
  return answers
}
