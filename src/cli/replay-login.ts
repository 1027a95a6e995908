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
export type Places = Readonly<Record<'roster' | 'domains' | 'required' | 'methods' | 'asking', RuleAt>>

/** All as the keeper has it, for that moment: `policy` with the journeys that stood then. */
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
  const barred = barredBy(judge, visit, name, ruled, attempt.at)
  if (barred !== null) return barred
  const under = policyUnder(policy, ruled)
  if (attempt.reason !== null) return methodRuling(under, attempt)
  return factorRuling({ ...judge, policy: under }, visit, attempt)
}

/** What shuts a user out from there, in the keeper's order. */
function barredBy(
  { policy, fenced, country }: LoginJudge,
  { ip }: Visit,
  name: string,
  ruled: LoginRule | null,
  at: number,
): RuleAt | null {
  const isTraveller = (code: string | null) => exceptionFor(policy.exceptions, name, code, at) !== null
  const fence = fenced(ip)
  if (fence !== null && !isTraveller(fence.country)) return fence.by
  const address = parseAddress(ip)
  if (ruled === null || address === null) return ruled?.by ?? null
  return barredByRule(ruled, { address, country: () => country(ip), isTraveller }, at)
}

/** Which method was refused is not on record: it is again, unless all of them count now. */
function methodRuling({ second_factor: { methods } }: LoginPolicy, { by }: Try): RuleAt | null {
  if (by?.rule.endsWith('.methods') !== true) return null
  return Object.values(METHODS).every((method) => methods.includes(method)) ? null : by
}

function factorRuling({ policy, places }: LoginJudge, { ip, listener }: Visit, { factor, at }: Try): RuleAt | null {
  const { methods, by, not_required_from, required_for, until } = policy.second_factor
  if (not_required_from(ip)) return null
  const method = METHODS[factor ?? '']
  if (method !== undefined && !methods.includes(method)) return by?.rule === 'rules.methods' ? by : places.methods
  if (method === 'client_certificate' && !policy.asking.includes(listener)) return places.asking
  if (method !== undefined) return null
  const rollingOut = required_for === 'enrolled' && policy.users.roster !== null && (until === null || at < until)
  // Who was let in on the password alone may be one whose enrolment is open: the record does not say.
  return rollingOut ? null : places.required
}
