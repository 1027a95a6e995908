import { describe, expect, test } from 'vitest'
import { compileDatabase } from '../../../src/compiler/mmdb.ts'
import { earlyVerdict } from '../../../src/gate/gate.ts'
import type { CompiledGate, CompiledGeofence, GateData } from '../../../src/gate/verdict.ts'
import { mmdb, type Value } from '../../support/mmdb.ts'
import { address, gate, NOW, OPEN } from './lists.ts'

const HOUR = 3_600_000

function table(kind: 'country' | 'asn', ...entries: [string, Value][]) {
  const compiled = compileDatabase(mmdb(entries), kind)
  if (!compiled.ok) throw new Error(compiled.fault)
  return compiled.value.table
}

const DATA: GateData = {
  passes: [],
  travellers: [],
  country: table(
    'country',
    ['192.0.2.0/24', { country_code: 'KP' }],
    ['198.51.100.0/24', { country: { iso_code: 'DE' } }],
    ['2001:db8::/32', { country_code: 'KP' }],
  ),
  asn: table('asn', ['198.51.100.128/25', { autonomous_system_number: 64500 }]),
}
const [NORTH_KOREA, GERMANY, GERMANY_64500, NOWHERE] = ['192.0.2.1', '198.51.100.1', '198.51.100.200', '203.0.113.1']

function fence(change: Partial<CompiledGeofence>, data = DATA): CompiledGate {
  const geofence: CompiledGeofence = {
    mode: 'enforce',
    file: 'geofence.yaml',
    deny: new Map(),
    asns: new Map(),
    allow: null,
    unknown: { say: 'allow', line: 9 },
    travellers: [],
    ...change,
  }
  return { ...OPEN, geofence, data }
}

const says = (of: CompiledGate, ip: string, now = NOW) => {
  const { verdict } = earlyVerdict(of, address(ip), now)
  return verdict.say === 'deny' ? `${verdict.by.rule} ${verdict.by.file}:${verdict.by.line}` : verdict.say
}
const by = (line: number, rule: string) => `${rule} geofence.yaml:${line}`

describe('countries', () => {
  test('a denied country is denied by its own line, in every form of its addresses', () => {
    const closed = fence({ deny: new Map([['KP', 3]]) })
    for (const ip of [NORTH_KOREA, '2001:db8::1', '::ffff:192.0.2.1', '2002:c000:201::']) {
      expect([ip, says(closed, ip)]).toEqual([ip, by(3, 'geofence.country')])
    }
    expect(says(closed, GERMANY)).toBe('pass')
  })

  test('with an allow list all others are denied by the line of the list, and deny goes before it', () => {
    const allow = { countries: new Set(['DE', 'KP']), line: 4 }
    expect(says(fence({ allow }), GERMANY)).toBe('pass')
    expect(says(fence({ allow: { countries: new Set(['FR']), line: 4 } }), GERMANY)).toBe(by(4, 'geofence.country'))
    expect(says(fence({ allow, deny: new Map([['KP', 3]]) }), NORTH_KOREA)).toBe(by(3, 'geofence.country'))
  })

  test('where no database knows the country, `unknown` decides: also for private addresses, and without a database', () => {
    const deny = { say: 'deny', line: 9 } as const
    for (const ip of [NOWHERE, '10.0.0.1', '::1']) {
      expect(says(fence({ allow: { countries: new Set(['DE']), line: 4 } }), ip)).toBe('pass')
      expect(says(fence({ unknown: deny }), ip)).toBe(by(9, 'geofence.country'))
    }
    const empty = { ...DATA, country: null }
    expect(says(fence({ unknown: deny }, empty), GERMANY)).toBe(by(9, 'geofence.country'))
  })
})

describe('systems', () => {
  test('a denied one is denied by its own line', () => {
    const closed = fence({ asns: new Map([[64500, 6]]) })
    expect([GERMANY_64500, GERMANY, NOWHERE].map((ip) => says(closed, ip))).toEqual([
      by(6, 'geofence.asn'),
      'pass',
      'pass',
    ])
  })
})

describe('exceptions', () => {
  const travelling = (until: number) =>
    fence({ deny: new Map([['DE', 3]]), asns: new Map([[64500, 6]]), travellers: [{ country: 'DE', until }] })

  test("let a traveller's country pass, to be judged at login, until they end", () => {
    expect(says(travelling(NOW + HOUR), GERMANY)).toBe('pass')
    expect(says(travelling(NOW + HOUR), GERMANY, NOW + HOUR)).toBe(by(3, 'geofence.country'))
  })

  test('do not let a denied system pass, nor another country', () => {
    expect(says(travelling(NOW + HOUR), GERMANY_64500)).toBe(by(6, 'geofence.asn'))
    const other = fence({ deny: new Map([['KP', 3]]), travellers: [{ country: 'DE', until: NOW + HOUR }] })
    expect(says(other, NORTH_KOREA)).toBe(by(3, 'geofence.country'))
  })
})

test('monitor suspends every denial and tells of each', () => {
  const watched = fence({ mode: 'monitor', deny: new Map([['DE', 3]]), asns: new Map([[64500, 6]]) })
  const { verdict, would } = earlyVerdict(watched, address(GERMANY_64500), NOW)
  expect(verdict).toEqual({ say: 'pass' })
  expect(would.map(({ rule, line }) => `${rule}:${line}`)).toEqual(['geofence.country:3', 'geofence.asn:6'])
})

test('an allow entry of networks.yaml spares the geofence, a deny entry goes before it', () => {
  const rules = fence({ deny: new Map([['KP', 3]]) })
  const { networks } = gate('enforce', ['192.0.2.1'], ['198.51.100.1'])
  expect(says({ ...rules, networks }, NORTH_KOREA)).toBe('admit')
  expect(says({ ...rules, networks }, '192.0.2.2')).toBe(by(3, 'geofence.country'))
  expect(says({ ...rules, networks }, GERMANY)).toBe('networks.deny lists/a.txt:1')
})
