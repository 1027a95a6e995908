import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../../src/base/ip.ts'
import { explainLogin } from '../../../src/cli/explain-login.ts'
import { explainAddress, type Explanation } from '../../../src/cli/explanation.ts'
import type { Ask } from '../../../src/keeper/dns-client.ts'
import type { PassRow, TravelRow, User } from '../../../src/state/store.ts'
import type { Peeked, PeekedLocks } from '../../../src/state/peek.ts'
import { mmdb } from '../../support/mmdb.ts'
import { address } from '../gate/lists.ts'
import { good, LOGIN, NOW, POSTERN } from '../policy/folder.ts'

const HOUR = 3_600_000
const database = mmdb([
  ['192.0.2.0/24', { country_code: 'KP' }],
  ['198.51.100.0/24', { country_code: 'JP' }],
  ['203.0.113.0/24', { country_code: 'DE' }],
])
const systems = mmdb([['203.0.113.0/24', { autonomous_system_number: 64500 }]])
const FILES = {
  'postern.yaml': `${POSTERN}checks: [networks, reputation, geofence]\n`,
  'networks.yaml': 'allow: [lists/office.txt]\ndeny: [lists/denied.txt]\n',
  'lists/office.txt': '# us\n198.51.100.7  # Tokyo\n',
  'lists/denied.txt': '\n203.0.113.128/25 # a bad lot\n',
  'geofence.yaml': 'country_database: c.mmdb\nasn_database: a.mmdb\ncountries: { allow: [DE] }\n',
  'reputation.yaml': 'dnsbl:\n  - zone: strict.example\n  - { zone: watched.example, mode: monitor, on_error: deny }\n',
  'c.mmdb': database,
  'a.mmdb': systems,
}

const silent: Ask = () => Promise.resolve({ say: 'none' })
const listing: Ask = (_, name) =>
  Promise.resolve(
    name.endsWith('strict.example')
      ? { say: 'addresses', addresses: [address('127.0.0.2')] }
      : { say: 'failed', reason: 'the resolver did not answer in time' },
  )

async function explain(
  ip: string,
  {
    ask = silent,
    passes = [],
    files = {},
    at = NOW,
  }: { ask?: Ask; passes?: PassRow[]; files?: Record<string, string>; at?: number } = {},
) {
  const { policies } = await good({ ...FILES, ...files })
  const found = parseAddress(ip)
  if (found === null) throw new Error(ip)
  return { policies, gate: await explainAddress(policies, { address: found, at, passes, ask }) }
}
const words = ({ steps, gate }: Explanation) => [
  ...steps.map(({ check, verdict, by, detail }) => [check, verdict, by && `${by.file}:${by.line}`, detail].filter(Boolean).join(' ')), // prettier-ignore
  `${gate.verdict} ${gate.by?.rule ?? ''}`.trim(),
]

