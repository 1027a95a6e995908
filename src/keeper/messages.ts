/**
 * What fronts and keeper say to each other. A front reads strangers' bytes and may have been taken over, so the keeper
 * checks every message of a front for shape and size before it acts ({@link readFromFront}). A front trusts the keeper.
 */
import { z } from 'zod'
import type { RuleAt } from '../audit/events.ts'
import { MESSAGES_NUMBERS_MAX } from '../base/forward-limits.ts'
import { OUTBOX_MAX } from '../base/limits.ts'
import { CERTIFICATE_USERS_MAX } from '../base/login-limits.ts'
import type { Range } from '../base/ip.ts'
import type { Commanded, CompiledGate } from '../gate/verdict.ts'

const sessionId = z.string().regex(/^[0-9a-f]{24}$/)
const call = z.int().nonnegative()
const shortText = z.string().max(300)
const listener = z.string().max(64)
const ip = z.string().min(2).max(45)
const port = z.int().min(0).max(65535)
const count = z.number().nonnegative()
const bytes = (max: number) => z.custom<Buffer>((value) => value instanceof Uint8Array && value.length <= max)

const ending = z.enum([
  'quit',
  'client-closed',
  'client-reset',
  'server-closed',
  'server-reset',
  'idle-timeout',
  'login-timeout',
  'quit-timeout',
  'too-many-failures',
  'denied',
  'evicted',
  'draining',
  'killed',
  'keeper-lost',
  'front-lost',
  'internal-error',
])

const ruleAt = z.strictObject({ file: shortText, line: z.int().nonnegative(), rule: z.string().max(120) })

const tls = z.strictObject({
  version: z.string().max(16),
  cipher: z.string().max(64),
  ja4: z.string().max(64),
  serverName: z.string().max(255).exactOptional(),
  resumed: z.boolean(),
  certificate: z
    .strictObject({
      verdict: z.string().max(64),
      fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
      // ATTACK: a certificate that a stranger made, with a number below zero, must not have its honest front killed.
      serial: z.string().regex(/^-?[0-9A-F]{0,64}$/),
      users: z.array(z.string().max(254)).max(CERTIFICATE_USERS_MAX),
    })
    .exactOptional(),
})

const counts = z.strictObject({
  bytesToClient: count,
  bytesFromClient: count,
  retrieved: count,
  deleted: count,
  marked: count,
  durationMs: count,
})

/** How the old server judged one login, seen by the front. `tookMs` runs from sending the password to the answer. */
const outcome = z.discriminatedUnion('at', [
  z.strictObject({ at: z.literal('proven'), tookMs: count }),
  z.strictObject({ at: z.literal('refuted'), tookMs: count }),
  z.strictObject({ at: z.literal('busy'), detail: shortText }),
  z.strictObject({ at: z.literal('unavailable'), detail: shortText }),
])
export type Outcome = z.infer<typeof outcome>

/** What a health check learnt of one address of a backend. Capability lines are those of CAPA, upper case, as sent. */
const probed = z.strictObject({
  kind: z.literal('probed'),
  call,
  result: z.discriminatedUnion('at', [
    z.strictObject({
      at: z.literal('up'),
      capabilities: z.array(z.string().max(512)).max(64).nullable(),
      xclient: z.boolean(),
    }),
    z.strictObject({ at: z.literal('down'), detail: shortText }),
    /** It sent more than one line of greeting. */
    z.strictObject({ at: z.literal('noisy') }),
  ]),
})

const fromFront = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('started') }),
  z.strictObject({
    kind: z.literal('listening'),
    generation: z.int(),
    bound: z.array(z.strictObject({ listener, host: z.string().max(64), port })).max(64),
  }),
  z.strictObject({ kind: z.literal('listen-failed'), generation: z.int(), listener, detail: shortText }),
  /** Asks for a place. Fixes the connection's id and address: everything later is bound to the id that comes back. */
  z.strictObject({ kind: z.literal('admit'), call, listener, ip, port }),
  /** The gate turned a connection away before it was admitted; `count` more of the same rule and network may be summed. */
  z.strictObject({
    kind: z.literal('denied'),
    listener,
    ip,
    port,
    by: ruleAt,
    would: z.boolean(),
    count: z.int().min(1),
  }),
  /** A connection broke the protocol before it was admitted: its PROXY header is none, or is missing. */
  z.strictObject({ kind: z.literal('violated'), listener, ip, port, reason: shortText, count: z.int().min(1) }),
  /** TLS stands. Accepted once a connection: the fingerprint is fixed from then on. */
  z.strictObject({
    kind: z.literal('secured'),
    session: sessionId,
    tls,
    client: z.string().max(64),
    handshakeMs: count,
  }),
  z.strictObject({
    kind: z.literal('authenticate'),
    call,
    session: sessionId,
    user: bytes(10_240),
    secret: bytes(10_240),
  }),
  /** Needs the one-use token that `authenticate` gave this very connection. */
  z.strictObject({ kind: z.literal('settle'), call, session: sessionId, token: z.string().max(64), outcome }),
  z.strictObject({ kind: z.literal('violation'), session: sessionId, reason: shortText }),
  z.strictObject({ kind: z.literal('tls-failed'), session: sessionId, reason: shortText }),
  /** Messages that a session retrieved in the last moment, or deleted by its QUIT. */
  z.strictObject({
    kind: z.literal('messages'),
    session: sessionId,
    what: z.enum(['retrieved', 'deleted']),
    count: z.int().min(1),
    numbers: z
      .string()
      .max(MESSAGES_NUMBERS_MAX)
      .regex(/^[0-9 …-]*$/),
    octets: count.exactOptional(),
  }),
  /** The last word on a connection; its id is void afterwards. */
  z.strictObject({ kind: z.literal('closed'), session: sessionId, reason: ending, counts: counts.exactOptional() }),
  z.strictObject({ kind: z.literal('relayed'), toClient: count, fromClient: count, retrieved: count, deleted: count }),
  probed,
  /** At a login, an old server sent more than one line of greeting. */
  z.strictObject({
    kind: z.literal('noisy'),
    backend: z.string().max(64),
    address: z.strictObject({ host: z.string().max(255), port }),
  }),
  z.strictObject({
    kind: z.literal('log'),
    level: z.enum(['debug', 'info', 'warn', 'error']),
    text: z.string().max(2000),
  }),
])
export type FromFront = z.infer<typeof fromFront>

