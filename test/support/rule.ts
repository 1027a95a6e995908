/** Rules of login.yaml as the loader compiles them. */
import type { RuleAt } from '../../src/audit/events.ts'
import type { LoginRule, Method } from '../../src/policy/rules.ts'

type Change = {
  users?: string[]
  listeners?: string[] | null
  methods?: Method[]
  networks?: LoginRule['networks']
  countries?: string[]
  denied?: string[]
}

const at = (rule: string, line: number): RuleAt => ({ file: 'login.yaml', line, rule })

/** Gives a rule for everybody that says nothing, changed. */
export function rule({
  users = ['*'],
  listeners = null,
  methods,
  networks,
  countries,
  denied,
}: Change = {}): LoginRule {
  return {
    by: at('rules', 2),
    users,
    listeners,
    methods: methods === undefined ? null : { allowed: methods, by: at('rules.methods', 3) },
    networks: networks ?? { allow: null, deny: null },
    countries: {
      allow: countries === undefined ? null : { codes: new Set(countries), by: at('rules.countries.allow', 5) },
      deny: new Map((denied ?? []).map((code) => [code, at('rules.countries.deny', 6)])),
    },
  }
}
