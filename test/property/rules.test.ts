/** First match wins whole: compiled rules say what a reader of the file, who goes through it from the top, would say. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/base/ip.ts'
import { barredByRule, policyUnder, ruleFor } from '../../src/keeper/rules.ts'
import { policyOf } from '../support/login-world.ts'
import { good, NOW, POSTERN } from '../unit/policy/folder.ts'

const LISTENERS = ['outside', 'inside']
const NAMES = ['ann@a.example', 'bob@a.example', 'ann@b.example']
const PATTERNS = ['*', '*@a.example', 'ann@*', 'bob@a.example', 'a*n@b.example']
const MEANT: Record<string, (name: string) => boolean> = {
  '*': () => true,
  '*@a.example': (name) => name.endsWith('@a.example'),
  'ann@*': (name) => name.startsWith('ann@'),
  'bob@a.example': (name) => name === 'bob@a.example',
  'a*n@b.example': (name) => name === 'ann@b.example',
}
/** List files, each with the last octets of 192.0.2.0/24 that it holds. */
const LISTS: Record<string, (last: number) => boolean> = {
  'low.txt': (last) => last < 128,
  'one.txt': (last) => last === 77,
  'all.txt': () => true,
}
const COUNTRIES = ['DE', 'FR', 'JP']

const some = <T>(values: readonly T[]) => fc.subarray([...values], { minLength: 1 })
const key = { requiredKeys: [] as [] }
const written = fc.record(
  {
    users: some(PATTERNS),
    listeners: some(LISTENERS),
    methods: some(['totp', 'app_password'] as const).map((list) => [...new Set(['totp' as const, ...list])]),
    networks: fc.record({ allow: some(Object.keys(LISTS)), deny: some(Object.keys(LISTS)) }, key),
    countries: fc.record({ allow: some(COUNTRIES), deny: some(COUNTRIES) }, key),
  },
  { requiredKeys: ['users'] },
)
type Written = typeof written extends fc.Arbitrary<infer T> ? T : never

const question = fc.record({
  name: fc.constantFrom(...NAMES),
  listener: fc.constantFrom(...LISTENERS),
  last: fc.constantFrom(1, 77, 200),
  country: fc.constantFrom(null, ...COUNTRIES),
  travels: fc.boolean(),
})
type Question = typeof question extends fc.Arbitrary<infer T> ? T : never

/** Reads the file as its writer would. */
function naive(rules: Written[], { name, listener, last, country, travels }: Question) {
  for (const { users, listeners, methods, networks, countries } of rules) {
    if (!users.some((pattern) => MEANT[pattern]?.(name))) continue
    if (listeners !== undefined && !listeners.includes(listener)) continue
    const isIn = (list: string[]) => list.some((file) => LISTS[file]?.(last))
    const byNetwork = (networks?.deny && isIn(networks.deny)) || (networks?.allow && !isIn(networks.allow))
    const denied = country !== null && countries?.deny?.includes(country)
    const notAllowed = countries?.allow && (country === null || !countries.allow.includes(country))
    const isFree = country !== null && travels
    return { barred: Boolean(byNetwork) || (Boolean(denied || notAllowed) && !isFree), methods: methods ?? ['totp'] }
  }
  return { barred: false, methods: ['totp'] }
}

test('compiled rules agree with a naive reader', async () => {
  const seen = { barred: 0, free: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(written, { maxLength: 4 }),
      fc.array(question, { minLength: 20, maxLength: 20 }),
      async (rules, questions) => {
        const paths = (files?: string[]) => files?.map((file) => `lists/${file}`)
        const { policies } = await good({
          'postern.yaml': `${POSTERN}checks: [networks, geofence]\nlisteners: ${JSON.stringify(LISTENERS.map((name) => ({ name, address: '127.0.0.1:0' })))}\n`, // prettier-ignore
          'geofence.yaml': 'countries: { deny: [KP] }',
          'login.yaml': JSON.stringify({
            rules: rules.map(({ networks, ...rest }) => ({
              ...rest,
              ...(networks && { networks: { allow: paths(networks.allow), deny: paths(networks.deny) } }),
            })),
          }),
          'lists/low.txt': '192.0.2.0/25\n',
          'lists/one.txt': '# one\n192.0.2.77\n',
          'lists/all.txt': '192.0.2.0/24\n',
        })
        for (const one of questions) {
          const rule = ruleFor(policies.rules, one.name, one.listener)
          const address = parseAddress(`192.0.2.${one.last}`)
          if (address === null) throw new Error('address')
          const origin = { address, country: () => one.country, isTraveller: () => one.travels }
          const barred = rule !== null && barredByRule(rule, origin, NOW) !== null
          const { methods } = policyUnder(policyOf(), rule).second_factor
          expect({ barred, methods }).toEqual(naive(rules, one))
          seen[barred ? 'barred' : 'free'] += 1
        }
      },
    ),
    { numRuns: 40 },
  )
  expect(Math.min(seen.barred, seen.free)).toBeGreaterThan(50)
})
