/**
 * The judgement of what was typed: which one reading of it counts, and whether its second factor holds. No table is
 * changed here. The same work is done for a user who does not exist, so that time and code path do not tell.
 */
import { readCandidate, type Candidate } from '../factors/candidate.ts'
import { findAppPassword, openAppPassword, type FoundAppPassword } from '../factors/kept-app-password.ts'
import { RECOVERY_CODES } from '../factors/recovery.ts'
import { sameBytes } from '../factors/same-bytes.ts'
import { SKEW_STEPS } from '../base/login-limits.ts'
import { makeSeed, matchingStep, STEP_MS, stepAt, stepsAway } from '../factors/totp.ts'
import { findTrust, identifyDevice, letsBareRepeat, type Device, type TrustFinding } from '../factors/trusted-device.ts'
import { never } from '../base/never.ts'
import type { LoginFailure } from '../audit/events.ts'
import type { Keyring } from '../state/secrets.ts'
import type { ByAppPassword, CodeId, Dossier, RecoveryCode, TempCode, Trusted, User } from '../state/store.ts'
import type { LoginPolicy } from './login-policy.ts'

/** What the judgement needs. `user` is canonical, or empty for a name that is none. */
export type Typed = {
  user: string
  secret: Buffer
  ip: string
  client: string
  session: string
  /** A client certificate vouches for this very user. */
  certified: boolean
}

/** `bareMac`: null where the policy lets no bare password repeat. */
export type Marks = { mac: Buffer; bareMac: Buffer | null; device: Device }

/**
 * `code`: right, but not yet claimed. `certificate`: it is the second factor of a bare password. `password` is the one candidate
 * for the old server. `proven`: the very string was proven once, on another device, so it is no guess.
 */
export type Finding =
  | { say: 'refuse'; reason: LoginFailure; proven?: true; skewSeconds?: number }
  | { say: 'password'; password: Buffer }
  | { say: 'certificate'; password: Buffer }
  | { say: 'repeat'; password: Buffer; trusted: Trusted }
  | { say: 'code'; password: Buffer; code: CodeId }
  | { say: 'app-password'; password: Buffer; by: ByAppPassword }

/** What policy asks of a user from an address. `either`: a right code or repeat counts, all else is the bare password. */
type Demand = 'frozen' | 'unknown' | 'password' | 'either' | 'code'

/** What was found out about the typed string before policy is asked. */
type Evidence = {
  candidate: Candidate
  trust: TrustFinding
  code: 'right' | 'used' | 'expired' | 'wrong' | 'missing'
  id: CodeId | null
  /** Of a wrong code that is right for another time, in steps from now. `seen`: it is no newer than one that was proven. */
  skew?: { steps: number; seen: boolean }
}

export type SecondFactor = {
  /** Gives the HMACs and the device of an attempt. */
  mark(typed: Typed, policy: LoginPolicy): Marks
  /** Tells whether what was typed has the form of a recovery code or a temporary one behind a password. */
  isOneTime(typed: Typed, policy: LoginPolicy): boolean
  /** Gives the finding. `now` is wall time. Throws when a seed does not open: the row was altered. */
  judge(typed: Typed, marks: Marks, dossier: Dossier, policy: LoginPolicy, now: number): Finding
}

