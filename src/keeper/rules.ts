/**
 * `rules` of login.yaml, applied: the first rule that means a user holds whole, and what it leaves out is as everywhere. Judged when the
 * name is known and before the second factor has a say, whether or not the user exists.
 */
import type { RuleAt } from '../audit/events.ts'
import type { Address } from '../base/ip.ts'
import { matchesUser } from '../base/user-pattern.ts'
import { find } from '../gate/lookup.ts'
import type { LoginRule } from '../policy/rules.ts'
import type { LoginPolicy } from './login-policy.ts'

/** Needs a canonical name and the listener; gives the rule that holds for them, or null. */
export function ruleFor(rules: readonly LoginRule[], name: string, listener: string): LoginRule | null {
  const means = ({ users, listeners }: LoginRule) =>
    (listeners === null || listeners.includes(listener)) && users.some((pattern) => matchesUser(pattern, name))
  return rules.find(means) ?? null
}

/** Gives the policy of a login under its rule. Which methods count is said by `second_factor.methods` alone, wherever they come from. */
export function policyUnder(policy: LoginPolicy, rule: LoginRule | null): LoginPolicy {
  if (rule === null || rule.methods === null) return policy
  const { allowed: methods, by } = rule.methods
  return { ...policy, second_factor: { ...policy.second_factor, methods, by } }
}

/** Where somebody comes from. `country` is asked only where a rule needs it, and throws when no database can tell. */
export type Origin = { address: Address; country(): string | null; isTraveller(country: string): boolean }

/**
 * Gives what in a rule shuts the origin out, or null. An unknown country is in no list: `allow` refuses it, `deny` does not. A country
 * that an exception opens for this user passes both.
 */
export function barredByRule(rule: LoginRule, { address, country, isTraveller }: Origin, now: number): RuleAt | null {
  const { networks, countries } = rule
  const denied = networks.deny === null ? null : find(networks.deny, address, now)
  if (denied !== null) return { ...denied, rule: 'rules.networks.deny' }
  if (networks.allow !== null && find(networks.allow.list, address, now) === null) return networks.allow.by
  if (countries.allow === null && countries.deny.size === 0) return null
  const code = country()
  if (code === null) return countries.allow?.by ?? null
  if (isTraveller(code)) return null
  return countries.deny.get(code) ?? (countries.allow?.codes.has(code) === false ? countries.allow.by : null)
}
