/**
 * The first half of a login: is the second factor good, and may the old server be asked? The old server never hears of
 * an attempt whose second factor fails. Whatever throws in here is our own trouble and lets nobody in.
 */
import { randomBytes } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import { findTrust } from '../factors/trusted-device.ts'
import { broke, countRefusal, failed, giveBack, type Asked, type Attempt, type Desk, type Login } from './desk.ts'
import { exceptionFor } from './exceptions.ts'
import { barredByRule, policyUnder, ruleFor } from './rules.ts'
import { auditName, backendFor, backendUsername, canonicalName } from './identity.ts'
import { answerRefusal, answerTrouble } from './roll-out.ts'
import type { Exposing, Factor, LoginFailure, RuleAt } from '../audit/events.ts'
import { parseAddress } from '../base/ip.ts'
import type { LoginRule } from '../policy/rules.ts'
import type { CodeId, Dossier, Proof } from '../state/store.ts'
import type { BackendPolicy, LoginPolicy } from './login-policy.ts'
import type { AuthenticateAnswer } from './messages.ts'
import type { Entering } from './failures.ts'
import type { Finding, Marks, Typed } from './second-factor.ts'

const TOKEN_LENGTH = 24

type Refusal = { say: 'refuse' | 'trouble'; reason: LoginFailure; by?: RuleAt; skewSeconds?: number }
type Ruling = Refusal | { say: 'proceed'; asked: Asked; password: Buffer }
/** A judged attempt on its way to the old server. */
type Good = {
  typed: Typed
  marks: Marks
  backend: BackendPolicy
  enrolment: string | null
  password: Buffer
  /** See {@link Asked}. */
  refusedKey: string
  factor: Factor
  by: Proof['by']
}

const refuse = (reason: LoginFailure): Refusal => ({ say: 'refuse', reason })
const trouble = (reason: LoginFailure): Refusal => ({ say: 'trouble', reason })

/** Judges one attempt. Never rejects. `proceed` is bound to the session by a token that `settle` takes once. */
export async function authenticate(desk: Desk, attempt: Attempt): Promise<AuthenticateAnswer> {
  // One at a time for each connection, and none once it is logged in.
  if (desk.logins.has(attempt.session)) return { say: 'trouble' }
  const login = begin(desk, attempt)
  try {
    const ruling = await rule(desk, login, attempt)
    if (login.gone.signal.aborted) {
      failed(desk, login, 'aborted')
      await giveBack(desk, login, 'free')
      return { say: 'trouble' }
    }
    if (ruling.say === 'proceed') return proceed(desk, login, ruling.asked, ruling.password)
    failed(desk, login, ruling.reason, ruling)
    if (ruling.say === 'refuse') await countRefusal(desk, login, ruling.reason)
    await giveBack(desk, login, 'free')
    if (isExposing(ruling.reason)) {
      // Only handed over here: what is done with it is done after the answer, and never waited for.
      desk.exposure.tried(login, ruling.reason, attempt.secret)
    }
    return ruling.say === 'trouble' ? answerTrouble(desk, login) : await answerRefusal(desk, login)
  } catch (error) {
    return await broke(desk, login, error)
  }
}

function begin(desk: Desk, { session, connection, user }: Attempt): Login {
  const login: Login = {
    session,
    connection,
    policy: desk.policy(),
    user: auditName(user),
    backend: null,
    startedAt: desk.clock.monotonic(),
    gone: new AbortController(),
    claim: null,
    place: null,
    stake: null,
    asked: null,
    told: false,
  }
  desk.logins.set(session, login)
  return login
}

function proceed(desk: Desk, login: Login, asked: Asked, password: Buffer): AuthenticateAnswer {
  const token = randomBytes(TOKEN_LENGTH).toString('base64url')
  login.asked = { ...asked, token, at: desk.clock.monotonic() }
  const username = backendUsername(asked.user, asked.backend.username)
  return { say: 'proceed', token, backend: asked.backend.name, username, password }
}

