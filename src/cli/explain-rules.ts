/** Which rule of login.yaml would hold for a user, listener by listener: the facts of `explain IP --user U`. */
import type { RuleAt } from '../audit/events.ts'
import type { Address } from '../base/ip.ts'
import { barredByRule, policyUnder, ruleFor } from '../keeper/rules.ts'
import type { LoginPolicy } from '../keeper/login-policy.ts'
import type { Policies } from '../policy/load.ts'

/** `listeners`: empty where the same holds on all. `bar`: the line that shuts the user out there. */
export type Ruling = { listeners: string[]; policy: LoginPolicy; bar: RuleAt | null; fact: string | null }

export type RuleQuestion = {
  name: string
  address: Address
  country: string | null
  at: number
  isTraveller(country: string): boolean
}

/** Needs policies without a fault and what the judgement goes by; gives one ruling for each rule that some listener brings into play. */
export function rulingsOf({ postern }: Policies, policy: LoginPolicy, question: RuleQuestion): Ruling[] {
  const names = postern.listeners.map(({ name }) => name)
  const byRule = Map.groupBy(names, (listener) => ruleFor(policy.rules, question.name, listener))
  return [...byRule].map(([rule, listeners]) => {
    const country = () => question.country
    const bar = rule === null ? null : barredByRule(rule, { ...question, country }, question.at)
    const none = policy.rules.length === 0 ? null : 'no rule of login.yaml'
    const fact = rule === null ? none : `rule ${rule.by.file}:${rule.by.line}${verdict(bar, rule.methods)}`
    return { listeners: byRule.size === 1 ? [] : listeners, policy: policyUnder(policy, rule), bar, fact }
  })
}

function verdict(bar: RuleAt | null, methods: LoginPolicy['rules'][number]['methods']): string {
  if (bar !== null) return `: refused by ${bar.rule} ${bar.file}:${bar.line}`
  return methods === null ? '' : `: methods ${methods.allowed.join(', ')}`
}
