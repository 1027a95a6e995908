/** What the login rules of a candidate policy say of a recorded login, as far as the record tells. */
import type { RuleAt } from '../audit/events.ts'
import type { Try, Visit } from '../audit/visits.ts'
import type { LateGate } from '../keeper/late-gate.ts'
import { exceptionFor } from '../keeper/exceptions.ts'
import { parseAddress } from '../base/ip.ts'
import { backendFor, canonicalName } from '../keeper/identity.ts'
import type { LoginPolicy } from '../keeper/login-policy.ts'
import { barredByRule, policyUnder, ruleFor } from '../keeper/rules.ts'
import type { LoginRule } from '../policy/rules.ts'

/** Where the keys of login.yaml and postern.yaml stand that a ruling names. */
export type Places = Readonly<Record<'roster' | 'domains' | 'required' | 'methods', RuleAt>>

/** `fenced`: as the keeper has it, for that moment. `country`: null where it is not known. */
export type LoginJudge = {
  policy: LoginPolicy
  places: Places
  fenced: LateGate['fenced']
  country(ip: string): string | null
}

const METHODS: Readonly<Record<string, LoginPolicy['second_factor']['methods'][number]>> = {
  totp: 'totp',
  'trusted-device': 'totp',
  'recovery-code': 'totp',
  'app-password': 'app_password',
  'client-certificate': 'client_certificate',
}

/**
 * Gives the rule that would refuse this login whatever is typed, or null. A login that succeeded is asked besides whether its second factor
 * would still do. Passwords, codes, trusted devices and locks are not on record: they count as they did.
 */
export function rulingOn(judge: LoginJudge, visit: Visit, attempt: Try): RuleAt | null {
  const { policy, places } = judge
  const name = canonicalName(Buffer.from(attempt.user), policy.users)
  // A name that nobody has was refused for that then, and is now.
  if (name === null) return attempt.reason === null ? places.roster : null
  if (backendFor(name, policy.backends) === null) return attempt.reason === null ? places.domains : null
  const ruled = ruleFor(policy.rules, name, visit.listener)
  const barred = barredBy(judge, visit, name, attempt.at, ruled)
  if (barred !== null) return barred
  const under = {
    policy: policyUnder(policy, ruled),
    places: { ...places, methods: ruled?.methods?.by ?? places.methods },
  }
  return attempt.reason === null ? factorRuling(under, visit, attempt) : methodRuling(under, attempt)
}

/** The record does not say which method was refused then: it is refused as long as some method is left out. */
function methodRuling({ policy, places }: Pick<LoginJudge, 'policy' | 'places'>, { by }: Try): RuleAt | null {
  const wasMethod = by?.rule === 'rules.methods' || by?.rule === 'second_factor.methods'
  const all = new Set(Object.values(METHODS)).size
  return wasMethod && policy.second_factor.methods.length < all ? places.methods : null
}

/** What shuts a user out from there. What is built into the keeper for this belongs here too, in its order. */
function barredBy(
  { policy, fenced, country }: LoginJudge,
  { ip }: Visit,
  name: string,
  at: number,
  ruled: LoginRule | null,
): RuleAt | null {
  const isTraveller = (code: string | null) => exceptionFor(policy.exceptions, name, code, at) !== null
  const fence = fenced(ip)
  if (fence !== null && !isTraveller(fence.country)) return fence.by
  const address = parseAddress(ip)
  if (ruled === null || address === null) return null
  return barredByRule(ruled, { address, country: () => country(ip), isTraveller }, at)
}

function factorRuling(
  { policy, places }: Pick<LoginJudge, 'policy' | 'places'>,
  { ip, listener }: Visit,
  { factor, at }: Try,
): RuleAt | null {
  const { methods, not_required_from, required_for, until } = policy.second_factor
  if (not_required_from(ip)) return null
  const method = METHODS[factor ?? '']
  // On other listeners nobody asks for one.
  if (method === 'client_certificate' && !policy.asking.includes(listener)) return places.methods
  if (method !== undefined) return methods.includes(method) ? null : places.methods
  const rollingOut = required_for === 'enrolled' && policy.users.roster !== null && (until === null || at < until)
  // Who was let in on the password alone may be one whose enrolment is open: the record does not say.
  return rollingOut ? null : places.required
}