async function rule(desk: Desk, login: Login, attempt: Attempt): Promise<Ruling> {
  const name = canonicalName(attempt.user, login.policy.users)
  // Also of a name that the roster does not hold: it is refused as slowly as its neighbours, and hears of our trouble as they do.
  const plain = name ?? canonicalName(attempt.user, { ...login.policy.users, roster: null })
  const ruled = ruleFor(login.policy.rules, plain ?? '', login.connection.listener)
  login.policy = policyUnder(login.policy, ruled)
  const { policy } = login
  login.user = name ?? login.user
  login.backend = plain === null ? null : backendFor(plain, policy.backends)
  const typed: Typed = { ...attempt, user: name ?? '', ip: login.connection.ip, certified: isCertified(login, name) }
  const marks = desk.secondFactor.mark(typed, policy)
  const codes = desk.secondFactor.isOneTime(typed, policy)
  const dossier = await desk.store.dossier(typed.user, { codes })
  const judged = desk.secondFactor.judge(typed, marks, dossier, policy, desk.clock.now())
  if (!isSayable(attempt.secret)) return refuse('malformed')
  const barred = plain === null ? null : barredBy(desk, login, plain, ruled)
  if (barred !== null && name !== null) return { ...refuse('rule'), by: barred }
  const { backend } = login
  const finding: Finding = name === null || backend === null ? { say: 'refuse', reason: 'unknown-user' } : judged
  const entered = await enter(desk, login, { name: login.user, typed, marks, dossier, finding, policy })
  if (entered !== null) return entered
  if (finding.say === 'refuse') return refusalOf(finding, policy)
  if (name === null || backend === null) return refuse('unknown-user')
  const enrolment = dossier.user?.enrolment ?? null
  // Before the claim: a code is not spent on a password that is known to be wrong.
  const key = keyOf(desk, name, backend, finding.password)
  if (desk.refused.holds(key, backend.remember_refused, desk.clock.monotonic())) {
    return refuse(finding.say === 'app-password' ? 'app-password-stale' : 'stale-repeat')
  }
  const base = { typed, marks, backend, enrolment, password: finding.password, refusedKey: key }
  const good = await byFactor(desk, login, base, finding)
  return 'say' in good ? good : await ask(desk, login, good)
}

/** Who has the password, and no code that is good now: also one that was overheard and came too late. */
function isExposing(reason: LoginFailure): reason is Exposing {
  return ['code-missing', 'code-wrong', 'code-clock-skew', 'code-expired'].includes(reason)
}

/** What failed before stands against it, or its stake is taken: then it is judged. */
async function enter(desk: Desk, login: Login, entering: Entering): Promise<Refusal | null> {
  const entered = await desk.failures.enter(entering, login.gone.signal)
  switch (entered.say) {
    case 'stale':
      return refuse('stale-repeat')
    case 'locked':
      return refuse('locked')
    case 'late':
      return trouble('backend-busy')
    case 'in':
      login.stake = entered.stake
      // Who has a fresh code does not guess in bulk: there are few right codes, and each is claimed.
      if (entering.finding.say === 'code') entered.stake?.held.release()
      return entered.stake?.repeated === true ? refuse('stale-repeat') : null
  }
}

/**
 * What shuts this user out from here, or null. The gate let a traveller's country pass: here only the users that an exception names go
 * on, and those pass the countries of their rule as well.
 */
function barredBy(desk: Desk, { connection, policy }: Login, name: string, ruled: LoginRule | null): RuleAt | null {
  const now = desk.clock.now()
  const isTraveller = (country: string | null) => exceptionFor(policy.exceptions, name, country, now) !== null
  const fence = desk.fenced(connection.ip)
  if (fence !== null && !isTraveller(fence.country)) return fence.by
  const address = parseAddress(connection.ip)
  if (ruled === null || address === null) return ruled?.by ?? null
  return barredByRule(ruled, { address, country: () => desk.country(connection.ip), isTraveller }, now)
}

/** With what the audit is to say of it: a method that is left out stands somewhere. */
function refusalOf({ reason, skewSeconds }: Extract<Finding, { say: 'refuse' }>, policy: LoginPolicy): Refusal {
  const { by } = policy.second_factor
  return {
    ...refuse(reason),
    ...(reason === 'rule' && by !== undefined && { by }),
    ...(skewSeconds !== undefined && { skewSeconds }),
  }
}