/** Needs the keys. Makes what stands in for users who do not exist. */
export function createSecondFactor(keys: Keyring): SecondFactor {
  const dummySeed = keys.seal('seed', '', makeSeed())
  const dummyRecovery: RecoveryCode[] = Array.from({ length: RECOVERY_CODES }, (_, slot) => ({
    slot,
    mac: keys.mac('recovery', '', `no code ${slot}`),
    usedAt: null,
  }))
  const dummyTemp: TempCode = { number: 0, mac: keys.mac('recovery', '', 'no code'), until: 0, usedAt: null }
  const noCode = Buffer.from('000000')

  function evidence(typed: Typed, marks: Marks, dossier: Dossier, policy: LoginPolicy, now: number): Evidence {
    const candidate = readCandidate(typed.secret, policy.totp.separator)
    const trust = findTrust(dossier, marks.device, marks, policy.trusted_device, now)
    const sealed = dossier.user?.sealedSeed ?? null
    const seed = sealed === null ? keys.open('seed', '', dummySeed) : keys.open('seed', typed.user, sealed)
    const step = matchingStep(seed, candidate.how === 'code' ? candidate.code : noCode, now, policy.totp.window)
    // Some two hundred microseconds: whatever is refused pays them, whatever gets in need not.
    const mayGetIn = step !== null || trust.at === 'repeat'
    const typedCode = candidate.how === 'code' ? candidate.code : noCode
    const steps = mayGetIn ? null : stepsAway(seed, typedCode, now, SKEW_STEPS)
    const once = candidate.how === 'recovery' ? oneTime(typed.user, candidate.code, dossier, now) : null
    if (sealed === null || candidate.how === 'none') return { candidate, trust, code: 'missing', id: null }
    if (once === null) {
      if (step !== null) return { candidate, trust, code: 'right', id: { of: 'totp', number: step } }
      const wrong: Evidence = { candidate, trust, code: 'wrong', id: null }
      if (steps === null) return wrong
      return { ...wrong, skew: { steps, seen: stepAt(now) + steps <= (dossier.user?.lastStep ?? -Infinity) } }
    }
    return { candidate, trust, ...once }
  }

  /** Looks at every code, of a user who has none at those that stand in. */
  function oneTime(
    user: string,
    code: string,
    { recovery, temp }: Dossier,
    now: number,
  ): Pick<Evidence, 'code' | 'id'> {
    const mac = keys.mac('recovery', user, code)
    const row = (recovery.length === 0 ? dummyRecovery : recovery).filter((one) => sameBytes(one.mac, mac)).at(0)
    const isTemp = sameBytes((temp ?? dummyTemp).mac, mac)
    return row === undefined ? ofTemp(isTemp ? temp : null, now) : ofRecovery(row)
  }

  function byAppPassword(user: string, found: FoundAppPassword, policy: LoginPolicy): Finding {
    if (!policy.second_factor.methods.includes('app_password')) return { say: 'refuse', reason: 'rule' }
    switch (found.at) {
      case 'expired':
        return { say: 'refuse', reason: 'app-password-expired' }
      case 'elsewhere':
        return { say: 'refuse', reason: 'app-password-network' }
      case 'pending':
        return { say: 'refuse', reason: 'app-password-pending' }
      case 'good': {
        const { id, name, sealedAt, learnt } = found.row
        const password = openAppPassword(keys, user, found)
        return { say: 'app-password', password, by: { is: 'app-password', id, name, sealedAt, learnt } }
      }
      default:
        return never(found.at)
    }
  }

  return {
    mark(typed, policy) {
      return {
        mac: keys.mac('string', typed.user, typed.secret),
        bareMac: letsBareRepeat(policy.trusted_device) ? keys.mac('bare', typed.user, typed.secret) : null,
        device: identifyDevice(keys, policy.trusted_device, typed),
      }
    },
    isOneTime: ({ secret }, { totp }) => readCandidate(secret, totp.separator).how === 'recovery',
    judge(typed, marks, dossier, policy, now) {
      const found = evidence(typed, marks, dossier, policy, now)
      const app = findAppPassword(keys, typed, dossier.appPasswords, now)
      const demand = demandOf(policy, dossier.user, typed.ip, now)
      if (demand === 'frozen') return { say: 'refuse', reason: 'frozen' }
      // First of all readings, and the only one when it is one: it must never go to the old server as a password.
      if (app !== null) return byAppPassword(typed.user, app, policy)
      if (typed.certified && policy.second_factor.methods.includes('client_certificate')) {
        return byCertificate(found, typed, policy)
      }
      if (demand === 'unknown' && dossier.appPasswords.length > 0)
        return { say: 'refuse', reason: 'app-password-wrong' }
      if (demand === 'password') return { say: 'password', password: Buffer.from(typed.secret) }
      // Without the method, what it left behind (trust, recovery codes) counts no longer either.
      if (!policy.second_factor.methods.includes('totp')) {
        return orPassword(demand === 'either' ? 'either' : 'code', typed, 'rule')
      }
      if (demand === 'unknown') return { say: 'refuse', reason: 'unknown-user' }
      return weigh(found, demand, typed)
    },
  }
}

