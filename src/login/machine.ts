/**
 * The dialogue before login, as a pure machine: `step(state, input)` gives the next state and what to do. It opens no
 * socket, reads no clock and keeps nothing between calls. The one way to a mailbox is
 *
 *     judge (effect) -> verdict `welcome` (input) -> relay (effect)
 *
 * and from `judging` nothing but a verdict or the end leads out.
 */
import type { Ending } from '../audit/events.ts'
import { LINES_BEFORE_LOGIN_MAX, LOGIN_FAILURES_MAX, PROTOCOL_FAULTS_MAX } from '../base/limits.ts'
import { never } from '../base/never.ts'
import { reveal, type Secret } from '../base/secret.ts'
import { capabilitiesBeforeLogin, capaReply } from '../pop3/capabilities.ts'
import { parse, type Command, type LineFault } from '../pop3/command.ts'
import type { LineKind, NextLine } from '../pop3/line-reader.ts'
import * as say from '../pop3/reply.ts'
import { decodeBase64, decodeInitial, readLoginPassword, readLoginUser, readPlain } from '../pop3/sasl.ts'

/** What holds in every state. `server`: CAPA lines of the old server, null when unknown or when it has none. */
export type Facts = {
  tls: 'on' | 'none'
  server: readonly string[] | null
  failures: number
  faults: number
  lines: number
}

export type LoginState = { facts: Facts } & (
  | { at: 'open' }
  /** USER was given. */
  | { at: 'named'; user: Buffer }
  /** AUTH waits for a line of its mechanism. */
  | { at: 'challenged'; wants: 'plain' | 'login-user' }
  | { at: 'challenged'; wants: 'login-password'; user: Buffer }
  /** A login is being judged. No line is taken. */
  | { at: 'judging' }
  /** STLS was answered; TLS is being set up. No line is taken. */
  | { at: 'securing' }
  /** Relayed or closed. Whatever comes later changes nothing. */
  | { at: 'done' }
)

/**
 * `welcome`: `words` are the old server's as they came; they are cleaned here. `trouble`: nobody judged, or the maildrop is busy;
 * `line` is the whole reply, made of clean words, CRLF included. `deny`: the gate shuts the address out, whoever logs in.
 */
export type LoginVerdict =
  { say: 'welcome'; words: string } | { say: 'refuse' } | { say: 'deny' } | { say: 'trouble'; line: string }

export type LineInput =
  | { on: 'command'; command: Command }
  | { on: 'sasl-line'; line: Buffer }
  | { on: 'fault'; fault: LineFault | 'too-long' | 'behind-stls' }

export type Input =
  | LineInput
  | { on: 'verdict'; verdict: LoginVerdict }
  /** TLS stands after `start-tls`. */
  | { on: 'secured' }
  /** `limits.login_time` has passed. */
  | { on: 'deadline' }
  /** The connection ends for a reason from outside: the client is gone, the server drains, the place is needed. */
  | { on: 'stop'; reason: Ending }

export type Via = 'USER' | 'PLAIN' | 'LOGIN'

export type Effect =
  /** Write the text, which is ASCII and has its CRLF. */
  | { do: 'reply'; text: string }
  /** Have the login judged and put in the verdict. Take no line until then. */
  | { do: 'judge'; user: Buffer; password: Secret; via: Via }
  /** Start TLS, then put in `secured`. From the step that asks for this, no byte is read as a line. */
  | { do: 'start-tls' }
  | { do: 'relay' }
  /** For the audit. The reason is one of our own words, never the client's. */
  | { do: 'violation'; reason: string }
  /** Write what is still to be written, then close. A login that is being judged is taken back. */
  | { do: 'close'; reason: Ending | 'violation' }

export type Step = { next: LoginState; effects: Effect[] }

/** Gives the state of a new connection, whose greeting the runner sends. `tls` is `none` on a listener with STLS. */
export function begin(tls: Facts['tls'], server: Facts['server']): LoginState {
  return { at: 'open', facts: { tls, server, failures: 0, faults: 0, lines: 0 } }
}

/** Which line the reader is to be asked for next; null while no line may be taken. */
export function expects(state: LoginState): LineKind | null {
  switch (state.at) {
    case 'open':
    case 'named':
      return 'command'
    case 'challenged':
      return 'sasl'
    case 'judging':
    case 'securing':
    case 'done':
      return null
    default:
      return never(state)
  }
}

/**
 * Turns what the reader gave into an input, in the sense of the state: the same bytes are a command or a SASL response.
 * `behind`: octets that were read behind the line. ATTACK: who sits on the way puts commands behind a client's STLS, to be obeyed
 * inside its TLS (CVE-2011-0411). No client may say a word there (RFC 2595 section 4), so whoever does is closed.
 */