describe('explain', () => {
  test('says every check in order, with the entry that matched, the country and the system', async () => {
    const { gate } = await explain('203.0.113.200')
    expect([gate.country, gate.asn, gate.private]).toEqual(['DE', 64500, false])
    expect(words(gate)).toEqual([
      'break-glass pass',
      'networks deny lists/denied.txt:2 203.0.113.128/25 # a bad lot',
      'reputation pass',
      'geofence pass',
      'dnsbl.strict.example pass not listed',
      'dnsbl.watched.example pass not listed',
      'rates off',
      'denied networks.deny',
    ])
  })

  test('a country that is shut out, by the line of its rule', async () => {
    expect(words((await explain('192.0.2.1')).gate)).toEqual([
      'break-glass pass',
      'networks pass',
      'reputation pass',
      'geofence deny geofence.yaml:3 countries: { allow: [DE] }',
      'dnsbl.strict.example pass not listed',
      'dnsbl.watched.example pass not listed',
      'rates off',
      'denied geofence.country',
    ])
  })

  test('an allow entry spares the rest', async () => {
    const { gate } = await explain('198.51.100.7', { ask: listing })
    expect(words(gate)).toEqual([
      'break-glass pass',
      'networks admit lists/office.txt:2 198.51.100.7  # Tokyo',
      'reputation pass',
      'geofence spared geofence.yaml:3 countries: { allow: [DE] }',
      'dnsbl.strict.example spared reputation.yaml:2',
      'dnsbl.watched.example spared reputation.yaml:3',
      'rates off',
      'passes networks.allow',
    ])
  })

  test('break-glass goes before all, as long as it lasts', async () => {
    const passes = [
      { network: '203.0.113.0/24', until: NOW + HOUR, reason: 'ann is locked out' },
      { network: '10.0.0.0/8', until: NOW + HOUR, reason: 'other' },
    ]
    const { gate } = await explain('203.0.113.200', { passes })
    expect(words(gate).slice(0, 2)).toEqual([
      'break-glass admit postern allow:0 203.0.113.0/24 until 2026-11-21T13:00:00.000Z: ann is locked out',
      'networks spared lists/denied.txt:2 203.0.113.128/25 # a bad lot',
    ])
    expect(gate.gate.verdict).toBe('passes')
    expect((await explain('203.0.113.200', { passes, at: NOW + HOUR })).gate.gate.verdict).toBe('denied')
  })

  test('zones, each by its mode; a monitor says what it would do', async () => {
    const { gate } = await explain('203.0.113.1', { ask: listing })
    expect(words(gate).slice(4)).toEqual([
      'dnsbl.strict.example deny reputation.yaml:2 answers 127.0.0.2',
      'dnsbl.watched.example would deny reputation.yaml:3 the resolver did not answer in time',
      'rates off',
      'denied dnsbl.strict.example',
    ])
    const strict = { 'reputation.yaml': 'dnsbl: [{ zone: other.example, on_error: deny }]' }
    const unsure = await explain('203.0.113.1', { ask: listing, files: strict })
    expect(unsure.gate.gate).toMatchObject({ verdict: 'unsure', by: { rule: 'dnsbl.other.example' } })
  })

  test('a private address is in no database, and no zone hears of it', async () => {
    const { gate } = await explain('10.0.0.1', { ask: listing })
    expect([gate.private, gate.country, gate.gate.verdict]).toEqual([true, null, 'passes'])
    expect(words(gate)).toContain('dnsbl.strict.example pass private addresses are not asked for')
  })

  test('checks that are off are off; a database that is no good is told', async () => {
    const { gate } = await explain('192.0.2.1', { files: { 'postern.yaml': `${POSTERN}checks: [networks]\n` } })
    expect(words(gate)).toEqual([
      'break-glass pass',
      'networks pass',
      'reputation off',
      'geofence off',
      'rates off',
      'passes',
    ])
    const broken = await explain('192.0.2.1', { files: { 'c.mmdb': 'no database' } })
    expect(broken.gate.remarks).toEqual([expect.stringMatching(/geofence\.yaml:1:19: .*is no MaxMind database/)])
  })
})

const EXCEPTION = 'exceptions: [{ users: [ann@example.com], countries: [JP], until: 2026-12-01, reason: trip }]\n'
const ANN: User = { name: 'ann@example.com', state: 'enrolled', enrolment: 'e', sealedSeed: null, enrolledAt: 1, firstUsed: 1, provenBefore: false, lastStep: 1 } // prettier-ignore
const trusted = [{ network: '203.0.113.0/24', fingerprint: 'fp', since: 0, lastUsed: 0, expires: NOW + HOUR }]

async function login(
  ip: string,
  typed: string,
  change: {
    user?: User | null
    login?: string
    fingerprint?: string
    roster?: string
    travels?: TravelRow[]
    postern?: string
    appPasswords?: Peeked['appPasswords']
    locks?: PeekedLocks
  } = {},
) {
  const {
    user = ANN,
    login: text = LOGIN,
    fingerprint = null,
    roster,
    travels = [],
    postern,
    appPasswords = [],
    locks = null,
  } = change
  const files = {
    'login.yaml': text,
    ...(postern === undefined ? {} : { 'postern.yaml': postern }),
    ...(roster === undefined ? {} : { 'lists/users.txt': roster }),
  }
  const { policies, gate } = await explain(ip, { files })
  const store = { passes: [], travels, user, trusted, appPasswords }
  return explainLogin(policies, { user: typed, address: address(ip), at: NOW, fingerprint, gate, store, locks })
}

