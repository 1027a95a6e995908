/** What the judgement of logins works with, and the state of each login between its steps. */
import { createClaims, type Claims, type HeldClaim } from './claims.ts'
import { createExposure, type Exposure } from './exposure.ts'
import { createFailures, type Failures, type Stake } from './failures.ts'
import { createHolds, type HeldBack, type Holds } from './hold.ts'
import { createPlaces, type Place, type Places } from './places.ts'
import type { Reachable } from './reachable.ts'
import { createRefused, type Refused } from './refused.ts'
import { createSecondFactor, type Marks, type SecondFactor } from './second-factor.ts'
import type { AuditEvent, ConnectionFacts, Factor, LoginFailure, RuleAt } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { PasswordHasher } from '../factors/password-hash.ts'
import type { Secret } from '../base/secret.ts'
import type { Keyring } from '../state/secrets.ts'
import type { Proof, Store } from '../state/store.ts'
import type { BackendPolicy, LoginPolicy } from './login-policy.ts'
import type { Opened } from './sessions.ts'

export type JudgeContext = {
  store: Store
  keys: Keyring
  clock: Clock
  /** The policies in force. A login goes by those it began with. */
  policy(): LoginPolicy
  emit(event: AuditEvent): void
  hasher: PasswordHasher
  /** A password was not looked at for `password-exposed`, or not kept for it: too many wait. */
  skipped(): void
  /** Resolves when all that was emitted so far is on disk; rejects when it cannot be. */
  durable(): Promise<void>
  /** A session is open from here on: called right before its `session-opened` is emitted, and before `welcome`. */
  opened(session: string, login: Opened): void
  /** The country of an address that only `exceptions` can let in, and the rule that shuts it out; else null. */
  fenced(ip: string): { country: string | null; by: RuleAt } | null
  /** The country of an address, null where that is not known. Throws when no database is loaded: nobody gets in on that. */
  country(ip: string): string | null
  /** See {@link Reachable}. */
  reachable: Reachable
  /** Something failed inside; the login was refused as our own trouble. For the log. */
  broken(error: unknown): void
  /** A front said what no honest front says. `what` is fit for the log. */
  breach(session: string, what: string): void
}

/** One try of a connection to log in. `client` is its stable fingerprint. */
export type Attempt = {
  session: string
  connection: ConnectionFacts
  client: string
  user: Buffer
  secret: Buffer
}

/** What was judged good and handed to the front. `token` is null once it was used. */
export type Asked = {
  token: string | null
  user: string
  backend: BackendPolicy
  factor: Factor
  by: Proof['by']
  enrolment: string | null
  marks: Marks
  /** See {@link Refused}. */
  refusedKey: string
  /** With a fresh code: the password, for what is to be kept of it when it is proven. Null from then on. */
  fresh: Secret | null
  /** On the monotonic clock. */
  at: number
}

/** A connection's login, from `authenticate` until it is refused or its session is closed. */
export type Login = {
  session: string
  connection: ConnectionFacts
  policy: LoginPolicy
  /** For the audit: canonical as soon as that is known. */
  user: string
  backend: BackendPolicy | null
  /** On the monotonic clock. */
  startedAt: number
  /** Aborted when the connection is gone, or the user's way in: whoever waits for it stops, and nobody gets in on it. */
  gone: AbortController
  claim: HeldClaim | null
  place: Place | null
  /** What it would be counted by as a failure; null while that is not known, and where nothing would count. */
  stake: Stake | null
  asked: Asked | null
  /** The audit has heard how it ended. */
  told: boolean
}

export type Desk = JudgeContext & {
  /** By session. */
  logins: Map<string, Login>
  claims: Claims
  places: Places
  refused: Refused
  failures: Failures
  holds: Holds
  secondFactor: SecondFactor
  exposure: Exposure
}

/** Gives a desk with nothing on it. */
export function createDesk(context: JudgeContext): Desk {
  return {
    ...context,
    logins: new Map(),
    claims: createClaims(context.store, context.clock),
    places: createPlaces(),
    refused: createRefused(),
    failures: createFailures(context),
    holds: createHolds(),
    secondFactor: createSecondFactor(context.keys),
    exposure: createExposure(context),
  }
}

/**
 * Gives back what a login holds: its place at once, its claim as soon as the store has it on disk that the code is
 * burnt (the old server refused) or free (nobody judged). Rejects as the store does; who waits for the code wakes then too.
 */
export async function giveBack(desk: Desk, login: Login, how: 'burn' | 'free'): Promise<void> {
  login.place?.release()
  login.place = null
  login.stake?.held.release()
  login.stake = null
  const held = login.claim
  login.claim = null
  if (held === null) return
  try {
    await desk.store[how](held.claim)
  } finally {
    held.done()
  }
}

/** The rule that refused it, or how many seconds the clock behind its code is ahead of ours. */
type FailureFacts = { by?: RuleAt; skewSeconds?: number }

/** Ends a login that did not get in: the connection may try again, and the audit hears of it, once. */
export function failed(desk: Desk, login: Login, reason: LoginFailure, { by, skewSeconds }: FailureFacts = {}): void {
  if (desk.logins.get(login.session) === login) desk.logins.delete(login.session)
  if (login.asked !== null) Object.assign(login.asked, { token: null, fresh: null })
  if (login.told) return
  login.told = true
  const { connection, user } = login
  desk.emit({
    stream: 'auth',
    action: 'login-failed',
    connection,
    user,
    reason,
    ...(by && { by }),
    ...(skewSeconds !== undefined && { skewSeconds }),
  })
}

/**
 * Counts a refusal before anybody hears of it: where that cannot be written, it is our own trouble, or guesses would cost
 * nothing as long as the disk is full. Rejects as the store does.
 */
export async function countRefusal(desk: Desk, login: Login, reason: LoginFailure): Promise<void> {
  const { stake } = login
  login.stake = null
  if (stake !== null) await desk.failures.failed(stake, reason)
}

/** Gives how long the refusal of a login is to be held back. */
export function holdMs({ clock, holds }: Desk, login: Login, what: HeldBack = 'refusal'): number {
  const now = clock.monotonic()
  const { reply_after } = login.policy.failures
  return holds.holdMs(login.backend?.name ?? null, what, reply_after, now - login.startedAt, now)
}

/** Something threw: nobody gets in on it, and whatever the login holds is given back as far as that goes. */
export async function broke(desk: Desk, login: Login, error: unknown): Promise<{ say: 'trouble' }> {
  desk.broken(error)
  try {
    failed(desk, login, 'internal-error')
    await giveBack(desk, login, 'free')
  } catch (again) {
    desk.broken(again)
  }
  return { say: 'trouble' }
}