function ofRecovery({ slot, usedAt }: RecoveryCode): Pick<Evidence, 'code' | 'id'> {
  return { code: usedAt === null ? 'right' : 'used', id: { of: 'recovery', number: slot } }
}

function ofTemp(temp: TempCode | null, now: number): Pick<Evidence, 'code' | 'id'> {
  if (temp === null) return { code: 'wrong', id: null }
  const code = temp.usedAt !== null ? 'used' : now < temp.until ? 'right' : 'expired'
  return { code, id: { of: 'temp', number: temp.number } }
}

/** Gives what a user has to bring from an address at that moment (ms since 1970). Needs the user as the store has it, or null. */
export function demandOf(policy: LoginPolicy, user: User | null, ip: string, now: number): Demand {
  const { second_factor: rules } = policy
  if (user?.state === 'frozen') return 'frozen'
  const enrolled = user !== null && user.enrolledAt !== null
  // ATTACK: a new enrolment after a lost phone must not open the account to the bare password again.
  const isPending = user?.state === 'pending' && !user.provenBefore
  const fresh = !enrolled || (isPending && now < (user.enrolledAt ?? 0) + rules.pending_for)
  const rollingOut = isRollingOut(policy, now)
  const bareIsEnough = rules.not_required_from(ip) || (rollingOut && fresh)
  if (!enrolled) return bareIsEnough ? 'password' : 'unknown'
  return bareIsEnough ? 'either' : 'code'
}

/** Tells whether users of the roster go on with the bare password as long as they are not enrolled. */
export function isRollingOut({ second_factor: rules, users }: LoginPolicy, now: number): boolean {
  // Without a roster nobody could say who exists: then it is all, whatever the file says.
  return rules.required_for === 'enrolled' && users.roster !== null && (rules.until === null || now < rules.until)
}

/** In the contract's order, behind app passwords: a repeat, a code, a recovery code. */
function weigh({ candidate, trust, code, id, skew }: Evidence, demand: 'either' | 'code', typed: Typed): Finding {
  if (trust.at === 'elsewhere') return { say: 'refuse', reason: 'code-replayed', proven: true }
  if (trust.at === 'expired') return { say: 'refuse', reason: 'trust-expired' }
  if (trust.at === 'repeat') {
    if (trust.bare) return { say: 'repeat', password: Buffer.from(typed.secret), trusted: trust.trusted }
    // The separator has changed since: what was proven cannot be taken apart in the same way any more.
    if (candidate.how === 'none') return { say: 'refuse', reason: 'trust-expired' }
    return { say: 'repeat', password: candidate.password, trusted: trust.trusted }
  }
  if (code === 'used') return { say: 'refuse', reason: 'code-replayed' }
  if (code === 'right' && id !== null && candidate.how !== 'none')
    return { say: 'code', password: candidate.password, code: id }
  if (code === 'expired') return { say: 'refuse', reason: 'code-expired' }
  // A skewed code opens nothing: otherwise a code read over somebody's shoulder would be good for ten minutes more.
  if (demand === 'code' && skew !== undefined) {
    if (skew.seen) return { say: 'refuse', reason: 'code-replayed' }
    return { say: 'refuse', reason: 'code-clock-skew', skewSeconds: (skew.steps * STEP_MS) / 1_000 }
  }
  return orPassword(demand, typed, code === 'wrong' ? 'code-wrong' : 'code-missing')
}

/** A code or repeat counts as ever, where codes do; all else is the bare password, also of a user without a code. */
function byCertificate(found: Evidence, typed: Typed, { second_factor: { methods } }: LoginPolicy): Finding {
  const weighed = methods.includes('totp') ? weigh(found, 'either', typed) : orPassword('either', typed, 'rule')
  return weighed.say === 'password' ? { ...weighed, say: 'certificate' } : weighed
}

function orPassword(demand: 'either' | 'code', typed: Typed, reason: LoginFailure): Finding {
  return demand === 'either' ? { say: 'password', password: Buffer.from(typed.secret) } : { say: 'refuse', reason }
}
