/**
 * Logging in at the old server in the name of a user, and asking how it is. The password is proven here and nowhere else, so
 * a line that is not understood, or comes unasked, is never taken for a +OK.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { systemClock, type Clock } from '../base/clock.ts'
import {
  BACKEND_BEFORE_PASSWORD_MS,
  BACKEND_CONNECT_MS,
  BACKEND_GREETING_MS,
  BACKEND_GREETING_QUIET_MS,
  BACKEND_PROBE_MS,
  BACKEND_USER_MS,
  CAPABILITIES_MAX,
  COMMAND_LINE_MAX,
  REPLY_LINE_MAX,
  SASL_LINE_MAX,
} from '../base/limits.ts'
import type { BackendPlan } from '../keeper/messages.ts'
import { isPassword, isUserName } from '../pop3/command.ts'
import { readStatus, type Status } from '../pop3/reply.ts'
import { conversation, dial, type Conversation, type Heard } from './conversation.ts'
import { proxyHeader, xclientLine, type Client } from './introduction.ts'
import { failureOf, type Cause, type Failure, type Step } from './failure.ts'

/** Deadlines in milliseconds. Tests hand in short ones; `loginTimeMs` of the plan holds from the password on. */
export type LoginDeadlines = { connect: number; greeting: number; user: number; beforePassword: number }

const DEADLINES: LoginDeadlines = {
  connect: BACKEND_CONNECT_MS,
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
  clock?: Clock
  deadlines?: Partial<LoginDeadlines>
}

/**
 * The old server said +OK to the password. The socket is paused and half-open is allowed on it; its errors are swallowed.
 * `leftover`: what the server said behind that +OK. `words`: of the +OK, latin1 and not cleaned. `address`: host:port.
 */
export type Proven = {
  at: 'proven'
  socket: Socket
  leftover: Buffer
  address: string
  words: string
  tookMs: number
}

/** `tookMs`: from sending the password to the answer; 0 if none was sent. */
export type BackendLogin = Proven | (Failure & { tookMs: number })

/**
 * Logs in, trying the plan's addresses in order until a password was sent to one. Never throws for what a server does.
 * The caller owns the socket of a proven login, and wipes the password it handed in.
 */
