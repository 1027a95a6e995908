/** Performs what the login machine asks for: reads lines, writes replies, has logins judged, keeps the deadline. */
import type { Duplex } from 'node:stream'
import type { Ending } from '../audit/events.ts'
import { ignore } from '../base/ignore.ts'
import { UNREAD_PAUSE } from '../base/limits.ts'
import { never } from '../base/never.ts'
import type { Secret } from '../base/secret.ts'
import { lineReader } from '../pop3/line-reader.ts'
import { GREETING } from '../pop3/reply.ts'
import { begin, expects, inputOf, step, type Effect, type Input, type LoginVerdict, type Via } from './machine.ts'

export type Attempt = { user: Buffer; password: Secret; via: Via }

export type LoginOptions = {
  /** CAPA lines of the old server, null when unknown. */
  server: readonly string[] | null
  /** For what the client does; the time that a judgement takes does not count, as old servers take minutes. */
  deadlineMs: number
  /** Judges one login. `gone` aborts when the verdict is no longer wanted. Must not throw. */
  judge(attempt: Attempt, gone: AbortSignal): Promise<LoginVerdict>
  violation(reason: string): void
  /** Aborts, with an Ending as its reason, when the connection is to end from outside. */
  stop: AbortSignal
  /**
   * Null where TLS stands. Else it sets up TLS on the bare client when that says STLS, until the signal aborts, and gives the
   * client as it is to be spoken to from then on, or null when that failed. Must not throw.
   */
  startTls: ((late: AbortSignal) => Promise<Duplex | null>) | null
}

/**
 * `relay`: the login was proven and its +OK written; `rest` is what the client has sent behind it. `client`: with TLS, if it came
 * to that.
 */
export type LoginResult = { client: Duplex } & (
  { at: 'relay'; rest: Buffer } | { at: 'over'; reason: Ending | 'violation' }
)

/** Greets a client and converses until a login is proven or the connection is to end. */
export async function runLogin(client: Duplex, options: LoginOptions): Promise<LoginResult> {
  const inbox = openInbox(client, options)
  const { startTls } = options
  let state = begin(startTls === null ? 'on' : 'none', options.server)
  let result: LoginResult | null = null

  const perform = async (effect: Effect): Promise<void> => {
    switch (effect.do) {
      case 'reply':
        return inbox.write(effect.text)
      case 'judge':
        inbox.await((gone) => options.judge(effect, gone))
        return
      case 'violation':
        options.violation(effect.reason)
        return
      case 'relay':
        result = { at: 'relay', rest: inbox.rest(), client: inbox.client() }
        return
      case 'close':
        result = { at: 'over', reason: effect.reason, client: inbox.client() }
        return
      case 'start-tls':
        if (startTls === null) throw new Error('TLS within TLS')
        return inbox.secure(startTls)
      default:
        never(effect)
    }
  }

  try {
    await inbox.write(GREETING)
    while (result === null) {
      const input = await inbox.next(state)
      const done = step(state, input)
      state = done.next
      // Before the +OK to STLS is written: what the client sends behind that is TLS.
      if (state.at === 'securing') inbox.leave()
      for (const effect of done.effects) await perform(effect)
    }
    return result
  } finally {
    inbox.close()
  }
}

type Inbox = {
  /** The next thing that happens, as the machine wants to hear of it. */
  next(state: Parameters<typeof inputOf>[0]): Promise<Input>
  /** Starts a judgement; its verdict comes out of `next`. */
  await(judge: (gone: AbortSignal) => Promise<LoginVerdict>): void
  /** Resolves when there is room for more, or the client is gone. */
  write(text: string): Promise<void>
  rest(): Buffer
  /** Reads no more, and forgets what was read. */
  leave(): void
  /** Once all is written, has TLS set up; what came of it comes out of `next`. */
  secure(startTls: NonNullable<LoginOptions['startTls']>): Promise<void>
  client(): Duplex
  close(): void
}

