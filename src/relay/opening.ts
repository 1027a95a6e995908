/**
 * The way to an old server up to where commands may be said: connected, TLS verified where the policy asks for it, greeted with one
 * line. Logins and health checks go the same way.
 */
import { connect, type TcpNetConnectOpts } from 'node:net'
import type { BackendAddress, BackendTls } from '../keeper/messages.ts'
import { readStatus, type Status } from '../pop3/reply.ts'
import { conversation, dial, type Conversation, type Heard } from './conversation.ts'
import type { Cause, Step } from './failure.ts'
import { secureBackend } from './secure.ts'
import { connectSource, streamSource, type Source } from './source.ts'

/** `quietMs`: so long the server must be silent behind its greeting; 0 where it is known to be. Deadlines in milliseconds. */
export type Way = {
  address: BackendAddress
  tls: BackendTls | null
  /** Written before all else. */
  header: Buffer | null
  quietMs: number
  deadlines: { connect: number; tls: number; greeting: number; user: number }
  /** What is left of the time for all this. */
  left(): number
  /** Aborts when nobody wants the connection any more. */
  signal: AbortSignal
}

/** The caller owns the source. `talk` is in turn: nothing was said that is not heard. */
export type Opened = { at: 'open'; source: Source; talk: Conversation; greeting: Status }
export type NotOpened = { at: 'failed'; cause: Cause }

const failed = (cause: Cause): NotOpened => ({ at: 'failed', cause })

/** Opens the way, or says why not; leaves no socket behind then. Never throws for what a server does. */
export async function openBackend(way: Way): Promise<Opened | NotOpened> {
  const { address, tls, header, deadlines, left, signal } = way
  // What becomes TLS is read by TLS.
  const open = tls === null ? connectSource : (options: TcpNetConnectOpts) => streamSource(connect(options))
  const bare = await dial({ ...address, open }, Math.min(deadlines.connect, left()), signal)
  if (typeof bare === 'string') return failed(signal.aborted ? { on: 'aborted' } : { on: 'unreachable', why: bare })
  if (header !== null) bare.socket.write(header)
  const first = tls?.how === 'implicit' ? await secure(bare, tls, way) : bare
  if (!('socket' in first)) return first
  const opened = await hearGreeting(first, way)
  const result = opened.at === 'open' && tls?.how === 'stls' ? await startTls(opened, tls, way) : opened
  if (result.at === 'failed') first.socket.destroy()
  return result
}

async function secure({ socket }: Source, tls: BackendTls, way: Way): Promise<Source | NotOpened> {
  const { address, deadlines, left, signal } = way
  const secured = await secureBackend(socket, address.host, tls, Math.min(deadlines.tls, left()), signal)
  if (typeof secured !== 'string') return streamSource(secured)
  return failed(signal.aborted ? { on: 'aborted' } : { on: 'no-tls', why: secured })
}

/**
 * ATTACK: a greeting of two lines, the second of them a moment later, passes for the answer to the first command, and each answer
 * then for that to the command behind. So nothing is asked before the server is known to be quiet, or has been so for a while.
 */
async function hearGreeting(source: Source, { quietMs, deadlines, left, signal }: Way): Promise<Opened | NotOpened> {
  const talk = conversation(source, signal)
  const heard = await talk.hear(Math.min(deadlines.greeting, left()))
  if (heard.heard !== 'line') return failed(causeOf(heard, 'greeting'))
  const greeting = readStatus(heard.line)
  if (greeting === null) return failed({ on: 'garbled', step: 'greeting' })
  if (!greeting.ok) return failed({ on: 'refused', step: 'greeting', line: heard.line, echo: false })
  const more: Heard = quietMs === 0 ? { heard: 'late' } : await talk.hear(quietMs)
  if (more.heard === 'line' || more.heard === 'garbled' || !talk.quiet()) return failed({ on: 'noisy' })
  return more.heard === 'late' ? { at: 'open', source, talk, greeting } : failed(causeOf(more, 'greeting'))
}

/**
 * RFC 2595 section 4. ATTACK: who sits on the way takes STLS out, or puts answers behind the +OK, to be believed as if they had come
 * under TLS. Of the greeting, which came in the clear, nothing is taken that could give a password away.
 */
async function startTls(opened: Opened, tls: BackendTls, way: Way): Promise<Opened | NotOpened> {
  const { source, talk, greeting } = opened
  talk.say(Buffer.from('STLS\r\n'))
  const heard = await talk.hear(Math.min(way.deadlines.user, way.left()))
  if (heard.heard !== 'line') return failed(causeOf(heard, 'stls'))
  const status = readStatus(heard.line)
  if (status === null) return failed({ on: 'garbled', step: 'stls' })
  if (!status.ok) return failed({ on: 'no-tls', why: 'STLS is refused' })
  if (!talk.quiet()) return failed({ on: 'no-tls', why: 'something was said in plain behind the +OK to STLS' })
  talk.release()
  const secured = await secure(source, tls, way)
  return 'socket' in secured
    ? { at: 'open', source: secured, talk: conversation(secured, way.signal), greeting }
    : secured
}

/** Gives the cause of what was heard in place of a line. */
export function causeOf(heard: Exclude<Heard, { heard: 'line' }>, step: Step): Cause {
  return heard.heard === 'aborted' ? { on: 'aborted' } : { on: heard.heard, step }
}
