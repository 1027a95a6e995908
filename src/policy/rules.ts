/** `rules` of login.yaml: their lists compiled, their lines kept, and what no single key of them shows. */
import type { RuleAt } from '../audit/events.ts'
import type { NameRules } from '../base/user-name.ts'
import { matchesUser, plainPattern } from '../base/user-pattern.ts'
import type { CompiledList } from '../gate/verdict.ts'
import { keyName } from './examine.ts'
import { type ListKey, loadLists } from './lists.ts'
import type { Opened, Reading } from './reading.ts'
import type { Login, Postern } from './schema.ts'
import type { Remark, Remarks } from './sense.ts'
import type { Path, YamlFile } from './yaml-file.ts'

export type Method = 'totp' | 'app_password' | 'client_certificate'

/** One rule. Users are plain patterns; what a rule leaves out is null. Each `by` names the line that would decide. */
export type LoginRule = {
  by: RuleAt
  users: readonly string[]
  listeners: readonly string[] | null
  methods: { allowed: readonly Method[]; by: RuleAt } | null
  networks: { allow: { list: CompiledList; by: RuleAt } | null; deny: CompiledList | null }
  countries: { allow: { codes: ReadonlySet<string>; by: RuleAt } | null; deny: ReadonlyMap<string, RuleAt> }
}

type Written = Login['rules'][number]

/** Needs login.yaml as read and as examined; gives its rules in their order, or null when a list of theirs could not be compiled. */
export async function loadRules(reading: Reading, opened: Opened, login: Login): Promise<LoginRule[] | null> {
  const keys = login.rules.flatMap(({ networks }, i) => listsOf(networks, i))
  const lists = await loadLists(reading, opened, keys)
  if (lists === null) return null
  const byKey = new Map(keys.map(({ at }, n) => [keyName(at), lists[n] ?? null]))
  return login.rules.map((rule, i) => compileRule(rule, placer(opened.file, i), login.users, (key) => byKey.get(keyName(['rules', i, 'networks', key])) ?? null)) // prettier-ignore
}

function compileRule(
  { users, listeners, methods, countries }: Written,
  at: ReturnType<typeof placer>,
  names: NameRules,
  listOf: (key: 'allow' | 'deny') => CompiledList | null,
): LoginRule {
  const allow = listOf('allow')
  const codes = countries?.allow
  return {
    by: at('rules'),
    users: users.map((pattern) => plainPattern(pattern, names)),
    listeners: listeners ?? null,
    methods: methods === undefined ? null : { allowed: methods, by: at('rules.methods', 'methods') },
    networks: {
      allow: allow === null ? null : { list: allow, by: at('rules.networks.allow', 'networks', 'allow') },
      deny: listOf('deny'),
    },
    countries: {
      allow:
        codes === undefined ? null : { codes: new Set(codes), by: at('rules.countries.allow', 'countries', 'allow') },
      deny: new Map(
        (countries?.deny ?? []).map((code, n) => [code, at('rules.countries.deny', 'countries', 'deny', n)]),
      ),
    },
  }
}

function listsOf(networks: Written['networks'], i: number): ListKey[] {
  const means = { allow: 'it shuts nobody out', deny: 'none of its users gets in' }
  return (['allow', 'deny'] as const).flatMap((key) => {
    const files = networks?.[key]
    return files === undefined ? [] : [{ at: ['rules', i, 'networks', key], files, everybody: means[key] }]
  })
}

function placer(file: YamlFile, i: number): (rule: string, ...path: Path) => RuleAt {
  return (rule, ...path) => ({ file: 'login.yaml', line: file.place(['rules', i, ...path]).line, rule })
}

/** Needs both files as examined. A rule that could let somebody in by mistake, or nobody at all, is a fault. */
export function rulesSense(login: Login, postern: Postern): Remarks {
  const names = postern.listeners.map(({ name }) => name)
  const unknown = login.rules.flatMap(({ listeners = [] }, i) =>
    listeners.flatMap((name, j) =>
      names.includes(name) ? [] : [{ path: ['rules', i, 'listeners', j], message: 'is no listener of postern.yaml' }],
    ),
  )
  const methods = methodsOf(login).map((one) => ({ ...one, asks: asking(postern, one.listeners) }))
  return {
    faults: [
      ...unknown,
      ...(postern.checks.includes('geofence') ? [] : withoutDatabase(login.rules)),
      ...methods.flatMap(({ path, written, asks }) =>
        !asks && written.every((one) => one === 'client_certificate')
          ? [{ path, message: `lets nobody in: ${NOBODY_ASKS}` }]
          : [],
      ),
    ],
    warnings: [
      ...neverReached(login),
      ...unknownCountry(login.rules),
      ...methods.flatMap(({ path, written, asks, isRule }) =>
        isRule && !asks && written.includes('client_certificate') && written.length > 1
          ? [{ path: [...path, written.indexOf('client_certificate')], message: `is never met: ${NOBODY_ASKS}` }]
          : [],
      ),
    ],
  }
}

const NOBODY_ASKS = 'no listener of these logins asks for certificates (`client_certificates: request`)'

/** A rule whose country nobody can tell would refuse everybody, or let everybody in. */
function withoutDatabase(rules: readonly Written[]): Remark[] {
  const message = 'needs `geofence` in `checks` of postern.yaml: its database says where an address is'
  return rules.flatMap(({ countries }, i) =>
    countries === undefined ? [] : [{ path: ['rules', i, 'countries'], message }],
  )
}

function unknownCountry(rules: readonly Written[]): Remark[] {
  const message = 'refuses addresses of no known country, private ones among them; people in your own network need a rule above, for a listener of their own' // prettier-ignore
  return rules.flatMap(({ countries, listeners }, i) =>
    countries?.allow === undefined || listeners !== undefined
      ? []
      : [{ path: ['rules', i, 'countries', 'allow'], message }],
  )
}

type MethodList = { path: Path; written: readonly Method[]; listeners: readonly string[] | undefined; isRule: boolean }

function methodsOf({ second_factor, rules }: Login): MethodList[] {
  const general = { path: ['second_factor', 'methods'], written: second_factor.methods, listeners: undefined, isRule: false } // prettier-ignore
  const ruled = rules.flatMap(({ methods, listeners }, i) =>
    methods === undefined ? [] : [{ path: ['rules', i, 'methods'], written: methods, listeners, isRule: true }],
  )
  return [general, ...ruled]
}

function asking({ listeners, tls }: Postern, names: readonly string[] | undefined): boolean {
  const meant = listeners.filter(({ name }) => names === undefined || names.includes(name))
  return tls.client_ca !== null && meant.some((one) => one.client_certificates === 'request')
}

/** A rule whose every pattern is within one of a rule above, on every listener of its own. */
function neverReached({ rules, users: names }: Login): Remark[] {
  const patterns = rules.map(({ users }) => users.map((pattern) => plainPattern(pattern, names)))
  return rules.flatMap(({ listeners }, i) => {
    const above = rules.findIndex(
      (other, j) =>
        j < i &&
        (other.listeners === undefined ||
          listeners?.every((name) => other.listeners?.includes(name) === true) === true) &&
        (patterns[i] ?? []).every((inner) => (patterns[j] ?? []).some((outer) => matchesUser(outer, inner))),
    )
    if (above < 0) return []
    return [{ path: ['rules', i], message: `never counts: rule ${above + 1} above takes its users` }]
  })
}
