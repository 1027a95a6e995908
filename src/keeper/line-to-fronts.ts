/** What fronts ask and tell, and what the keeper makes of it. Every id is held against the front that names it. */
import type { AuditEvent } from '../audit/events.ts'
import type { Log } from '../base/log.ts'
import { never } from '../base/never.ts'
import { auditName } from './identity.ts'
import type { LateGate, LateVerdict } from './late-gate.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Backends } from './backends.ts'
import type { Admission } from './admission.ts'
import type { Judge } from './judge.ts'
import type { AdmitAnswer, Answers, FromFront } from './messages.ts'
import type { Session, SessionTable } from './sessions.ts'
import type { Front } from './supervise.ts'

export type LineContext = {
  sessions: SessionTable
  admission: Admission
  judge: Judge
  lateGate: LateGate
  backends: Backends
  metrics: Metrics
  log: Log
  emit(event: AuditEvent): void
  /** False while nobody is let in any more. */
  isOpen(): boolean
  listening(front: Front, message: Extract<FromFront, { kind: 'listening' | 'listen-failed' }>): void
}

/** Takes one message of a front. Answers go back by its call number. */
export function hear(context: LineContext, front: Front, message: FromFront): void {
  const { sessions, metrics, log } = context
  switch (message.kind) {
    case 'admit':
      return answer(front, message.call, admit(context, front, message))
    case 'denied':
    case 'violated':
      return tellTurnedAway(context, message)
    case 'listening':
    case 'listen-failed':
      return context.listening(front, message)
    case 'relayed':
      return metrics.relayed(message)
    case 'probed':
      return context.backends.probed(message)
    case 'noisy':
      return context.backends.noisy(message.backend, message.address)
    case 'log':
      return log[message.level]({ front: front.id }, message.text)
    case 'started':
      return
    case 'secured':
    case 'authenticate':
    case 'settle':
    case 'violation':
    case 'tls-failed':
    case 'messages':
    case 'closed': {
      const session = sessions.of(front.id, message.session)
      if (session === 'foreign') front.kill('spoke for a session of another front')
      else if (session !== 'gone') void hearSession(context, front, session, message)
      else if ('call' in message) answer(front, message.call, { say: 'trouble' })
      return
    }
    default:
      never(message)
  }
}

/** What a front closed before it asked for a place. */
function tellTurnedAway(
  { admission, emit }: LineContext,
  message: Extract<FromFront, { kind: 'denied' | 'violated' }>,
): void {
  const { listener, ip, port, count } = message
  const connection = { listener, ip, port }
  if (message.kind === 'violated')
    return emit({ stream: 'access', action: 'protocol-violation', connection, reason: message.reason, count })
  if (!message.would) admission.turnedAway(ip, count)
  const action = message.would ? 'connection-would-deny' : 'connection-denied'
  emit({ stream: 'access', action, connection, by: message.by, count })
}

type OfSession = Extract<FromFront, { session: string }>

async function hearSession(context: LineContext, front: Front, session: Session, message: OfSession): Promise<void> {
  const { sessions, metrics, emit } = context
  switch (message.kind) {
    case 'secured':
      if (!sessions.secure(session, message.tls, message.client)) front.kill('changed the fingerprint of a connection')
      else metrics.tlsHandshake(message.handshakeMs)
      return
    case 'authenticate':
      return answer(front, message.call, await authenticate(context, session, message))
    case 'settle':
      if (message.outcome.at === 'proven' || message.outcome.at === 'refuted')
        metrics.backendLogin(message.outcome.tookMs)
      return answer(front, message.call, await settle(context, session, message))
    case 'violation':
      session.told = true
      return emit({ stream: 'access', action: 'protocol-violation', connection: session.facts, reason: message.reason })
    case 'tls-failed':
      session.told = true
      return emit({ stream: 'access', action: 'tls-failed', connection: session.facts, reason: message.reason })
    case 'messages':
      return tellMessages(context, session, message)
    case 'closed':
      context.judge.release(session.id)
      return sessions.close(session, message.reason, message.counts ?? null)
    default:
      never(message)
  }
}

/** Of sessions alone: what never logged in has no mail. */
function tellMessages(
  { emit }: LineContext,
  { login, facts: connection }: Session,
  { what, count, numbers, octets }: Extract<FromFront, { kind: 'messages' }>,
): void {
  if (login === null) return
  const { user, backend } = login
  const action = what === 'retrieved' ? 'message-retrieved' : 'message-deleted'
  const size = octets === undefined ? {} : { octets }
  emit({ stream: 'session', action, connection, user, backend, count, numbers, ...size })
}

function admit(context: LineContext, front: Front, message: Extract<FromFront, { kind: 'admit' }>): AdmitAnswer {
  if (!context.isOpen()) return { say: 'trouble' }
  const given = context.admission.admit(front.id, message)
  const session = given.say === 'admitted' ? context.sessions.of(front.id, given.session) : 'gone'
  if (typeof session === 'object') context.lateGate.begin(session)
  return given
}

/** `user` and `secret` come over the line as plain octet arrays. */
async function authenticate(
  context: LineContext,
  session: Session,
  { user, secret }: Extract<FromFront, { kind: 'authenticate' }>,
): Promise<Answers['authenticate']> {
  const { judge, lateGate, metrics, sessions, emit, isOpen } = context
  if (session.client === null || session.login !== null || !isOpen()) return { say: 'trouble' }
  const started = performance.now()
  const { verdict, would } = await lateGate.judge(session)
  // Closed, or logged in by another attempt, while the zones were asked.
  if (session.login !== null || sessions.of(session.front, session.id) !== session) return { say: 'trouble' }
  for (const each of would)
    emit({ stream: 'access', action: 'connection-would-deny', connection: session.facts, ...each })
  if (verdict.say !== 'pass') return shutOut(context, session, verdict, auditName(Buffer.from(user)))
  const attempt = {
    session: session.id,
    connection: session.facts,
    client: session.client,
    user: Buffer.from(user),
    secret: Buffer.from(secret),
  }
  const given = await judge.authenticate(attempt)
  // Each attempt has its line in the audit, at the latest when the connection ends in its midst.
  session.told = true
  session.askedAt = started
  if (given.say !== 'proceed') metrics.login(performance.now() - started)
  return given
}

/** A zone lists the address, or one that must answer did not: nothing of the login is judged. */
function shutOut(
  { emit, log }: LineContext,
  session: Session,
  { say, by, answer }: Exclude<LateVerdict, { say: 'pass' }>,
  user: string,
): Answers['authenticate'] {
  session.told = true
  const { facts: connection } = session
  if (say === 'deny') emit({ stream: 'access', action: 'connection-denied', connection, by, answer })
  else log.warn(`${by.rule}: ${answer}; \`on_error: deny\` refuses the login`)
  emit({ stream: 'auth', action: 'login-failed', connection, user, reason: 'rule', by })
  return { say: say === 'deny' ? 'deny' : 'trouble' }
}

async function settle(
  { judge, metrics, log }: LineContext,
  session: Session,
  { token, outcome }: Extract<FromFront, { kind: 'settle' }>,
): Promise<Answers['settle']> {
  // The audit has the kind of trouble, the log the old server's own words.
  if ('detail' in outcome) log.warn({ session: session.id }, `the old server logged nobody in: ${outcome.detail}`)
  const settled = await judge.settle(session.id, token, outcome)
  metrics.login(performance.now() - session.askedAt)
  return settled
}

function answer(front: Front, call: number, given: Answers[keyof Answers]): void {
  front.say({ kind: 'answer', call, answer: given })
}
