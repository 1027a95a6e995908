import { describe, expect, test } from 'vitest'
import { address } from '../gate/lists.ts'
import { find } from '../../../src/gate/lookup.ts'
import { faultsOf, good, NOW, POSTERN } from './folder.ts'

const GEO = `${POSTERN}checks: [networks, geofence]\nlisteners:\n  - { name: outside, address: "127.0.0.1:0" }\n  - { name: inside, address: "127.0.0.2:0" }\n`
const files = (rules: string) => ({
  'postern.yaml': GEO,
  'geofence.yaml': 'countries: { deny: [KP] }\n',
  'login.yaml': `users: { default_domain: example.com }\nrules:\n${rules}`,
  'lists/printers.txt': '# printers\n192.0.2.0/28\n192.0.2.77 until 2026-12-01\n',
})

test('rules are compiled in their order, with the lines that would decide', async () => {
  const { policies, warnings } = await good(
    files(`  - users: ["Scan", "scan-*@Example.com"]
    methods: [totp]
    networks: { allow: [lists/printers.txt], deny: [lists/denied.txt] }
  - users: ["*@finance.example.com"]
    listeners: [outside]
    countries:
      allow: [DE, FR]
      deny: [KP]
`),
  )
  const at = (line: number, rule: string) => ({ file: 'login.yaml', line, rule })
  const [scan, finance] = policies.rules
  expect(scan).toMatchObject({
    by: at(3, 'rules'),
    users: ['scan@example.com', 'scan-*@example.com'],
    listeners: null,
    methods: { allowed: ['totp'], by: at(4, 'rules.methods') },
    networks: { allow: { by: at(5, 'rules.networks.allow') } },
    countries: { allow: null, deny: new Map() },
  })
  const allow = scan?.networks.allow?.list
  expect(allow && find(allow, address('192.0.2.9'), NOW)).toEqual({ file: 'lists/printers.txt', line: 2 })
  expect(scan?.networks.deny && find(scan.networks.deny, address('192.0.2.99'), NOW)).toMatchObject({
    file: 'lists/denied.txt',
  })
  expect(finance).toMatchObject({
    by: at(6, 'rules'),
    listeners: ['outside'],
    methods: null,
    networks: { allow: null, deny: null },
    countries: {
      allow: { codes: new Set(['DE', 'FR']), by: at(9, 'rules.countries.allow') },
      deny: new Map([['KP', at(10, 'rules.countries.deny')]]),
    },
  })
  expect(warnings).toEqual([])
})

test.each([
  ['an unknown listener', '{ users: ["*"], listeners: [outsid] }', 'login.yaml:3:33: `rules[0].listeners[0]: outsid` is no listener of postern.yaml'],
  ['a list that is not there', '{ users: ["*"], networks: { deny: [lists/none.txt] } }', 'login.yaml:3:40: `rules[0].networks.deny[0]`: lists/none.txt is not there; mend it, or take it off this list'],
  ['a network in place of a list', '{ users: ["*"], networks: { allow: [10.0.0.0/8] } }', 'login.yaml:3:41: `rules[0].networks.allow[0]: 10.0.0.0/8` is no list file; write networks into a file and name that here'],
  ['an empty allow', '{ users: ["*"], networks: { allow: [] } }', expect.stringMatching(/^login.yaml:3:\d+: `rules\[0\].networks.allow` is empty; /)],
  ['certificates alone where nobody asks for them', '{ users: ["*"], methods: [client_certificate] }', expect.stringMatching(/^login.yaml:3:\d+: `rules\[0\].methods` lets nobody in: no listener/)],
])('%s is a fault', async (_, rule, fault) => {
  expect(await faultsOf(files(`  - ${rule}\n`))).toEqual([fault])
}) // prettier-ignore

test('a bad line of a list is told with its line', async () => {
  const bad = { ...files('  - { users: ["*"], networks: { deny: [lists/bad.txt] } }\n'), 'lists/bad.txt': '10.0.0.0/8\nnonsense\n' } // prettier-ignore
  expect(await faultsOf(bad)).toEqual([expect.stringMatching(/^lists\/bad.txt:2:1: `nonsense` /)])
})

test('countries without a database are a fault: nobody could tell where an address is', async () => {
  const rules = files('  - { users: ["*"], countries: { deny: [KP] } }\n')
  expect(await faultsOf({ ...rules, 'postern.yaml': POSTERN })).toEqual([
    'login.yaml:3:32: `rules[0].countries` needs `geofence` in `checks` of postern.yaml: its database says where an address is',
  ])
})

describe('a word is worth', () => {
  const warningsOf = async (rules: string) => (await good(files(rules))).warnings

  test('that countries.allow refuses private addresses, unless the rule names its listeners', async () => {
    const allow = 'countries: { allow: [DE] }'
    expect(await warningsOf(`  - { users: ["*"], ${allow} }\n`)).toEqual([
      expect.stringMatching(
        /^login.yaml:3:\d+: `rules\[0\].countries.allow` refuses addresses of no known country, private/,
      ),
    ])
    expect(await warningsOf(`  - { users: ["*"], listeners: [outside], ${allow} }\n`)).toEqual([])
  })

  test.each([
    ['["*"]', '["scan-*@example.com"]', true],
    ['["*@example.com"]', '["ann"]', true],
    ['["scan-*@example.com"]', '["*"]', false],
    ['["*"], listeners: [outside]', '["ann"]', false],
    ['["*"], listeners: [outside]', '["ann"], listeners: [outside]', true],
  ])('a rule that never counts: %s above %s', async (above, below, told) => {
    const warnings = await warningsOf(`  - { users: ${above} }\n  - { users: ${below} }\n`)
    expect(warnings).toEqual(
      told ? [expect.stringMatching(/^login.yaml:4:\d+: `rules\[1\]` never counts: rule 1 above/)] : [],
    )
  })

  test('a method that no listener makes possible, and lists that leave nobody out', async () => {
    expect(await warningsOf('  - { users: ["*"], methods: [totp, client_certificate] }\n')).toEqual([
      expect.stringMatching(
        /^login.yaml:3:\d+: `rules\[0\].methods\[1\]: client_certificate` is never met: no listener/,
      ),
    ])
    const all = {
      ...files('  - { users: ["*"], networks: { deny: [lists/all.txt] } }\n'),
      'lists/all.txt': '0.0.0.0/0\n',
    }
    expect((await good(all)).warnings).toEqual([
      expect.stringMatching(
        /^login.yaml:3:\d+: `rules\[0\].networks.deny` covers all of IPv4: none of its users gets in/,
      ),
    ])
  })
})
