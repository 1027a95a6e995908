import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { builtinDatabase } from '../../../src/compiler/builtin.ts'
import { compileDatabase } from '../../../src/compiler/mmdb.ts'
import { asnOf, countryOf } from '../../../src/gate/geo-table.ts'
import { encodeNode, metadata, mmdb, type Shape, type Value } from '../../support/mmdb.ts'
import { address } from '../gate/lists.ts'

const maxmind = (code: string): Value => ({ continent: { code: 'XX' }, country: { geoname_id: 7, iso_code: code } })

function tableOf(bytes: Buffer, kind: 'country' | 'asn' = 'country') {
  const compiled = compileDatabase(bytes, kind)
  if (!compiled.ok) throw new Error(compiled.fault)
  return compiled.value
}
const countries = (bytes: Buffer, ...ips: string[]) => {
  const { table } = tableOf(bytes)
  return ips.map((ip) => countryOf(table, address(ip)))
}
const faultOf = (bytes: Buffer, kind: 'country' | 'asn' = 'country') => {
  const compiled = compileDatabase(bytes, kind)
  return compiled.ok ? null : compiled.fault
}

const NESTED = [
  ['192.0.2.0/24', maxmind('DE')],
  ['192.0.2.128/25', maxmind('FR')],
  ['192.0.2.200', maxmind('JP')],
  ['2001:db8::/32', maxmind('DE')],
  ['2001:db8:1::/48', maxmind('FR')],
] as const

describe('a country is found', () => {
  test.each<[string, Shape]>([
    ['records of 24 bits', { recordSize: 24 }],
    ['records of 28 bits', { recordSize: 28 }],
    ['records of 32 bits', { recordSize: 32 }],
    ['aliases of IPv4', { aliases: ['::ffff:0:0:0/96', '2002::/16', '2001::/32'] }],
  ])('in a database with %s', (_, shape) => {
    const ips = ['192.0.2.1', '192.0.2.129', '192.0.2.200', '192.0.2.201', '192.0.3.0', '192.0.1.255']
    expect(countries(mmdb(NESTED, shape), ...ips)).toEqual(['DE', 'FR', 'JP', 'FR', null, null])
    expect(countries(mmdb(NESTED, shape), '2001:db8::1', '2001:db8:1::', '2001:db9::', '::')).toEqual([
      'DE',
      'FR',
      null,
      null,
    ])
  })

  test('in a database of IPv4 alone', () => {
    const bytes = mmdb(NESTED.slice(0, 3), { ipVersion: 4 })
    expect(countries(bytes, '192.0.2.129', '0.0.0.0', '255.255.255.255', '2001:db8::1')).toEqual([
      'FR',
      null,
      null,
      null,
    ])
  })

  test('under the other form of an address, mapped or 6to4', () => {
    expect(countries(mmdb(NESTED), '::ffff:192.0.2.129', '2002:c000:2c8::1', '2002:c000:301::1')).toEqual([
      'FR',
      'JP',
      null,
    ])
  })

  test('where one entry covers everything', () => {
    expect(countries(mmdb([['0.0.0.0/1', maxmind('DE')], ['128.0.0.0/1', maxmind('DE')]], { ipVersion: 4 }), '0.0.0.0', '255.255.255.255')).toEqual(['DE', 'DE']) // prettier-ignore
  })

  test.each<[string, Value, string | null]>([
    ['MaxMind and DB-IP', maxmind('KP'), 'KP'],
    ['ip-location-db', { country_code: 'KP' }, 'KP'],
    ['IPinfo', { country: 'KP', country_name: 'North Korea' }, 'KP'],
    ['a record without a country', { continent: { code: 'AS' } }, null],
    ['what is no code', { country_code: 'Korea' }, null],
    ['a country where somebody is only registered', { registered_country: { iso_code: 'KP' } }, null],
  ])('in the words of %s', (_, record, code) => {
    expect(countries(mmdb([['192.0.2.0/24', record], ['198.51.100.0/24', maxmind('DE')]]), '192.0.2.1')).toEqual([code]) // prettier-ignore
  })
})

