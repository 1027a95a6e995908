/** Talking to an old server line by line, until the relay takes over. */
import { ignore } from '../base/ignore.ts'
import { BACKEND_LINE_MAX, KEEPALIVE_AFTER_MS } from '../base/limits.ts'
import type { connectSource, Source } from './source.ts'

/** `late`: the deadline passed. `garbled`: a line without end. `aborted`: whoever waited gave up. */
export type Heard = { heard: 'line'; line: Buffer } | { heard: 'closed' | 'late' | 'garbled' | 'aborted' }

export type Conversation = {
  /** Gives the server's next line without its line end, LF or CRLF, within `ms`. One call at a time. */
  hear(ms: number): Promise<Heard>
  /** Sends bytes and wipes them once they are handed to the system: they may hold a password. */
  say(bytes: Buffer): void
  /** True when the server has said nothing beyond what was heard. */
  quiet(): boolean
  /** Ends the conversation and gives what was read and not heard. The source is left halted, its errors are swallowed. */
  release(): Buffer
}

type Opener = typeof connectSource

const NOTHING = Buffer.alloc(0)
const LF = 0x0a
const CR = 0x0d

/**
 * Connects within `ms`. Gives the source, or the system's code of what went wrong (`late`, `aborted` for our own ends).
 * Half-open is allowed: the server's last words may come behind our FIN, and ours behind its own.
 */
export function dial(
  way: { host: string; port: number; open: Opener },
  ms: number,
  signal: AbortSignal,
): Promise<Source | string> {
  const { host, port, open } = way
  return new Promise((resolve) => {
    const source = open({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_AFTER_MS,
    })
    const { socket } = source
    const done = (result: Source | string) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.off('error', failed).off('connect', connected)
      if (typeof result === 'string') socket.destroy()
      resolve(result)
    }
    const abort = () => {
      done('aborted')
    }
    const timer = setTimeout(done, ms, 'late')
    signal.addEventListener('abort', abort, { once: true })
    const failed = (error: NodeJS.ErrnoException) => {
      done(error.code ?? 'error')
    }
    const connected = () => {
      done(source)
    }
    // `ignore` stays: an error between login and relay must not be one that nobody listens for.
    socket.on('error', ignore).on('error', failed).on('connect', connected)
    if (signal.aborted) abort()
  })
}

/** Needs a connected, halted source. Reads no more than one chunk ahead of what is asked for. */
export function conversation(source: Source, signal: AbortSignal): Conversation {
  const { socket } = source
  let held: Buffer = NOTHING
  let over = false
  let wake: (() => void) | null = null

  source.flow((chunk) => {
    held = Buffer.concat([held, chunk])
    if (wake === null) source.halt()
    else wake()
  })
  const onOver = () => {
    over = true
    wake?.()
  }
  const onAbort = () => wake?.()
  socket.on('end', onOver).on('close', onOver)
  signal.addEventListener('abort', onAbort)

  const next = (): Heard | null => {
    if (signal.aborted) return { heard: 'aborted' }
    const lf = held.indexOf(LF)
    if (lf === -1 ? held.length >= BACKEND_LINE_MAX : lf >= BACKEND_LINE_MAX) return { heard: 'garbled' }
    if (lf === -1) return over || socket.destroyed ? { heard: 'closed' } : null
    const line = Buffer.from(held.subarray(0, held[lf - 1] === CR ? lf - 1 : lf))
    held = held.subarray(lf + 1)
    return { heard: 'line', line }
  }

  return {
    hear: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(finish, ms, { heard: 'late' })
        function finish(heard: Heard) {
          clearTimeout(timer)
          wake = null
          resolve(heard)
        }
        function look() {
          const heard = next()
          if (heard !== null) finish(heard)
        }
        wake = look
        look()
        if (wake !== null) source.go()
      }),
    say(bytes) {
      const wipe = () => bytes.fill(0)
      if (socket.destroyed) wipe()
      else socket.write(bytes, wipe)
    },
    quiet: () => held.length === 0 && socket.readableLength === 0,
    release() {
      socket.off('end', onOver).off('close', onOver)
      signal.removeEventListener('abort', onAbort)
      source.halt()
      return held
    },
  }
}
