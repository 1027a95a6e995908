/**
 * Logging in at the old server in the name of a user. The password is proven here and nowhere else, so
 * a line that is not understood, or comes unasked, is never taken for a +OK.
 */
import { createHash } from 'node:crypto'
import { systemClock, type Clock } from '../base/clock.ts'
import {
  BACKEND_BEFORE_PASSWORD_MS,
  BACKEND_CONNECT_MS,
  BACKEND_GREETING_MS,
  BACKEND_GREETING_QUIET_MS,
  BACKEND_TLS_MS,
  BACKEND_USER_MS,
  COMMAND_LINE_MAX,
  SASL_LINE_MAX,
} from '../base/limits.ts'
import type { BackendAddress, BackendPlan } from '../keeper/messages.ts'
import { isPassword, isUserName } from '../pop3/command.ts'
import { readStatus, type Status } from '../pop3/reply.ts'
import type { Conversation, Heard } from './conversation.ts'
import { failureOf, type Cause, type Failure } from './failure.ts'
import { offersXclient, proxyHeader, xclientLine, type Client } from './introduction.ts'
import { causeOf, openBackend, type Opened, type Way } from './opening.ts'
import type { Source } from './source.ts'

/** Deadlines in milliseconds. Tests hand in short ones; `loginTimeMs` of the plan holds from the password on. */
export type LoginDeadlines = { connect: number; tls: number; greeting: number; user: number; beforePassword: number }

const DEADLINES: LoginDeadlines = {
  connect: BACKEND_CONNECT_MS,
  tls: BACKEND_TLS_MS,
  greeting: BACKEND_GREETING_MS,
  user: BACKEND_USER_MS,
  beforePassword: BACKEND_BEFORE_PASSWORD_MS,
}

export type LoginRequest = {
  plan: BackendPlan
  username: Buffer
  password: Buffer
  /** Whom the old server is told about, where the plan says so. */
  client: Client
  /** Aborts when the client goes away: the connection is closed without QUIT. */
  signal: AbortSignal
  /** Told of an address that greets with more than one line. */
  noisy: (backend: string, address: BackendAddress) => void
  clock?: Clock
  deadlines?: Partial<LoginDeadlines>
}

/**
 * The old server said +OK to the password, and then what it says to STAT. The source is halted and half-open is allowed on its socket; errors are swallowed.
 * `leftover`: what the server said behind that. `words`: of the +OK, latin1 and not cleaned. `address`: host:port.
 */
export type Proven = {
  at: 'proven'
  source: Source
  leftover: Buffer
  address: string
  words: string
  tookMs: number
}

/** `tookMs`: from sending the password to the answer; 0 if none was sent. */
export type BackendLogin = Proven | (Failure & { tookMs: number })

/**
 * Logs in, trying the plan's addresses in order until a password was sent to one. Never throws for what a server does.
 * The caller owns the source of a proven login, and wipes the password it handed in.
 */
export async function loginBackend(request: LoginRequest): Promise<BackendLogin> {
  const { plan } = request
  const clock = request.clock ?? systemClock
  const deadlines = { ...DEADLINES, ...request.deadlines }
  const until = clock.monotonic() + deadlines.beforePassword
  const fail = (cause: Cause, tookMs = 0) => ({ ...failureOf(cause, plan.busyErrors), tookMs })
  if (!isSendable(request)) return fail({ on: 'unsendable' })
  let connectLeft = deadlines.connect
  let last = fail({ on: 'unreachable', why: 'no address that can be used' })
  for (const [i, address] of plan.addresses.entries()) {
    const started = clock.monotonic()
    // A fair share of what is left, so that one that never greets leaves time for the next.
    const turns = plan.addresses.length - i
    const left = shareOf(clock, (until - started) / turns)
    if (left() <= 0 || connectLeft <= 0) return last
    const opened = await openBackend(wayTo(request, address, { ...deadlines, connect: connectLeft / turns }, left))
    const at = `${address.host}:${address.port}`
    if (opened.at === 'failed') {
      const { cause } = opened
      if (cause.on === 'unreachable') connectLeft -= clock.monotonic() - started
      if (cause.on === 'noisy') request.noisy(plan.name, address)
      last = fail(cause.on === 'unreachable' ? { ...cause, why: `${cause.why} at ${at}` } : cause)
    } else {
      const { source, talk } = opened
      const result = await logIn(opened, { ...request, clock, deadlines, left })
      const leftover = talk.release()
      if (result.at === 'proven') return { ...result, source, leftover, address: at }
      source.socket.destroy()
      last = fail(result.cause, result.tookMs)
    }
    if (!last.retry) return last
  }
  return last
}