test.each<[string, Value, number | null]>([
  ['MaxMind', { autonomous_system_number: 64500, autonomous_system_organization: 'X' }, 64500],
  ['IPinfo', { asn: 'AS64501', name: 'X' }, 64501],
  ['a number of 32 bits', { autonomous_system_number: 4294967295 }, 4294967295],
  ['what is none', { asn: 'ASX' }, null],
])('an AS number is found in the words of %s', (_, record, asn) => {
  const bytes = mmdb([['192.0.2.0/24', record], ['198.51.100.0/24', { autonomous_system_number: 1 }]]) // prettier-ignore
  expect(asnOf(tableOf(bytes, 'asn').table, address('192.0.2.1'))).toBe(asn)
})

test('the builtin database knows countries of both families, and no private address', () => {
  const bytes = readFileSync(builtinDatabase())
  expect(countries(bytes, '175.45.176.1', '193.0.6.139', '2001:67c:2e8::1', '10.0.0.1', '127.0.0.1', '::1')).toEqual([
    'KP',
    'NL',
    'NL',
    null,
    null,
    null,
  ])
})

test('neighbours with one country are one range, and it says when it was built', () => {
  const bytes = mmdb(
    [
      ['192.0.2.0/25', maxmind('DE')],
      ['192.0.2.128/25', { country: { iso_code: 'DE' } }],
    ],
    { built: 1_700_000_000, type: 'Mine' },
  )
  expect(tableOf(bytes)).toMatchObject({ builtAt: 1_700_000_000_000, type: 'Mine', ranges: 4 })
})

describe('what is no good is refused', () => {
  const whole = mmdb(NESTED)

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a web page', Buffer.from('<html><body>Sign in</body></html>')],
    ['noise', Buffer.alloc(100_000, 0xab)],
    ['a database without its end', whole.subarray(0, -60)],
    ['the end of a database alone', whole.subarray(-90)],
    ['a database without its middle', Buffer.concat([whole.subarray(0, 300), whole.subarray(-140)])],
    ['an end with nothing in it', whole.subarray(0, whole.length - 100)],
  ])('%s', (_, bytes) => {
    expect(faultOf(bytes)).toMatch(/cut short|no MaxMind database|damaged/)
  })

  test('a database cut short anywhere', () => {
    for (let length = 0; length < whole.length; length++) expect(faultOf(whole.subarray(0, length))).not.toBeNull()
  })

  test('a database with a hole of whole nodes: what is left would read as one with other countries in it', () => {
    for (let at = 0; at + 12 < 300; at += 6) {
      expect(faultOf(Buffer.concat([whole.subarray(0, at), whole.subarray(at + 12)]))).toMatch(/cut short/)
    }
  })

  test('a record that leads out of the file', () => {
    const tree = encodeNode(1 + 16 + 5_000, 1, 24)
    const bytes = Buffer.concat([tree, Buffer.alloc(16), Buffer.alloc(10), metadata(1, { ipVersion: 4 })])
    expect(faultOf(bytes)).toMatch(/damaged/)
  })

  test('a tree that leads into itself', () => {
    const bytes = Buffer.concat([encodeNode(0, 0, 24), Buffer.alloc(26), metadata(1, { ipVersion: 4 })])
    expect(faultOf(bytes)).toBe('has a tree without an end; get it anew')
  })

  test('a bomb: few nodes that make up an endless number of networks', () => {
    const nodes = Array.from({ length: 128 }, (_, i) => encodeNode(i + 1, i + 1, 24))
    const bytes = Buffer.concat([...nodes, Buffer.alloc(26), metadata(128, { ipVersion: 6 })])
    expect(faultOf(bytes)).toBe('has a tree without an end; get it anew')
  })

  test('a bomb of networks that all differ', () => {
    const end = 32
    const nodes = Array.from({ length: end }, (_, i) => (i === 31 ? encodeNode(end, end + 16, 24) : encodeNode(i + 1, i + 1, 24))) // prettier-ignore
    const data = Buffer.from([0xe1, 0x4c, ...Buffer.from('country_code'), 0x42, 0x44, 0x45])
    const bytes = Buffer.concat([...nodes, Buffer.alloc(16), data, metadata(end, { ipVersion: 4 })])
    expect(faultOf(bytes)).toMatch(/^has more than \d+ networks$/)
  })

  test('a database of another kind', () => {
    expect(faultOf(whole, 'asn')).toBe('holds no AS numbers; is it the right database?')
    expect(faultOf(mmdb([['192.0.2.0/24', { asn: 'AS1' }]]))).toBe('holds no country codes; is it the right database?')
  })
})