/** Needs anything that arrived from a front, one message or several; gives them in order, or null where one of them is none that an honest front sends. */
export function readFromFront(raw: unknown): FromFront[] | null {
  const all: unknown[] = Array.isArray(raw) ? raw : [raw]
  if (all.length > OUTBOX_MAX) return null
  const messages: FromFront[] = []
  for (const one of all) {
    const read = fromFront.safeParse(one)
    if (!read.success) return null
    messages.push(read.data)
  }
  return messages
}

/**
 * `mayHear`: with `on_deny: say` the refusal may be spoken; where room is short it may not, as that costs a handshake. `by`: until
 * `afterMs` have passed, every answer to this address would be the same, so the front gives it by itself.
 */
export type AdmitAnswer =
  | { say: 'admitted'; session: string }
  | { say: 'denied'; mayHear: boolean; by: RuleAt; afterMs: number }
  | { say: 'trouble' }

/**
 * `holdMs`: how long the front keeps the refusal back, so that every refusal takes the same time. With trouble: the same, and
 * the old server's own words are kept back too, as somebody else may hear the same without its being asked.
 */
export type AuthenticateAnswer =
  | { say: 'refuse'; holdMs: number }
  | { say: 'trouble'; holdMs?: number }
  /** The gate shuts this address out after all, whoever asks: it is said so, and the connection closed. */
  | { say: 'deny' }
  | { say: 'proceed'; token: string; backend: string; username: Buffer; password: Buffer }

export type SettleAnswer =
  { say: 'welcome' } | { say: 'refuse'; holdMs: number } | { say: 'busy' } | { say: 'trouble'; holdMs?: number }

export type Answers = { admit: AdmitAnswer; authenticate: AuthenticateAnswer; settle: SettleAnswer }

export type ListenerPlan = {
  name: string
  host: string
  port: number
  tls: 'implicit' | 'stls'
  clientCertificates: boolean
  /** Networks of balancers, which alone may connect and must send a PROXY header; null where nobody does. */
  proxy: { from: Range[]; by: RuleAt } | null
}

export type CertificatePlan = { name: string; cert: string; key: string; serverNames: string[] }

/** Who vouches for client certificates, and the lists that take it back; all in PEM form. */
export type ClientCaPlan = { ca: string[]; crls: string[]; userFrom: 'san_email' | 'cn' }
/** `quiet`: health checks have seen that its greeting is one line, so that logins need not wait for a second one. */
export type BackendAddress = { host: string; port: number; quiet?: boolean }

/** `ca`: the certificates that are believed, in PEM. `name`: the one that the server's must have, null for that of its address. */
export type BackendTls = { how: 'stls' | 'implicit'; ca: string; name: string | null }

export type BackendPlan = {
  name: string
  addresses: BackendAddress[]
  /** Null: plain POP3. */
  tls: BackendTls | null
  auth: 'auto' | 'user' | 'apop' | 'plain'
  loginTimeMs: number
  /** Sources of case-insensitive regular expressions, tried on the text of a refusal. */
  busyErrors: string[]
  /** CAPA lines of the old server as learnt (upper case), null while unknown or when it has no CAPA. */
  capabilities: string[] | null
  /** Which PROXY header the old server is sent before all else. */
  proxyProtocol: 'off' | 'v1' | 'v2'
  /** Whether it is told the client's address by XCLIENT, where it offers that. */
  xclient: boolean
}

/**
 * All that a front knows. It opens no file: this is everything, but for `passes and journeys, which `gate-data` brings.
 * Replaced as a whole, never changed in place.
 */
export type Snapshot = {
  generation: number
  listeners: ListenerPlan[]
  certificates: CertificatePlan[]
  /** Null where no listener asks for certificates. */
  clientCa: ClientCaPlan | null
  minVersion: 'TLSv1.2' | 'TLSv1.3'
  backends: BackendPlan[]
  gate: CompiledGate
  onDeny: 'drop' | 'say'
  /** Whether the audit wants to know of each message. */
  messages: boolean
  limits: { loginTimeMs: number; idleTimeMs: number; connections: number }
}

export type FromKeeper =
  /** A piece of a large array of the gate, ahead of the snapshot that names it by its number. */
  | { kind: 'part'; part: number; size: number; at: number; bytes: Uint8Array }
  | { kind: 'snapshot'; snapshot: Snapshot }
  /** What has changed of it. */
  | { kind: 'gate-data'; data: Partial<Commanded> }
  | { kind: 'backends'; backends: BackendPlan[] }
  | { kind: 'ticket-keys'; keys: Buffer }
  | { kind: 'answer'; call: number; answer: Answers[keyof Answers] }
  /** `quietMs`: how long the greeting must be followed by nothing. */
  | { kind: 'probe'; call: number; backend: string; address: BackendAddress; quietMs: number }
  | { kind: 'kill'; session: string; reason: 'killed' | 'evicted' }
  | { kind: 'drain'; withinMs: number }