function wayTo(
  { plan, client, signal }: LoginRequest,
  address: BackendAddress,
  deadlines: LoginDeadlines,
  left: () => number,
): Way {
  const header = plan.proxyProtocol === 'off' ? null : proxyHeader(plan.proxyProtocol, client)
  const quietMs = address.quiet === true ? 0 : BACKEND_GREETING_QUIET_MS
  return { address, tls: plan.tls, header, quietMs, deadlines, left, signal }
}

function shareOf(clock: Clock, ms: number): () => number {
  const until = clock.monotonic() + ms
  return () => Math.max(0, until - clock.monotonic())
}

/**
 * ATTACK: a line break in a name or password starts a command of the attacker's at the old server, and so does a line longer
 * than the server's buffer: its answers then come one early, and the +OK of one line passes for that of the password. An empty
 * password is a name without one to some directories (an LDAP bind without a password always succeeds).
 */
function isSendable({ plan, username, password }: LoginRequest): boolean {
  if (!isUserName(username) || !isPassword(password)) return false
  if (plan.auth === 'plain') return plainResponse(username, password).length <= SASL_LINE_MAX
  return username.length + 7 <= COMMAND_LINE_MAX && password.length + 7 <= COMMAND_LINE_MAX
}

/** Of an APOP line, all but the name: the verb, two spaces, the digest in hexadecimal, CRLF. */
const APOP_REST = 5 + 1 + 32 + 2

type Talk = LoginRequest & { clock: Clock; deadlines: LoginDeadlines; left(): number }
type LoggedIn = { at: 'proven'; words: string; tookMs: number }
type NotLoggedIn = { at: 'failed'; cause: Cause; tookMs: number }

async function logIn({ talk, greeting }: Opened, request: Talk): Promise<LoggedIn | NotLoggedIn> {
  const { plan, username, password, clock, deadlines, left } = request
  const failed = (cause: Cause, tookMs = 0): NotLoggedIn => ({ at: 'failed', cause, tookMs })
  const userMs = () => Math.min(deadlines.user, left())

  if (plan.xclient && offersXclient(greeting.words)) {
    talk.say(xclientLine(request.client))
    const answer = judge(await talk.hear(userMs()), 'user', talk)
    if ('on' in answer) return failed(answer.on === 'refused' ? { on: 'no-xclient' } : answer)
  }
  const timestamp = plan.auth === 'auto' || plan.auth === 'apop' ? timestampIn(greeting.words) : null
  if (plan.auth === 'apop' && timestamp === null) return failed({ on: 'no-apop' })
  if (timestamp !== null && username.length + APOP_REST > COMMAND_LINE_MAX) return failed({ on: 'unsendable' })
  if (timestamp === null) {
    talk.say(plan.auth === 'plain' ? Buffer.from('AUTH PLAIN\r\n') : lineOf('USER ', username))
    const heard = await talk.hear(userMs())
    const answer = plan.auth === 'plain' ? judgeChallenge(heard, talk) : judge(heard, 'user', talk)
    if (answer !== 'go-on' && 'on' in answer) return failed(answer)
  }
  const secrets = () => [password, proof(plan.auth, timestamp, username, password)]
  const sent = clock.monotonic()
  talk.say(proof(plan.auth, timestamp, username, password))
  const answer = judge(await talk.hear(plan.loginTimeMs), 'password', talk, secrets)
  const tookMs = clock.monotonic() - sent
  if ('on' in answer) return failed(answer, tookMs)
  talk.say(Buffer.from('STAT\r\n'))
  const stat = judge(await talk.hear(Math.max(deadlines.user, plan.loginTimeMs - tookMs)), 'stat', talk, secrets)
  if ('on' in stat) return failed(stat, tookMs)
  return isOfStat(stat)
    ? { at: 'proven', words: answer.words, tookMs }
    : failed({ on: 'garbled', step: 'stat' }, tookMs)
}