export function inputOf(state: LoginState, next: Exclude<NextLine, { got: 'none' }>, behind: number): LineInput {
  if (next.got === 'too-long') return { on: 'fault', fault: 'too-long' }
  if (expects(state) === 'sasl') return { on: 'sasl-line', line: next.line }
  const parsed = parse(next.line)
  if (parsed.got === 'fault') return { on: 'fault', fault: parsed.fault }
  const isInjected = parsed.command.verb === 'STLS' && state.facts.tls === 'none' && behind > 0
  return isInjected ? { on: 'fault', fault: 'behind-stls' } : { on: 'command', command: parsed.command }
}

const reply = (text: string): Effect => ({ do: 'reply', text })
const stay = (next: LoginState, text: string): Step => ({ next, effects: [reply(text)] })
const open = (facts: Facts, text: string): Step => stay({ at: 'open', facts }, text)
const close = (facts: Facts, text: string | null, reason: Ending | 'violation'): Step => ({
  next: { at: 'done', facts },
  effects: [...(text === null ? [] : [reply(text)]), { do: 'close', reason }],
})

function violate(facts: Facts, text: string, reason: string): Step {
  return {
    next: { at: 'done', facts },
    effects: [reply(text), { do: 'violation', reason }, { do: 'close', reason: 'violation' }],
  }
}

/**
 * Takes one input. Never throws on what a client sends. An input that has no place in the state (a verdict that nobody
 * asked for, a line while judging) can only be our own bug: it closes the connection, so that it can admit nobody.
 */
export function step(state: LoginState, input: Input): Step {
  if (state.at === 'done') return { next: state, effects: [] }
  switch (input.on) {
    case 'deadline':
      return stop(state, 'login-timeout')
    case 'stop':
      return stop(state, input.reason)
    case 'verdict':
      return state.at === 'judging' ? judged(state.facts, input.verdict) : stop(state, 'internal-error')
    case 'secured':
      // A new state: no name typed in the clear survives. The tallies stay, as STLS must not buy new attempts.
      if (state.at !== 'securing') return stop(state, 'internal-error')
      return { next: { at: 'open', facts: { ...state.facts, tls: 'on' } }, effects: [] }
    case 'command':
    case 'sasl-line':
    case 'fault':
      return takeLine(state, input)
    default:
      return never(input)
  }
}

function stop(state: LoginState, reason: Ending): Step {
  // In the midst of a TLS handshake plain words would only break it; a client that is gone hears nothing.
  if (state.at === 'securing' || reason === 'client-closed' || reason === 'client-reset') {
    return close(state.facts, null, reason)
  }
  if (reason === 'login-timeout') return close(state.facts, say.TOO_SLOW, reason)
  return close(state.facts, reason === 'draining' ? say.DRAINING : say.TROUBLE, reason)
}

/** Only `refuse` counts: trouble and a busy maildrop are not the client's fault. A refused login needs USER again. */
function judged(facts: Facts, verdict: LoginVerdict): Step {
  switch (verdict.say) {
    case 'welcome':
      return { next: { at: 'done', facts }, effects: [reply(say.welcome(verdict.words)), { do: 'relay' }] }
    case 'refuse': {
      const counted = { ...facts, failures: facts.failures + 1 }
      if (counted.failures < LOGIN_FAILURES_MAX) return open(counted, say.REFUSED)
      return close(counted, say.REFUSED, 'too-many-failures')
    }
    case 'trouble':
      return open(facts, verdict.line)
    case 'deny':
      // Said before anything of the login was looked at, so it tells nothing of the user; [AUTH] would blame the password.
      return close(facts, say.DENIED, 'denied')
    default:
      return never(verdict)
  }
}

function takeLine(before: LoginState, input: LineInput): Step {
  const state: LoginState = { ...before, facts: { ...before.facts, lines: before.facts.lines + 1 } }
  if (state.facts.lines > LINES_BEFORE_LOGIN_MAX) return violate(state.facts, say.TOO_MANY_LINES, 'too-many-commands')
  if (input.on === 'fault' && expects(state) !== null) return faulty(state, input.fault)
  if (input.on === 'command' && (state.at === 'open' || state.at === 'named')) return obey(state, input.command)
  if (input.on === 'sasl-line' && state.at === 'challenged') return respond(state, input.line)
  return stop(state, 'internal-error')
}

/** Counts a fault of protocol. It ends an AUTH exchange, but not what USER said. */
function faulty(state: LoginState, fault: Extract<LineInput, { on: 'fault' }>['fault'] | 'bad-sasl'): Step {
  const facts = { ...state.facts, faults: state.facts.faults + 1 }
  if (fault === 'http' || fault === 'behind-stls') return violate(facts, say.NOT_UNDERSTOOD, fault)
  if (facts.faults >= PROTOCOL_FAULTS_MAX) return violate(facts, say.TOO_MANY_FAULTS, `too-many-faults ${fault}`)
  const text = fault === 'too-long' ? say.TOO_LONG : fault === 'bad-sasl' ? say.BAD_SASL : say.NOT_UNDERSTOOD
  return state.at === 'named' ? stay({ ...state, facts }, text) : open(facts, text)
}