/** One of the names that a good certificate vouches for is this user's, in whatever spelling; on a listener that asks for it, as policies have it now. */
function isCertified({ connection, policy }: Login, name: string | null): boolean {
  const { certificate } = connection.tls ?? {}
  if (name === null || certificate?.verdict !== 'good' || !policy.asking.includes(connection.listener)) return false
  return certificate.users.some((user) => canonicalName(Buffer.from(user), policy.users) === name)
}

/** What no USER/PASS dialogue can carry must not reach one: a line end in a password would be a command to the old server. */
function isSayable(secret: Buffer): boolean {
  return secret.length > 0 && !secret.some((byte) => byte === 0x0d || byte === 0x0a || byte === 0x00)
}

async function byFactor(
  desk: Desk,
  login: Login,
  base: Omit<Good, 'factor' | 'by'>,
  finding: Exclude<Finding, { say: 'refuse' }>,
): Promise<Good | Refusal> {
  if (finding.say === 'password') return { ...base, factor: 'none', by: { is: 'password' } }
  if (finding.say === 'certificate') return { ...base, factor: 'client-certificate', by: { is: 'password' } }
  if (finding.say === 'repeat') {
    const { device, mac } = finding.trusted
    return { ...base, factor: 'trusted-device', by: { is: 'repeat', device, mac } }
  }
  if (finding.say === 'app-password') return { ...base, factor: 'app-password', by: finding.by }
  return await byCode(desk, login, base, finding.code)
}

/** Takes the code. When the very same string was proven from here while this one waited, it counts as its repeat. */
async function byCode(
  desk: Desk,
  login: Login,
  base: Omit<Good, 'factor' | 'by'>,
  code: CodeId,
): Promise<Good | Refusal> {
  const { user } = base.typed
  if (base.enrolment === null) throw new Error('a code without an enrolment')
  const claim = { user, enrolment: base.enrolment, code, mac: base.marks.mac, device: base.marks.device.id }
  const claimed = await desk.claims.claim(claim, login.gone.signal)
  switch (claimed.say) {
    case 'held':
      login.claim = claimed.held
      return { ...base, factor: code.of === 'totp' ? 'totp' : 'recovery-code', by: { is: 'code', claim } }
    case 'proven': {
      const again = repeated(desk, login, base, await desk.store.dossier(user, { codes: false }))
      return again ?? refuse('code-replayed')
    }
    case 'burnt':
      return refuse('stale-repeat')
    case 'replayed':
      return refuse('code-replayed')
    case 'void':
      return trouble('aborted')
    case 'late':
      return trouble('backend-unavailable')
  }
}

function repeated(desk: Desk, login: Login, base: Omit<Good, 'factor' | 'by'>, dossier: Dossier): Good | null {
  const found = findTrust(dossier, base.marks.device, base.marks, login.policy.trusted_device, desk.clock.now())
  if (found.at !== 'repeat' || found.bare) return null
  const { device, mac } = found.trusted
  return { ...base, factor: 'trusted-device', by: { is: 'repeat', device, mac } }
}

/** A place at the backend, and one more look at what it refused while this login waited. */
async function ask(desk: Desk, login: Login, good: Good): Promise<Ruling> {
  const { backend, typed, marks, enrolment, factor, by, password, refusedKey } = good
  login.place = await desk.places.take(backend.name, backend.max_sessions, login.gone.signal)
  if (login.place === null) return trouble('backend-busy')
  if (desk.refused.holds(refusedKey, backend.remember_refused, desk.clock.monotonic()))
    return refuse(by.is === 'app-password' ? 'app-password-stale' : 'stale-repeat')
  const asked = {
    token: null,
    user: typed.user,
    backend,
    factor,
    by,
    enrolment,
    marks,
    refusedKey,
    fresh: by.is === 'code' ? new Secret(Buffer.from(password)) : null,
    at: 0,
  }
  return { say: 'proceed', asked, password }
}

function keyOf(desk: Desk, user: string, backend: BackendPolicy, password: Buffer): string {
  return desk.keys.mac('refused', user, backend.name, password).toString('base64')
}
