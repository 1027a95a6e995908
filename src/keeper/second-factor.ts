/**
 * The judgement of what was typed: which one reading of it counts, and whether its second factor holds. No table is
 * changed here. The same work is done for a user who does not exist, so that time and code path do not tell.
 */
import { readCandidate, type Candidate } from '../factors/candidate.ts'
import { RECOVERY_CODES } from '../factors/recovery.ts'
import { sameBytes } from '../factors/same-bytes.ts'
import { SKEW_STEPS } from '../base/limits.ts'
import { makeSeed, matchingStep, STEP_MS, stepAt, stepsAway } from '../factors/totp.ts'
import { findTrust, identifyDevice, type Device, type TrustFinding } from '../factors/trusted-device.ts'
import type { LoginFailure } from '../audit/events.ts'
import type { Keyring } from '../state/secrets.ts'
import type { CodeId, Dossier, RecoveryCode, Trusted, User } from '../state/store.ts'
import type { LoginPolicy } from './login-policy.ts'

/** What the judgement needs. `user` is canonical, or empty for a name that is none. */
export type Typed = { user: string; secret: Buffer; ip: string; client: string; session: string }

export type Marks = { mac: Buffer; bareMac: Buffer; device: Device }

/** `code`: right, but not yet claimed. `password` is the one candidate for the old server. */
export type Finding =
  | { say: 'refuse'; reason: LoginFailure; skewSeconds?: number }
  | { say: 'password'; password: Buffer }
  | { say: 'repeat'; password: Buffer; trusted: Trusted }
  | { say: 'code'; password: Buffer; code: CodeId }

/** What policy asks of a user from an address. `either`: a right code or repeat counts, all else is the bare password. */
type Demand = 'frozen' | 'unknown' | 'password' | 'either' | 'code'

/** What was found out about the typed string before policy is asked. */
type Evidence = {
  candidate: Candidate
  trust: TrustFinding
  code: 'right' | 'used' | 'wrong' | 'missing'
  id: CodeId | null
  /** Of a wrong code that is right for another time, in steps from now. `seen`: it is no newer than one that was proven. */
  skew?: { steps: number; seen: boolean }
}

export type SecondFactor = {
  /** Gives the HMACs and the device of an attempt. */
  mark(typed: Typed, policy: LoginPolicy): Marks
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
    const rows = dossier.recovery.length === 0 ? dummyRecovery : dossier.recovery
    const recoveryMac = keys.mac('recovery', typed.user, candidate.how === 'recovery' ? candidate.code : '')
    const row = rows.filter((one) => sameBytes(one.mac, recoveryMac)).at(0)
    if (sealed === null || candidate.how === 'none') return { candidate, trust, code: 'missing', id: null }
    if (candidate.how === 'code') {
      if (step !== null) return { candidate, trust, code: 'right', id: { of: 'totp', number: step } }
      const wrong: Evidence = { candidate, trust, code: 'wrong', id: null }
      if (steps === null) return wrong
      return { ...wrong, skew: { steps, seen: stepAt(now) + steps <= (dossier.user?.lastStep ?? -Infinity) } }
    }
    const code = row === undefined ? 'wrong' : row.usedAt === null ? 'right' : 'used'
    return { candidate, trust, code, id: row === undefined ? null : { of: 'recovery', number: row.slot } }
  }

  return {
    mark(typed, policy) {
      return {
        mac: keys.mac('string', typed.user, typed.secret),
        bareMac: keys.mac('bare', typed.user, typed.secret),
        device: identifyDevice(keys, policy.trusted_device, typed),
      }
    },
    judge(typed, marks, dossier, policy, now) {
      const found = evidence(typed, marks, dossier, policy, now)
      const demand = demandOf(policy, dossier.user, typed.ip, now)
      if (demand === 'frozen') return { say: 'refuse', reason: 'frozen' }
      if (demand === 'unknown') return { say: 'refuse', reason: 'unknown-user' }
      if (demand === 'password') return { say: 'password', password: Buffer.from(typed.secret) }
      // Without the method, what it left behind (trust, recovery codes) counts no longer either.
      if (!policy.second_factor.methods.includes('totp')) return orPassword(demand, typed, 'rule')
      return weigh(found, demand, typed)
    },
  }
}

/** Gives what a user has to bring from an address at that moment (ms since 1970). Needs the user as the store has it, or null. */
export function demandOf(
  { second_factor: rules, users }: LoginPolicy,
  user: User | null,
  ip: string,
  now: number,
): Demand {
  if (user?.state === 'frozen') return 'frozen'
  const enrolled = user !== null && user.enrolledAt !== null
  // Without a roster nobody could say who exists: then it is all, whatever the file says.
  const rollingOut =
    rules.required_for === 'enrolled' && users.roster !== null && (rules.until === null || now < rules.until)
  const fresh = !enrolled || (user.state === 'pending' && now < (user.enrolledAt ?? 0) + rules.pending_for)
  const bareIsEnough = rules.not_required_from(ip) || (rollingOut && fresh)
  if (!enrolled) return bareIsEnough ? 'password' : 'unknown'
  return bareIsEnough ? 'either' : 'code'
}

/** In the contract's order: a repeat, a code, a recovery code. */
function weigh({ candidate, trust, code, id, skew }: Evidence, demand: 'either' | 'code', typed: Typed): Finding {
  if (trust.at === 'elsewhere') return { say: 'refuse', reason: 'code-replayed' }
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
  // A skewed code opens nothing: otherwise a code read over somebody's shoulder would be good for ten minutes more.
  if (demand === 'code' && skew !== undefined) {
    if (skew.seen) return { say: 'refuse', reason: 'code-replayed' }
    return { say: 'refuse', reason: 'code-clock-skew', skewSeconds: (skew.steps * STEP_MS) / 1_000 }
  }
  return orPassword(demand, typed, code === 'wrong' ? 'code-wrong' : 'code-missing')
}

function orPassword(demand: 'either' | 'code', typed: Typed, reason: LoginFailure): Finding {
  return demand === 'either' ? { say: 'password', password: Buffer.from(typed.secret) } : { say: 'refuse', reason }
}
