import { describe, expect, test } from 'vitest'
import { isErrorAnswer } from '../../../src/policy/dnsbl.ts'
import { address } from '../gate/lists.ts'
import { faultsOf, good, POSTERN } from './folder.ts'

const CHECKED = `${POSTERN}checks: [networks, reputation]\n`
const files = (reputation: string | null) => ({ 'postern.yaml': CHECKED, 'reputation.yaml': reputation })
const zonesOf = async (text: string) => (await good(files(text))).policies.dnsbl

test('a check that is named needs its file; one that is not named asks no zone', async () => {
  expect(await faultsOf(files(null))).toEqual([
    'reputation.yaml:1:1: the file is not there; `checks` of postern.yaml names it',
  ])
  expect((await good({ 'reputation.yaml': 'dnsbl: [{ zone: a.example }]' })).policies.dnsbl).toEqual([])
})

test('a zone has what its policy says, and its line', async () => {
  const [plain, full] = await zonesOf(`dnsbl:
  - zone: BL.example.
  - zone: zen.example
    mode: monitor
    deny_on: ["127.0.0.2", "127.0.0.9", 127.0.1.0/24]
    resolver: "[::1]:5353"
    timeout: 2s
    cache: 0s
    on_error: deny
`)
  expect(plain).toMatchObject({
    zone: 'bl.example',
    mode: 'enforce',
    resolver: { host: '127.0.0.1', port: 53 },
    timeout: 800,
    cache: 600_000,
    onError: 'allow',
    file: 'reputation.yaml',
    line: 2,
  })
  expect(plain?.denyOn.map(({ text }) => text)).toEqual(['127.0.0.2'])
  expect(full).toMatchObject({ mode: 'monitor', resolver: { host: '::1', port: 5_353 }, timeout: 2_000, cache: 0, onError: 'deny', line: 3 }) // prettier-ignore
  expect(full?.denyOn.map(({ text }) => text)).toEqual(['127.0.0.2', '127.0.0.9', '127.0.1.0/24'])
})

test('monitor at the top of the file suspends every zone', async () => {
  const zones = await zonesOf('mode: monitor\ndnsbl: [{ zone: a.example, mode: enforce }, { zone: b.example }]')
  expect(zones.map(({ mode }) => mode)).toEqual(['monitor', 'monitor'])
})

describe('what no zone has is refused', () => {
  test.each([
    ['zone: "a b"', '1:17: `dnsbl[0].zone: "a b"` is no zone; write it like zen.spamhaus.org'],
    ['zone: -a.example', '1:17: `dnsbl[0].zone: -a.example` is no zone; write it like zen.spamhaus.org'],
    ['deny_on: []', '1:9: `dnsbl[0].zone` is missing; write a zone such as zen.spamhaus.org'],
    [
      'zone: a.example, deny_on: ["127.0.0.1"]',
      '1:38: `dnsbl[0].deny_on[0]: "127.0.0.1"` is an error of the zone and no listing',
    ],
    [
      'zone: a.example, deny_on: ["127.255.255.254"]',
      '1:38: `dnsbl[0].deny_on[0]: "127.255.255.254"` is an error of the zone and no listing',
    ],
    [
      'zone: a.example, deny_on: ["10.0.0.2"]',
      '1:38: `dnsbl[0].deny_on[0]: "10.0.0.2"` is no answer of a zone: those are in 127.0.0.0/8',
    ],
    [
      'zone: a.example, deny_on: ["127.0.0.2-128.0.0.1"]',
      '1:38: `dnsbl[0].deny_on[0]: "127.0.0.2-128.0.0.1"` is no answer of a zone: those are in 127.0.0.0/8',
    ],
    ['zone: a.example, deny_on: ["::1"]', '1:38: `dnsbl[0].deny_on[0]: "::1"` is no answer; write it like "127.0.0.2"'],
    [
      'zone: a.example, resolver: "dns.example:53"',
      '1:38: `dnsbl[0].resolver: "dns.example:53"` is a name, and needs a resolver itself; write its address',
    ],
    [
      'zone: a.example, resolver: "127.0.0.1"',
      '1:38: `dnsbl[0].resolver: "127.0.0.1"` is no address and port; write it like 127.0.0.1:53',
    ],
    ['zone: a.example, timeout: 1m', '1:37: `dnsbl[0].timeout: 1m` is too large; write 5s or less'],
    ['zone: a.example }, { zone: A.example.', '1:38: `dnsbl[1].zone: A.example.` stands here for the second time'],
  ])('%s', async (zone, fault) => {
    expect((await faultsOf(files(`dnsbl: [{ ${zone} }]`)))[0]).toBe(`reputation.yaml:${fault}`)
  })
})

test('a zone of home lines is worth a word', async () => {
  const { warnings } = await good(files('dnsbl: [{ zone: zen.spamhaus.org, deny_on: ["127.0.0.2", "127.0.0.11"] }]'))
  expect(warnings).toEqual([expect.stringContaining('they list all home lines')])
  expect((await good(files('dnsbl: [{ zone: bl.example, deny_on: ["127.0.0.10"] }]'))).warnings).toEqual([])
})

test.each([
  ['127.0.0.2', false],
  ['127.255.254.255', false],
  ['127.0.0.1', true],
  ['127.255.255.0', true],
  ['127.255.255.255', true],
  ['128.0.0.0', true],
  ['126.255.255.255', true],
])('%s as an answer is an error: %s', (text, error) => {
  expect(isErrorAnswer(address(text))).toBe(error)
})