export async function loginBackend(request: LoginRequest): Promise<BackendLogin> {
  const { plan, signal, client } = request
  const clock = request.clock ?? systemClock
  const deadlines = { ...DEADLINES, ...request.deadlines }
  const until = clock.monotonic() + deadlines.beforePassword
  const fail = (cause: Cause, tookMs = 0) => ({ ...failureOf(cause, plan.busyErrors), tookMs })
  if (!isSendable(request)) return fail({ on: 'unsendable' })
  let connectLeft = deadlines.connect
  let last = fail({ on: 'unreachable', why: 'no address' })
  for (const [i, { host, port }] of plan.addresses.entries()) {
    const started = clock.monotonic()
    const share = Math.min(connectLeft / (plan.addresses.length - i), until - started)
    if (share <= 0) return last
    const socket = await dial(host, port, share, signal)
    connectLeft -= clock.monotonic() - started
    if (typeof socket === 'string') {
      if (signal.aborted) return fail({ on: 'aborted' })
      last = fail({ on: 'unreachable', why: `${socket} at ${host}:${port}` })
      continue
    }
    if (plan.proxyProtocol !== 'off') socket.write(proxyHeader(plan.proxyProtocol, client))
    const talk = conversation(socket, signal)
    const result = await logIn(talk, { ...request, clock, deadlines, until })
    const leftover = talk.release()
    if (result.at === 'proven') return { ...result, socket, leftover, address: `${host}:${port}` }
    socket.destroy()
    last = fail(result.cause, result.tookMs)
    if (!last.retry) return last
  }
  return last
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

type Talk = LoginRequest & { clock: Clock; deadlines: LoginDeadlines; until: number }
type LoggedIn = { at: 'proven'; words: string; tookMs: number }
type NotLoggedIn = { at: 'failed'; cause: Cause; tookMs: number }

async function logIn(talk: Conversation, request: Talk): Promise<LoggedIn | NotLoggedIn> {
  const { plan, username, password, clock, deadlines, until } = request
  const failed = (cause: Cause): NotLoggedIn => ({ at: 'failed', cause, tookMs: 0 })
  const before = (ms: number) => Math.max(0, Math.min(ms, until - clock.monotonic()))

  const greeting = judge(await hearGreeting(talk, before(deadlines.greeting)), 'greeting', talk)
  if ('on' in greeting) return failed(greeting)
  if (plan.xclient && offersXclient(greeting.words)) {
    talk.say(xclientLine(request.client))
    const answer = judge(await talk.hear(before(deadlines.user)), 'user', talk)
    if ('on' in answer) return failed(answer.on === 'refused' ? { on: 'no-xclient' } : answer)
  }
  const timestamp = plan.auth === 'auto' || plan.auth === 'apop' ? timestampIn(greeting.words) : null
  if (plan.auth === 'apop' && timestamp === null) return failed({ on: 'no-apop' })
  if (timestamp !== null && username.length + APOP_REST > COMMAND_LINE_MAX) return failed({ on: 'unsendable' })
  if (timestamp === null) {
    talk.say(plan.auth === 'plain' ? Buffer.from('AUTH PLAIN\r\n') : lineOf('USER ', username))
    const heard = await talk.hear(before(deadlines.user))
    const answer = plan.auth === 'plain' ? judgeChallenge(heard, talk) : judge(heard, 'user', talk)
    if (answer !== 'go-on' && 'on' in answer) return failed(answer)
  }
  const sent = clock.monotonic()
  talk.say(proof(plan.auth, timestamp, username, password))
  const heard = await talk.hear(plan.loginTimeMs)
  const tookMs = clock.monotonic() - sent
  const answer = judge(heard, 'password', talk, () => [password, proof(plan.auth, timestamp, username, password)])
  return 'on' in answer ? { at: 'failed', cause: answer, tookMs } : { at: 'proven', words: answer.words, tookMs }
}

/**
 * ATTACK: a greeting of two lines, the second of them a moment later, passes for the answer to USER, the answer to USER for that to
 * PASS, and so a wrong password for a right one. Nothing in the lines tells them apart, so nothing is asked before the server is quiet.
 */
async function hearGreeting(talk: Conversation, ms: number): Promise<Heard> {
  const first = await talk.hear(ms)
  if (first.heard !== 'line' || readStatus(first.line)?.ok !== true) return first
  const more = await talk.hear(BACKEND_GREETING_QUIET_MS)
  if (more.heard === 'late') return talk.quiet() ? first : { heard: 'garbled' }
  return more.heard === 'line' ? { heard: 'garbled' } : more
}

/**
 * Reads an answer. ATTACK: a second line already there when one was asked for means that every later answer would be taken for
 * the one before, and some +OK for that of the password. Behind the last +OK a server may talk on, but not refuse.
 */
function judge(
  heard: Heard,
  step: Exclude<Step, 'connect'>,
  talk: Conversation,
  secrets: () => Buffer[] = () => [],
): Status | Cause {
  if (heard.heard !== 'line') return causeOf(heard, step)
  const status = readStatus(heard.line)
  const inTurn = talk.quiet() || (step === 'password' && !talk.refusesNext())
  if (status === null || !inTurn) return { on: 'garbled', step }
  if (status.ok) return status
  return { on: 'refused', step, line: heard.line, echo: echoes(heard.line, secrets()) }
}

function judgeChallenge(heard: Heard, talk: Conversation): 'go-on' | Cause {
  if (heard.heard === 'line' && /^\+( |$)/.test(heard.line.toString('latin1')) && talk.quiet()) return 'go-on'
  const answer = judge(heard, 'user', talk)
  return 'on' in answer ? answer : { on: 'garbled', step: 'user' }
}

function causeOf(heard: Exclude<Heard, { heard: 'line' }>, step: Step): Cause {
  return heard.heard === 'aborted' ? { on: 'aborted' } : { on: heard.heard, step }
}

/** ATTACK: the holder of an app password must not read the mailbox password in the answer of a server that repeats its input. */
function echoes(line: Buffer, secrets: Buffer[]): boolean {
  const said = line.toString('latin1').toLowerCase()
  return secrets.some((secret) => said.includes(secret.toString('latin1').trimEnd().toLowerCase()))
}

/** Dovecot says so to those whose word it takes: Postern's address is in its `login_trusted_networks`. */
function offersXclient(greeting: string): boolean {
  return /\[XCLIENT\]/.test(greeting)
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

/** `capabilities`: the lines of CAPA as the server sent them; null when it has no CAPA. `xclient`: its greeting offers that. */
export type Probed = { at: 'up'; capabilities: string[] | null; xclient: boolean } | { at: 'down'; detail: string }

/** Lines read of one CAPA reply. What is beyond CAPABILITIES_MAX is dropped; a server that never stops is down. */
const CAPA_LINES_MAX = 1_000

/**
 * Connects, reads the greeting, asks CAPA, says QUIT, all within `deadlineMs`. Up means: it greets with +OK and answers CAPA
 * with anything of POP3, or closes at it, as some very old ones do with what they do not know. Never throws.
 */
export async function probeBackend(
  { host, port }: { host: string; port: number },
  header: BackendPlan['proxyProtocol'],
  { deadlineMs = BACKEND_PROBE_MS, clock = systemClock }: { deadlineMs?: number; clock?: Clock } = {},
): Promise<Probed> {
  const until = clock.monotonic() + deadlineMs
  const left = () => Math.max(0, until - clock.monotonic())
  const { signal } = new AbortController()
  const socket = await dial(host, port, left(), signal)
  if (typeof socket === 'string') return { at: 'down', detail: `connect: ${socket}` }
  if (header !== 'off') socket.write(proxyHeader(header, null))
  const talk = conversation(socket, signal)
  try {
    const greeting = await hearGreeting(talk, left())
    if (greeting.heard !== 'line') return { at: 'down', detail: `greeting: ${greeting.heard}` }
    const status = readStatus(greeting.line)
    if (status === null || !talk.quiet()) return { at: 'down', detail: 'greeting: garbled' }
    if (!status.ok) return { at: 'down', detail: 'greeting: -ERR' }
    const result = await askCapabilities(talk, left, offersXclient(status.words))
    if (result.at === 'up') {
      talk.say(Buffer.from('QUIT\r\n'))
      await talk.hear(left())
    }
    return result
  } finally {
    talk.release()
    socket.destroy()
  }
}

async function askCapabilities(talk: Conversation, left: () => number, xclient: boolean): Promise<Probed> {
  talk.say(Buffer.from('CAPA\r\n'))
  const first = await talk.hear(left())
  if (first.heard === 'closed') return { at: 'up', capabilities: null, xclient }
  const status = first.heard === 'line' ? readStatus(first.line) : null
  if (status === null) return { at: 'down', detail: `CAPA: ${first.heard === 'line' ? 'garbled' : first.heard}` }
  if (!status.ok) return { at: 'up', capabilities: null, xclient }
  const lines: string[] = []
  for (let count = 0; count < CAPA_LINES_MAX; count++) {
    const heard = await talk.hear(left())
    if (heard.heard !== 'line') return { at: 'down', detail: `CAPA: ${heard.heard}` }
    const line = heard.line.toString('latin1')
    if (line === '.') return { at: 'up', capabilities: lines, xclient }
    // No capability has such a name: the answers of this server come one late.
    if (readStatus(heard.line) !== null) return { at: 'down', detail: 'CAPA: garbled' }
    if (lines.length < CAPABILITIES_MAX && line.length <= REPLY_LINE_MAX) lines.push(line)
  }
  return { at: 'down', detail: 'CAPA: no end' }
}
