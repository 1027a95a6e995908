import { expect, test } from 'vitest'
import { compilePolicies } from '../../../src/policy/compile.ts'
import { faultsOf, good, POSTERN } from './folder.ts'

const WITH_RATES = `${POSTERN}checks: [networks, rates]\n`
const FULL = `mode: monitor
per_address: { connections: 30/10s, concurrent: 4 }
per_network:
  connections: 300/10s
  concurrent: 40
  ipv4: 20
  ipv6: 48
known_factor: 3
`
const rates = async (text: string) => (await good({ 'postern.yaml': WITH_RATES, 'rates.yaml': text })).policies.rates

test('rates.yaml is read whole, and each limit knows its line', async () => {
  expect(await rates(FULL)).toEqual({
    mode: 'monitor',
    perAddress: {
      connections: { count: 30, per: 10_000 },
      concurrent: 4,
      by: { file: 'rates.yaml', line: 2, rule: 'rates.per_address' },
    },
    perNetwork: {
      connections: { count: 300, per: 10_000 },
      concurrent: 40,
      by: { file: 'rates.yaml', line: 3, rule: 'rates.per_network' },
    },
    network: { ipv4: 20, ipv6: 48 },
    knownFactor: 3,
  })
})

test('what is left out has the defaults of the contract', async () => {
  expect(await rates('per_address: { concurrent: 7 }')).toMatchObject({
    mode: 'enforce',
    perAddress: { connections: { count: 120, per: 60_000 }, concurrent: 7 },
    perNetwork: { connections: { count: 1_200, per: 60_000 }, concurrent: 400, by: { line: 1 } },
    network: { ipv4: 24, ipv6: 56 },
    knownFactor: 10,
  })
})

test('rates that are not among the checks are off, and their file is not looked at', async () => {
  expect((await good({ 'rates.yaml': 'nonsense: 1' })).policies.rates).toBeNull()
})

test.each([
  ['', 'rates.yaml:1:1: the file holds no keys; write {} to take all defaults'],
  ['per_adress: {}', 'rates.yaml:1:1: unknown key `per_adress`; did you mean per_address?'],
  ['per_address: { connections: 120 }', /^rates\.yaml:1:29: `per_address\.connections: 120` is no rate; write a rate/],
  ['per_address: { connections: 0/1m }', /^rates\.yaml:1:29: .* holds a zero/],
  ['per_address: { concurrent: 0 }', /^rates\.yaml:1:28: .* does not fit; write a whole number/],
  ['per_network: { ipv4: 33 }', /^rates\.yaml:1:22: .* from 8 to 32/],
  ['known_factor: 0', /^rates\.yaml:1:15: .* from 1 to 1000/],
  ['mode: on', /^rates\.yaml:1:7: `mode: on` is not known here; write enforce or monitor/],
])('%j is a fault with its place', async (text, message) => {
  const [fault, ...more] = await faultsOf({ 'postern.yaml': WITH_RATES, 'rates.yaml': text })
  expect(more).toEqual([])
  if (typeof message === 'string') expect(fault).toBe(message)
  else expect(fault).toMatch(message)
})

test('a check that is named and whose file is missing is a fault', async () => {
  expect(await faultsOf({ 'postern.yaml': WITH_RATES })).toEqual([
    'rates.yaml:1:1: the file is not there; `checks` of postern.yaml names it',
  ])
})

test('a network that has less than one of its addresses is a warning', async () => {
  const { warnings } = await good({
    'postern.yaml': WITH_RATES,
    'rates.yaml': 'per_network: { connections: 60/1m, concurrent: 5 }',
  })
  expect(warnings).toEqual([
    'rates.yaml:1:29: `per_network.connections: 60/1m` is less than `per_address` has: no address of a network ever gets its own',
    'rates.yaml:1:48: `per_network.concurrent: 5` is less than `per_address` has: no address of a network ever gets its own',
  ])
})

test('balancers and their line go to the fronts', async () => {
  const { policies } = await good({
    'postern.yaml': `${POSTERN}listeners:
  - { name: direct, address: "[::]:995" }
  - name: balanced
    address: "[::]:996"
    proxy_protocol_from: [10.0.0.0/24, "::ffff:192.0.2.1"]
`,
  })
  const [direct, balanced] = compilePolicies(policies, 1).listeners
  expect(direct?.proxy).toBeNull()
  expect(balanced?.proxy).toMatchObject({
    from: [{ text: '10.0.0.0/24' }, { text: '192.0.2.1' }],
    by: { file: 'postern.yaml', line: 9, rule: 'listeners.proxy_protocol_from' },
  })
})

test('a listener that believes everybody, and a backend that is told twice, are warnings', async () => {
  const { warnings } = await good({
    'postern.yaml': `${POSTERN}    proxy_protocol: v2
    xclient: on
listeners: [{ name: outside, address: "[::]:995", proxy_protocol_from: [10.0.0.1, "::/0"] }]
`,
  })
  expect(warnings).toEqual([
    'postern.yaml:6:14: `backends[0].xclient: on` says what `proxy_protocol` says already; keep one of them',
    'postern.yaml:7:83: `listeners[0].proxy_protocol_from[1]: "::/0"` is everybody: anyone can claim any address',
  ])
})
