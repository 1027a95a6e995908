/** Mail programs that read fast, haltingly, in sips, or not at all for a while, and know what every octet must be. */
import type { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { sha256, type Mailbox, type Roll } from './mailboxes.ts'

/** `halting`: stands still behind each piece. `sipping`: takes odd little amounts. */
export type Manner = 'fast' | 'halting' | 'sipping'

/** Reads from now on in this manner. Whoever looks at what comes listens for `data`. */
export function readAs(socket: Duplex, manner: Manner, roll: Roll): void {
  if (manner === 'sipping') {
    sip(socket, roll)
    return
  }
  if (manner === 'halting') {
    socket.on('data', () => {
      socket.pause()
      setTimeout(() => socket.resume(), roll(3))
    })
  }
  socket.resume()
}

function sip(socket: Duplex, roll: Roll): void {
  let isDue = false
  const next = () => {
    isDue = false
    const amount = roll(4) === 0 ? 1 + roll(9) : 1 + roll(30_000)
    if (socket.read(Math.min(socket.readableLength, amount)) === null) return
    isDue = true
    setImmediate(next)
  }
  socket.on('readable', () => {
    if (!isDue) next()
  })
}

/** What came for one command, or had to. `differsAt`: its first octet out of place, or -1. */
export type Reply = { command: string; octets: number; sha256: string; differsAt: number }

export type Visit = {
  socket: TLSSocket
  /** Sends these commands at once. */
  say(...commands: string[]): void
  /** Resolves when so many octets have come as all replies have, or so many, or the connection is gone. */
  heard(octets?: number): Promise<void>
  got: Reply[]
  wanted: Reply[]
  /** Of the reply that is not whole. */
  rest(): Pick<Reply, 'octets' | 'differsAt'>
}

/** What is answered by no message; the second by Postern itself. */
const NO_MAIL: Record<string, string> = {
  QUIT: '+OK bye\r\n',
  NOTHING: '-ERR This command is not available here.\r\n',
}

/** Logs in over TLS and reads fast at first. Throws when it is not let in. */
export async function visit(port: number, user: string, password: string, mailbox: Mailbox): Promise<Visit> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false })
  const { waitFor, changed } = waiting()
  let isGone = false
  let words = ''
  const ledger = createLedger()
  let take = (chunk: Buffer): void => {
    words += chunk.toString('latin1')
  }
  socket.on('data', (chunk: Buffer) => {
    take(chunk)
    changed()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isGone = true
    changed()
  })
  const logIn = ['', `USER ${user}\r\n`, `PASS ${password}\r\n`]
  for (const [index, line] of logIn.entries()) {
    socket.write(line)
    await waitFor(() => words.split('\r\n').length > index + 1 || isGone)
  }
  if (!/^(\+OK[^\r]*\r\n){3}$/.test(words)) throw new Error(`${user} is not let in: ${words}`)
  take = ledger.take
  return {
    socket,
    say(...commands) {
      for (const command of commands) {
        ledger.expect(command, command in NO_MAIL ? Buffer.from(NO_MAIL[command] ?? '') : mailbox.reply(command))
      }
      socket.write(commands.map((command) => `${command}\r\n`).join(''))
    },
    heard: (octets) => waitFor(() => ledger.octets() >= (octets ?? ledger.due()) || isGone),
    got: ledger.got,
    wanted: ledger.wanted,
    rest: ledger.rest,
  }
}

function waiting(): { waitFor(condition: () => boolean): Promise<void>; changed(): void } {
  const waiters: (() => void)[] = []
  return {
    async waitFor(condition) {
      while (!condition()) await new Promise<void>((resolve) => waiters.push(resolve))
    },
    changed() {
      for (const wake of waiters.splice(0)) wake()
    },
  }
}

type Ledger = Pick<Visit, 'got' | 'wanted' | 'rest'> & {
  expect(command: string, reply: Buffer): void
  take(chunk: Buffer): void
  octets(): number
  due(): number
}

/** Cuts what comes where the replies must end, so that one with octets out of place is no longer or shorter than it must be. */
function createLedger(): Ledger {
  const got: Reply[] = []
  const wanted: Reply[] = []
  const open: { command: string; reply: Buffer }[] = []
  let parts: Buffer[] = []
  let held = 0
  let octets = 0
  let due = 0
  const entry = (command: string, came: Buffer, reply: Buffer): Reply => {
    return { command, octets: came.length, sha256: sha256(came), differsAt: differsAt(came, reply) }
  }
  const take = (chunk: Buffer): void => {
    const { command, reply } = open[0] ?? { command: 'nothing', reply: chunk }
    const part = chunk.subarray(0, reply.length - held)
    parts.push(part)
    held += part.length
    octets += part.length
    if (held < reply.length) return
    got.push(entry(command, Buffer.concat(parts), reply))
    open.shift()
    parts = []
    held = 0
    if (part.length < chunk.length) take(chunk.subarray(part.length))
  }
  return {
    got,
    wanted,
    take,
    expect(command, reply) {
      open.push({ command, reply })
      wanted.push(entry(command, reply, reply))
      due += reply.length
    },
    octets: () => octets,
    due: () => due,
    rest: () => ({ octets: held, differsAt: differsAt(Buffer.concat(parts), open[0]?.reply ?? Buffer.alloc(0)) }),
  }
}

/** Where what came is not how `wanted` begins, or -1. */
export function differsAt(came: Buffer, wanted: Buffer): number {
  if (came.equals(wanted.subarray(0, came.length))) return -1
  return came.findIndex((octet, at) => octet !== wanted[at])
}