describe('explain --user', () => {
  test('says what the login needs, and what is known of the device', async () => {
    expect(await login('203.0.113.1', 'ANN@example.com')).toEqual({
      user: 'ann@example.com',
      allowed: true,
      facts: ['user ann@example.com', 'backend old', 'state enrolled', '1 trusted in 203.0.113.0/24'],
      needs: 'the password and the code of the moment, or the string that a trusted device used before',
    })
    expect((await login('203.0.113.1', 'ann@example.com', { fingerprint: 'fp' })).facts).toContain('this device is trusted until 2026-11-21T13:00:00.000Z') // prettier-ignore
    expect((await login('203.0.113.1', 'ann@example.com', { fingerprint: 'other' })).facts).toContain('no device with this fingerprint is trusted in 203.0.113.0/24') // prettier-ignore
  })

  test('names the rule that holds, on which listener, and what of it shuts out', async () => {
    const rules = `${LOGIN}rules:
  - { users: [ann@example.com], listeners: [inside], methods: [totp] }
  - { users: ["*"], countries: { allow: [FR] } }
`
    const listeners = 'listeners: [{ name: outside, address: "127.0.0.1:0" }, { name: inside, address: "127.0.0.2:0" }]'
    const at = { login: rules, postern: `${FILES['postern.yaml']}${listeners}\n` }
    const ann = await login('203.0.113.1', 'ann@example.com', at)
    expect(ann).toMatchObject({
      allowed: true,
      facts: expect.arrayContaining([
        'on outside: rule login.yaml:4: refused by rules.countries.allow login.yaml:4',
        'on inside: rule login.yaml:3: methods totp',
      ]) as string[],
      needs: expect.stringMatching(/^on outside: nothing helps: a rule .*; on inside: the password and the/) as string,
    })
    const bob = await login('203.0.113.1', 'bob@example.com', at)
    expect(bob).toMatchObject({ allowed: false, needs: expect.stringMatching(/^nothing helps: a rule/) as string })
  })

  test('names a journey, which opens country and rule', async () => {
    const travels = [{ user: 'ann@example.com', countries: ['JP', 'DE'], until: NOW + HOUR, reason: '' }]
    const rules = `${LOGIN}rules: [{ users: ["*"], countries: { allow: [FR] } }]\n`
    expect(await login('203.0.113.1', 'ann@example.com', { login: rules, travels })).toMatchObject({
      allowed: true,
      facts: expect.arrayContaining([
        'travels to JP, DE until 2026-11-21T13:00:00.000Z',
        'rule login.yaml:2',
      ]) as string[],
    })
  })

  test('the gate goes before all', async () => {
    expect(await login('192.0.2.1', 'ann@example.com')).toMatchObject({ allowed: false, needs: 'nothing helps: the gate denies the address' }) // prettier-ignore
  })

  test("a traveller's country passes for the users of the exception alone", async () => {
    const at = { login: LOGIN + EXCEPTION }
    expect((await explain('198.51.100.9', { files: { 'login.yaml': at.login } })).gate.gate).toMatchObject({ verdict: 'login', by: { line: 3 } }) // prettier-ignore
    expect(await login('198.51.100.9', 'ann@example.com', at)).toMatchObject({
      allowed: true,
      facts: expect.arrayContaining(['exception for JP until 2026-12-02T00:00:00.000Z']) as string[],
    })
    expect(await login('198.51.100.9', 'bob@example.com', at)).toMatchObject({
      allowed: false,
      needs: 'nothing helps: no exception names this user for this country',
    })
  })

  test('app passwords: whether each works from there', async () => {
    const row = { networks: 'any', learnt: null, expires: null, isSealed: true }
    const appPasswords = [
      { ...row, name: 'phone' },
      { ...row, name: 'scanner', networks: '10.0.0.0/8' },
      { ...row, name: 'new', isSealed: false },
      { ...row, name: 'old', expires: NOW },
    ]
    const of = (change: Parameters<typeof login>[2]) => login('203.0.113.1', 'ann@example.com', { appPasswords, ...change }) // prettier-ignore
    expect((await of({})).facts.slice(-4)).toEqual([
      "app password 'phone': works from there",
      "app password 'scanner': does not work from this network",
      "app password 'new': works after the next login with a code",
      "app password 'old': has expired",
    ])
    expect((await of({})).needs).toMatch(/; or an app password$/)
    expect(await of({ user: null })).toMatchObject({ allowed: true, needs: 'an app password' })
    expect(await of({ user: { ...ANN, state: 'frozen' } })).toMatchObject({ allowed: false })
    const only = { login: `${LOGIN.replace('all }', 'all, methods: [app_password] }')}` }
    expect(await of(only)).toMatchObject({ allowed: true, needs: 'an app password' })
    expect(await of({ ...only, appPasswords: [] })).toMatchObject({ allowed: false })
  })

  test('tells what guessing has locked, for whom, and how to end it', async () => {
    const until = NOW + HOUR
    const network = { kind: 'network', user: '', place: '203.0.113.0/24', since: 0, until } as const
    const own = { kind: 'user', user: 'ann@example.com', place: '203.0.113.0/24', since: 0, until } as const
    const of = (locks: PeekedLocks) => login('203.0.113.1', 'ann@example.com', { locks })
    const stranger = await of({ locks: [network], known: false })
    expect(stranger.facts.slice(-2)).toEqual([
      'this user is new in this network',
      'locked: everybody from 203.0.113.0/24 until 2026-11-21T13:00:00.000Z',
    ])
    expect([stranger.allowed, stranger.needs]).toEqual([false, 'nothing but a trusted device helps until 2026-11-21T13:00:00.000Z, or: postern lock clear 203.0.113.0/24']) // prettier-ignore
    const known = await of({ locks: [network], known: true })
    expect(known.facts.at(-1)).toMatch(/^locked: everybody .*, but not for this user$/)
    expect(known.allowed).toBe(true)
    const locked = await of({ locks: [network, own], known: true })
    expect([locked.allowed, locked.needs]).toEqual([false, expect.stringMatching(/lock clear ann@example\.com$/)])
    expect((await of({ locks: [], known: false })).allowed).toBe(true)
    const appPasswords = [{ name: 'phone', networks: 'any', learnt: null, expires: null, isSealed: true }]
    const scanner = await login('203.0.113.1', 'ann@example.com', {
      locks: { locks: [own], known: true },
      appPasswords,
    })
    expect([scanner.allowed, scanner.needs]).toEqual([true, expect.stringMatching(/^nothing but an app password or a trusted device helps/)]) // prettier-ignore
  })

  test('states: frozen, not enrolled, off the roster, the bare password where that is enough', async () => {
    const of = async (...args: Parameters<typeof login>) => (await login(...args)).needs
    expect(await of('203.0.113.1', 'ann@example.com', { user: { ...ANN, state: 'frozen' } })).toBe(
      'nothing helps: the user is frozen',
    )
    expect(await of('203.0.113.1', 'ann@example.com', { user: null })).toBe('nothing helps: the user is not enrolled')
    const rolling = 'users: { roster: lists/users.txt }\nsecond_factor: { required_for: enrolled }\n'
    const roster = 'ann@example.com\n'
    expect(await of('203.0.113.1', 'bob@example.com', { login: rolling, roster })).toBe(
      'nothing helps: the roster does not name this user',
    )
    expect(await of('203.0.113.1', 'ann@example.com', { login: rolling, roster, user: null })).toBe(
      'the password alone',
    )
    const near = 'second_factor: { not_required_from: [203.0.113.0/24] }\n'
    expect(await of('203.0.113.1', 'ann@example.com', { login: near })).toBe(
      'the password alone, or the password and a code',
    )
  })
})