/**
 * ATTACK: a line that the server says unasked, at whatever moment, passes for the answer to the command under way, and that one's
 * answer for the next: the +OK of USER for that of a wrong password. No +OK looks different from another, but for that of STAT
 * (RFC 1939 section 5). When every answer is one late, the refusal of the password stands where the one of STAT is due.
 */
function isOfStat({ words }: Status): boolean {
  return /^ *[0-9]+ +[0-9]+( |$)/.test(words)
}

/**
 * Reads an answer. ATTACK: a second line already there when one was asked for means that every later answer would be taken for
 * the one before, and some +OK for that of the password.
 */
function judge(
  heard: Heard,
  step: 'user' | 'password' | 'stat',
  talk: Conversation,
  secrets: () => Buffer[] = () => [],
): Status | Cause {
  if (heard.heard !== 'line') return causeOf(heard, step)
  const status = readStatus(heard.line)
  if (status === null || !talk.quiet()) return { on: 'garbled', step }
  if (status.ok) return status
  return { on: 'refused', step, line: heard.line, echo: echoes(heard.line, secrets()) }
}

function judgeChallenge(heard: Heard, talk: Conversation): 'go-on' | Cause {
  if (heard.heard === 'line' && /^\+( |$)/.test(heard.line.toString('latin1')) && talk.quiet()) return 'go-on'
  const answer = judge(heard, 'user', talk)
  if (!('on' in answer)) return { on: 'garbled', step: 'user' }
  // Nobody was judged: the response with name and password is still here.
  return answer.on === 'refused' ? { on: 'no-plain' } : answer
}

/** ATTACK: the holder of an app password must not read the mailbox password in the answer of a server that repeats its input. */
function echoes(line: Buffer, secrets: Buffer[]): boolean {
  const said = line.toString('latin1').toLowerCase()
  return secrets.some((secret) => said.includes(secret.toString('latin1').trimEnd().toLowerCase()))
}

/** RFC 1939 section 7, with the msg-id of RFC 822: a looser reading lets a man in the middle choose the digest's input (CVE-2007-1558). */
function timestampIn(words: string): string | null {
  return /<[!-;=?A-~]+@[!-;=?A-~]+>/.exec(words)?.[0] ?? null
}

function proof(auth: BackendPlan['auth'], timestamp: string | null, username: Buffer, password: Buffer): Buffer {
  if (timestamp !== null) {
    const digest = createHash('md5').update(timestamp).update(password).digest('hex')
    return lineOf('APOP ', username, ` ${digest}`)
  }
  return auth === 'plain' ? plainResponse(username, password) : lineOf('PASS ', password)
}

function lineOf(start: string, bytes: Buffer, end = ''): Buffer {
  return Buffer.concat([Buffer.from(start), bytes, Buffer.from(`${end}\r\n`)])
}

/** RFC 4616: no authorisation identity, the name, the password. */
function plainResponse(username: Buffer, password: Buffer): Buffer {
  const parts = Buffer.concat([Buffer.of(0), username, Buffer.of(0), password])
  return Buffer.from(`${parts.toString('base64')}\r\n`)
}