type Commanded = Extract<LoginState, { at: 'open' | 'named' }>

function obey(state: Commanded, command: Command): Step {
  const { facts } = state
  switch (command.verb) {
    case 'CAPA':
      return stay(state, capaReply(capabilitiesBeforeLogin(facts.server, facts.tls === 'on' ? 'on' : 'off-but-stls')))
    case 'NOOP':
      return stay(state, say.NOOP_OK)
    case 'QUIT':
      return close(facts, say.BYE, 'quit')
    case 'STLS':
      if (facts.tls === 'on') return stay(state, say.TLS_ALREADY)
      return { next: { at: 'securing', facts }, effects: [reply(say.STLS_OK), { do: 'start-tls' }] }
    case 'USER':
    case 'PASS':
    case 'AUTH':
      return facts.tls === 'on' ? logIn(state, command) : tooEarly(facts, command)
    case 'APOP':
      return stay(state, say.NO_APOP)
    case 'mailbox':
      return stay(state, say.LOGIN_FIRST)
    case 'unknown':
      return stay(state, say.UNKNOWN)
    default:
      return never(command)
  }
}

/** Before TLS. The operator learns that somebody's password may have crossed the network in the clear, but not whose. */
function tooEarly(facts: Facts, command: Command): Step {
  if (command.verb === 'AUTH' && command.mechanism === null) return open(facts, say.TLS_FIRST)
  const violation: Effect = { do: 'violation', reason: `${command.verb.toLowerCase()}-before-stls` }
  return { next: { at: 'open', facts }, effects: [reply(say.TLS_FIRST), violation] }
}

/** USER, PASS and AUTH under TLS. USER is always answered +OK: it must not tell who exists (RFC 1939 section 7). */
function logIn(state: Commanded, command: Extract<Command, { verb: 'USER' | 'PASS' | 'AUTH' }>): Step {
  const { facts } = state
  switch (command.verb) {
    case 'USER':
      return stay({ at: 'named', facts, user: command.name }, say.USER_OK)
    case 'PASS':
      if (state.at !== 'named') return stay(state, say.USER_FIRST)
      return judge(facts, state.user, command.password, 'USER')
    case 'AUTH':
      if (command.mechanism === null) return stay(state, say.multiLine('Mechanisms follow', ['PLAIN', 'LOGIN']))
      if (command.mechanism === 'PLAIN') return startAuth(facts, 'plain', command.initial, say.CHALLENGE_PLAIN)
      if (command.mechanism === 'LOGIN') return startAuth(facts, 'login-user', command.initial, say.CHALLENGE_USER)
      return stay(state, say.NO_MECHANISM)
    default:
      return never(command)
  }
}

type Challenged = Extract<LoginState, { at: 'challenged' }>

function startAuth(facts: Facts, wants: 'plain' | 'login-user', initial: Secret | null, challenge: string): Step {
  const state: Challenged = { at: 'challenged', wants, facts }
  return initial === null ? stay(state, challenge) : answered(state, decodeInitial(reveal(initial)))
}

/** `*` takes AUTH back (RFC 5034 section 4). It is no fault; the ceiling on lines keeps it from going on for ever. */
function respond(state: Challenged, line: Buffer): Step {
  if (line.length === 1 && line[0] === 0x2a) return open(state.facts, say.CANCELLED)
  return answered(state, decodeBase64(line))
}

/** Takes a decoded response. Null is broken base64; like a malformed name or password it is a fault of this client alone. */
function answered(state: Challenged, message: Buffer | null): Step {
  if (message === null) return faulty(state, 'bad-sasl')
  switch (state.wants) {
    case 'plain': {
      const found = readPlain(message)
      return found === null ? faulty(state, 'bad-sasl') : judge(state.facts, found.user, found.password, 'PLAIN')
    }
    case 'login-user': {
      const user = readLoginUser(message)
      if (user === null) return faulty(state, 'bad-sasl')
      return stay({ at: 'challenged', wants: 'login-password', user, facts: state.facts }, say.CHALLENGE_PASSWORD)
    }
    case 'login-password': {
      const password = readLoginPassword(message)
      return password === null ? faulty(state, 'bad-sasl') : judge(state.facts, state.user, password, 'LOGIN')
    }
    default:
      return never(state)
  }
}

/** The only place that asks for a judgement. */
function judge(facts: Facts, user: Buffer, password: Secret, via: Via): Step {
  return { next: { at: 'judging', facts }, effects: [{ do: 'judge', user, password, via }] }
}