function openInbox(bare: Duplex, options: LoginOptions): Inbox {
  const reader = lineReader()
  /** Of the judgement under way. A signal costs as much as a command does, so there is one only where somebody waits for it. */
  let gone: AbortController | null = null
  const late = options.startTls === null ? null : new AbortController()
  let client = bare
  let tls: 'none' | 'failed' | 'secured' = 'none'
  let wake = () => {}
  let verdict: LoginVerdict | null = null
  let ended = false
  let closed: Ending | null = null
  const clock = stopwatch(options.deadlineMs, () => {
    late?.abort(OVER)
    wake()
  })

  const onData = (chunk: Buffer) => {
    reader.push(chunk)
    if (reader.size() >= UNREAD_PAUSE) client.pause()
    wake()
  }
  const onEnd = () => {
    ended = true
    wake()
  }
  const onError = () => {
    closed ??= 'client-reset'
  }
  const onClose = () => {
    closed ??= ended ? 'client-closed' : 'client-reset'
    gone?.abort(OVER)
    wake()
  }
  const onStop = () => {
    wake()
  }
  const listen = () => {
    client.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
    if (client.destroyed) onClose()
  }
  const leave = () => {
    // What listens on would keep the whole login in memory for as long as its session.
    client.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    client.on('error', ignore).pause()
  }
  listen()
  options.stop.addEventListener('abort', onStop)

  /** What can be told right now, most urgent first. */
  const ready = (state: Parameters<typeof inputOf>[0]): Input | null => {
    if (closed !== null) return { on: 'stop', reason: closed }
    if (options.stop.aborted) return { on: 'stop', reason: options.stop.reason as Ending }
    if (clock.isOver()) return { on: 'deadline' }
    if (tls !== 'none') {
      const input: Input = tls === 'secured' ? { on: 'secured' } : { on: 'stop', reason: 'client-closed' }
      tls = 'none'
      return input
    }
    if (verdict !== null) {
      const given = verdict
      verdict = null
      gone = null
      clock.go()
      return { on: 'verdict', verdict: given }
    }
    const kind = gone !== null ? null : expects(state)
    if (kind === null) return null
    const line = reader.next(kind)
    if (line.got !== 'none') return inputOf(state, line, reader.size())
    if (ended) return { on: 'stop', reason: 'client-closed' }
    client.resume()
    return null
  }

  return {
    async next(state) {
      for (;;) {
        const input = ready(state)
        if (input !== null) return input
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    await(judge) {
      gone = new AbortController()
      if (closed !== null) gone.abort(OVER)
      clock.halt()
      void judge(gone.signal).then((given) => {
        verdict = given
        wake()
      })
    },
    async write(text) {
      if (client.destroyed || client.write(text)) return
      await new Promise<void>((resolve) => {
        const done = () => {
          client.off('drain', done).off('close', done)
          options.stop.removeEventListener('abort', done)
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(done, options.deadlineMs)
        client.on('drain', done).on('close', done)
        options.stop.addEventListener('abort', done)
      })
    },
    rest: () => reader.rest(),
    leave() {
      leave()
      reader.clear()
    },
    async secure(startTls) {
      if (late === null) throw new Error('TLS within TLS')
      await written(client, [late.signal, options.stop])
      const secured = await startTls(late.signal)
      tls = secured === null ? 'failed' : 'secured'
      if (secured === null) return
      client = secured
      listen()
    },
    client: () => client,
    close() {
      gone?.abort(OVER)
      clock.halt()
      options.stop.removeEventListener('abort', onStop)
      leave()
    },
  }
}

/** Made once: without a reason each abort makes an error with a stack of its own. */
const OVER = 'over'

/** Resolves when the system has all that was written, or one of the signals aborts: TLS writes past what still waits here. */
async function written(client: Duplex, until: AbortSignal[]): Promise<void> {
  if (client.writableLength === 0) return
  await new Promise<void>((resolve) => {
    const done = () => {
      for (const signal of until) signal.removeEventListener('abort', done)
      resolve()
    }
    for (const signal of until) signal.addEventListener('abort', done)
    client.write('', done)
  })
}

/** A deadline over a total time that can be halted. `over` is called once when it has run out. */
function stopwatch(totalMs: number, over: () => void) {
  let left = totalMs
  let started = performance.now()
  let timer: NodeJS.Timeout | null = null
  const go = () => {
    started = performance.now()
    timer = setTimeout(() => {
      left = 0
      over()
    }, left)
  }
  go()
  return {
    go,
    halt() {
      if (timer === null) return
      clearTimeout(timer)
      timer = null
      left = Math.max(0, left - (performance.now() - started))
    },
    isOver: () => left <= 0,
  }
}
