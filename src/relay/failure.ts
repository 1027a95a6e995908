/**
 * Why a login at an old server did not come about, and what follows from it: the judgement, the words for the client, whether
 * another address may be tried, and how loud the log is. Pure.
 */
import { BUSY_TEXT_MAX, FAILURE_DETAIL_MAX, REPLY_LINE_MAX } from '../base/limits.ts'
import type { Level } from '../base/log.ts'
import { never } from '../base/never.ts'
import type { Outcome } from '../keeper/messages.ts'
import { REFUSED, TROUBLE, busy, cleanWords, readStatus, type Status } from '../pop3/reply.ts'

/** Where a login stood. `user` covers what is asked between the greeting and the password, `stat` what is asked behind it. */
export type Step = 'connect' | 'greeting' | 'stls' | 'user' | 'password' | 'stat'

export type Cause =
  /** The server said -ERR. `line` has no line end. `echo`: it repeats the password, so its words go nowhere. */
  | { on: 'refused'; step: 'greeting' | 'user' | 'password' | 'stat'; line: Buffer; echo: boolean }
  /** Connecting failed; `why` is the system's code. */
  | { on: 'unreachable'; why: string }
  | { on: 'late' | 'closed' | 'garbled'; step: Step }
  /** The server offered XCLIENT and did not take it. It may judge by addresses, so nobody logs in under ours. */
  | { on: 'no-xclient' }
  /** The policy wants TLS, and it did not come about; `why` is OpenSSL's code or words of ours. */
  | { on: 'no-tls'; why: string }
  /** More than one line of greeting: every answer would be taken for the next one. */
  | { on: 'noisy' }
  /** The policy wants it, and the server does not offer it. */
  | { on: 'no-apop' | 'no-plain' }
  /** The name or the password cannot be written on one line. */
  | { on: 'unsendable' }
  /** The client went away meanwhile. */
  | { on: 'aborted' }

/**
 * `words`: the whole line for the client. `detail`: for log and audit, without secrets. `retry`: another address may be tried;
 * false from the moment a password was sent, because a second server would count the same wrong password again.
 */
export type Failure = {
  at: 'refuted' | 'busy' | 'unavailable'
  words: string
  detail: string
  retry: boolean
  level: Level
}

/** Needs the cause and the policy's `busy_errors`. Throws SyntaxError for an expression that is none: policies are checked before. */
export function failureOf(cause: Cause, busyErrors: readonly string[]): Failure {
  switch (cause.on) {
    case 'refused':
      return refusal(cause, busyErrors)
    case 'unreachable':
      return unavailable(`connect: ${cause.why}`, true)
    case 'late':
      return unavailable(`${cause.step}: no answer in time`, isBeforePassword(cause.step))
    case 'closed':
      return unavailable(`${cause.step}: connection closed`, isBeforePassword(cause.step))
    case 'garbled':
      return unavailable(`${cause.step}: the answer is none to it`, isBeforePassword(cause.step))
    case 'no-xclient':
      return unavailable('XCLIENT: offered, and then refused', true)
    case 'no-tls':
      return { ...unavailable(`tls: ${cause.why}`, true), level: 'error' }
    case 'noisy':
      return { ...unavailable(NOISY, true), level: 'error' }
    case 'no-apop':
      return { ...unavailable('greeting: APOP is not offered', false), level: 'error' }
    case 'no-plain':
      return { ...unavailable('user: AUTH PLAIN is not offered', false), level: 'error' }
    case 'unsendable':
      return refuted('the name or the password does not fit one command line')
    case 'aborted':
      return { ...unavailable('the client went away', false), level: 'debug' }
    default:
      return never(cause)
  }
}

const NOISY = 'greeting: more than one line, so no answer can be told from the next'

/** From the password on, no second server hears of it. */
function isBeforePassword(step: Step): boolean {
  return step !== 'password' && step !== 'stat'
}

/** What the keeper is told of a login. `tookMs` runs from sending the password to the answer, 0 when it was not sent. */
export function outcomeOf(login: { at: 'proven'; tookMs: number } | (Failure & { tookMs: number })): Outcome {
  switch (login.at) {
    case 'proven':
    case 'refuted':
      return { at: login.at, tookMs: login.tookMs }
    case 'busy':
    case 'unavailable':
      return { at: login.at, detail: login.detail }
    default:
      return never(login)
  }
}

function refuted(detail: string): Failure {
  return { at: 'refuted', words: REFUSED, detail, retry: false, level: 'debug' }
}

function unavailable(detail: string, retry: boolean, words: string = TROUBLE): Failure {
  return { at: 'unavailable', words, detail, retry, level: 'warn' }
}

function refusal(cause: Extract<Cause, { on: 'refused' }>, busyErrors: readonly string[]): Failure {
  const status = readStatus(cause.line) ?? { ok: false, code: null, text: '', words: '' }
  const said = cause.echo ? withoutText(status) : status
  const detail = cleanWords(`${cause.step}: ${said.words}`, FAILURE_DETAIL_MAX)
  switch (judged(status, cause.step, busyErrors)) {
    case 'busy':
      return { at: 'busy', words: busy(said.words), detail, retry: false, level: 'info' }
    case 'refuted':
      return refuted(detail)
    case 'unavailable': {
      // Trouble with the server's own code goes on as it came: [SYS/PERM] tells the user to call somebody.
      const coded = familyOf(said.code) === 'SYS'
      const failure = unavailable(detail, isBeforePassword(cause.step), coded ? trouble(said) : TROUBLE)
      return said.code === 'SYS/PERM' ? { ...failure, level: 'error' } : failure
    }
  }
}

/**
 * [AUTH] is the server's plain word that the credentials are wrong (RFC 3206 section 4): no expression of the operator overrides
 * it, or a guesser could be told apart from a busy mailbox. A refusal in the greeting judges nobody's password, and neither does one
 * of STAT: that the password was wrong is said behind the password.
 */
function judged(status: Status, step: Step, busyErrors: readonly string[]): 'refuted' | 'busy' | 'unavailable' {
  const family = familyOf(status.code)
  if (family === 'IN-USE' || family === 'LOGIN-DELAY') return 'busy'
  if (step === 'greeting' || family === 'SYS') return 'unavailable'
  if (family === 'AUTH') return step === 'stat' ? 'unavailable' : 'refuted'
  const text = status.words.slice(0, BUSY_TEXT_MAX)
  return busyErrors.some((source) => new RegExp(source, 'i').test(text))
    ? 'busy'
    : step === 'stat'
      ? 'unavailable'
      : 'refuted'
}

/** A code may have levels behind a slash; who does not know the whole goes by the first (RFC 2449 section 8). */
function familyOf(code: string | null): string | null {
  return code?.split('/', 1)[0] ?? null
}

function trouble(status: Status): string {
  const start = `-ERR [${status.code}]`
  return `${`${start} ${cleanWords(status.text, REPLY_LINE_MAX - start.length - 3)}`.trimEnd()}\r\n`
}

/** Some servers repeat the command they refuse, password and all. The code alone is left then. */
function withoutText(status: Status): Status {
  return { ...status, text: '', words: status.code === null ? '' : `[${status.code}]` }
}
