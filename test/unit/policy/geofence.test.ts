import { describe, expect, test } from 'vitest'
import { reveal } from '../../../src/base/secret.ts'
import { builtinDatabase } from '../../../src/compiler/builtin.ts'
import { DAY, faultsOf, good, LOGIN, NOW, POSTERN } from './folder.ts'

const CHECKED = `${POSTERN}checks: [networks, geofence]\n`
const files = (geofence: string | null, more: Record<string, string | Buffer> = {}) => ({
  'postern.yaml': CHECKED,
  'geofence.yaml': geofence,
  ...more,
})
const faults = (geofence: string | null, environment: Record<string, string> = {}) =>
  faultsOf(files(geofence), environment)
const loaded = async (...args: Parameters<typeof files>) => (await good(files(...args))).policies.geofence

test('a check that is named needs its file; one that is not named is off', async () => {
  expect(await faults(null)).toEqual(['geofence.yaml:1:1: the file is not there; `checks` of postern.yaml names it'])
  const { policies } = await good({ 'geofence.yaml': 'countries: { deny: [XX] }' })
  expect(policies.geofence).toBeNull()
})

test('defaults: the builtin database, nobody denied, and that is worth a word', async () => {
  const { policies, warnings } = await good(files('{}'))
  expect(policies.geofence).toMatchObject({
    check: { mode: 'enforce', file: 'geofence.yaml', allow: null, unknown: { say: 'allow' }, travellers: [] },
    databases: [{ feed: 'country_database', source: { from: 'file', path: builtinDatabase() }, maxAge: 45 * DAY }],
  })
  expect(warnings).toEqual(['geofence.yaml:1:1: the file denies nobody'])
})

test('each rule knows its line', async () => {
  const geofence = await loaded(
    `mode: monitor
countries:
  deny:
    - KP
    - RU
  allow: [DE, FR]
asn_database: as.mmdb
asns:
  deny:
    - 64500
    - AS64501
unknown: deny
`,
    { 'as.mmdb': 'x' },
  )
  expect(geofence?.check).toEqual({
    mode: 'monitor',
    file: 'geofence.yaml',
    deny: new Map([
      ['KP', 4],
      ['RU', 5],
    ]),
    allow: { countries: new Set(['DE', 'FR']), line: 6 },
    asns: new Map([
      [64500, 10],
      [64501, 11],
    ]),
    unknown: { say: 'deny', line: 12 },
    travellers: [],
  })
})

test('exceptions of login.yaml become travellers until the end of their last day', async () => {
  const exceptions = 'exceptions: [{ users: [ann], countries: [JP, KR], until: 2027-03-14, reason: trip }]\n'
  const geofence = await loaded('countries: { allow: [DE] }', { 'login.yaml': LOGIN + exceptions })
  const until = Date.parse('2027-03-15T00:00:00Z')
  expect(geofence?.check.travellers).toEqual([
    { country: 'JP', until },
    { country: 'KR', until },
  ])
})

describe('a database', () => {
  test('is a path from the folder of the policies, or an address with its refresh', async () => {
    const geofence = await loaded(
      'country_database: { url: "https://id:key@maps.example/c.tar.gz", refresh: 3d }\nasn_database: as.mmdb\nmax_age: 30d\n',
      { 'as.mmdb': 'x' },
    )
    const [country, asn] = geofence?.databases ?? []
    expect(country).toMatchObject({
      feed: 'country_database',
      source: { from: 'url', refresh: 3 * DAY },
      maxAge: 30 * DAY,
    })
    expect(country?.source.from === 'url' && reveal(country.source.url).toString()).toBe(
      'https://id:key@maps.example/c.tar.gz',
    )
    expect(JSON.stringify(country)).not.toContain('key@')
    expect(asn?.source).toMatchObject({ from: 'file', path: expect.stringMatching(/\/as\.mmdb$/) as string })
  })

  test('that is not there is a fault, and it is watched', async () => {
    expect(await faults('country_database: gone.mmdb')).toEqual([
      'geofence.yaml:1:19: `country_database`: gone.mmdb is not there; mend it, or take it out',
    ])
    const { files: read } = await good(files('country_database: c.mmdb', { 'c.mmdb': 'x' }))
    expect(read.find(({ path }) => path.endsWith('/c.mmdb'))).toMatchObject({ kind: 'database', sha256: null })
  })

  test.each([
    [
      'country_database: { url: "http://maps.example/" }',
      '1:26: `country_database.url: [secret]` must start with https://',
    ],
    [
      'country_database: { url: maps }',
      '1:26: `country_database.url: [secret]` is no address; write it like "https://example.com/country.mmdb"',
    ],
    [
      'country_database: { refresh: 1d }',
      '1:19: `country_database.url` is missing; write an address such as "https://example.com/country.mmdb"',
    ],
    [
      'country_database: { url: "https://a/", refresh: 1m }',
      '1:49: `country_database.refresh: 1m` is too small; write 1h or more',
    ],
    ['country_database: { url: "https://a/", every: 1d }', '1:40: unknown key `every`; known here: url, refresh'],
    ['country_database: [a]', '1:19: `country_database` is not text; put it in quotes'],
    ['asns: { deny: [64500] }', '1:15: `asns.deny` needs `asn_database`: the builtin database knows countries alone'],
  ])('%s', async (text, fault) => {
    expect(await faults(text)).toEqual([`geofence.yaml:${fault}`])
  })

  test('is named in a fault by what is written there, not by the key in it', async () => {
    const told = (await good(files('country_database: { url: "https://maps.example/?k=${KEY}" }'), { KEY: 'hunter2' }))
      .policies.tell
    expect(told('geofence.yaml', ['country_database'], 'could not be fetched')).toMatch(
      /^\S+geofence\.yaml:1:19: `country_database` could not be fetched$/,
    )
  })
})

test.each([
  ['countries: { deny: [UK] }', '1:21: `countries.deny[0]: UK` is no country code of ISO 3166-1; did you mean GB?'],
  ['countries: { deny: [de] }', '1:21: `countries.deny[0]: de` is no country code of ISO 3166-1; did you mean DE?'],
  [
    'countries: { deny: [Germany] }',
    '1:21: `countries.deny[0]: Germany` is no country code of ISO 3166-1; write it like DE',
  ],
  ['countries: { allow: [] }', '1:21: `countries.allow` is empty; name a country or leave allow out'],
  ['countries: { allow: [NO], deny: [NO], nope: [] }', '1:39: unknown key `nope`; known here: allow, deny'],
  ['unknown: maybe', '1:10: `unknown: maybe` is not known here; write allow or deny'],
  [
    'asn_database: null\nasns: { deny: [x] }',
    '2:16: `asns.deny[0]: x` is no AS number; write it like 64500 or AS64500',
  ],
  ['max_age: 1h', '1:10: `max_age: 1h` is too small; write 1d or more'],
])('%s', async (text, fault) => {
  expect(await faults(text)).toEqual([`geofence.yaml:${fault}`])
})

test('NO is Norway and not false', async () => {
  const geofence = await loaded('countries: { allow: [NO] }')
  expect(geofence?.check.allow?.countries).toEqual(new Set(['NO']))
  expect(NOW).toBeGreaterThan(0)
})
