import { describe, expect, test } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { findTrust, identifyDevice, trustFor, type TrustRules } from '../../../src/factors/trusted-device.ts'
import { createKeyring } from '../../../src/state/secrets.ts'

const keys = createKeyring(new Secret(Buffer.alloc(32, 1)))
const RULES: TrustRules = {
  for: 1000,
  idle: null,
  same_network: { ipv4: 24, ipv6: 48 },
  same_client: true,
  accept: 'repeated',
}
const at = { user: 'ann', ip: '192.0.2.10', client: 'fp', session: 's1' }
const idOf = (change: Partial<typeof at>, rules: TrustRules = RULES) =>
  identifyDevice(keys, rules, { ...at, ...change }).id

describe('a device', () => {
  const home = idOf({})

  test.each([
    ['the same address', {}, true],
    ['another connection', { session: 's2' }, true],
    ['another address of the network', { ip: '192.0.2.200' }, true],
    ['the address as IPv4-mapped IPv6', { ip: '::ffff:192.0.2.10' }, true],
    ['another network', { ip: '192.0.3.10' }, false],
    ['another program', { client: 'other' }, false],
    ['another user', { user: 'bob' }, false],
  ])('%s', (_, change, same) => {
    expect(idOf(change) === home).toBe(same)
  })

  test('in IPv6 is a /48', () => {
    expect(idOf({ ip: '2001:db8:1:2::5' })).toBe(idOf({ ip: '2001:db8:1:ffff::9' }))
    expect(idOf({ ip: '2001:db8:1:2::5' })).not.toBe(idOf({ ip: '2001:db8:2:2::5' }))
  })

  test('goes by its network alone where policy says so', () => {
    const rules = { ...RULES, same_client: false }
    expect(idOf({ client: 'one' }, rules)).toBe(idOf({ client: 'two' }, rules))
    expect(identifyDevice(keys, rules, { ...at, client: '' })).toMatchObject({ trustable: true, fingerprint: '' })
  })

  test('without a fingerprint is no device that could be met again', () => {
    const one = identifyDevice(keys, RULES, { ...at, client: '' })
    const other = identifyDevice(keys, RULES, { ...at, client: '', session: 's2' })
    expect(one.trustable).toBe(false)
    expect(one.id).not.toBe(other.id)
    expect(trustFor(one, { mac: Buffer.alloc(32), bareMac: Buffer.alloc(32) }, RULES, 0)).toBeNull()
  })

  test('has an id that says nothing of address, user or program', () => {
    expect(home).toMatch(/^[0-9a-f]{24}$/)
  })

  test('a connection without an address is no device', () => {
    expect(() => idOf({ ip: 'nowhere' })).toThrow()
  })
})

describe('trust', () => {
  const device = identifyDevice(keys, RULES, at)
  const [mac, bareMac, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2), Buffer.alloc(32, 3)]
  const bareRules: TrustRules = { ...RULES, accept: 'repeated_or_bare' }
  const dossier = (rules: TrustRules, lastUsed = 0, of = device) => {
    const row = trustFor(of, { mac, bareMac }, rules, 0)
    return { user: null, recovery: [], trusted: row === null ? [] : [{ ...row, lastUsed }] }
  }
  const find = (typed: { mac: Buffer; bareMac: Buffer }, rules: TrustRules, now: number, lastUsed = 0) =>
    findTrust(dossier(rules, lastUsed), device, typed, rules, now).at

  test.each<[string, Partial<TrustRules>, number, number, string]>([
    ['at once', {}, 0, 0, 'repeat'],
    ['at the last moment', {}, 999, 0, 'repeat'],
    ['when time is up', {}, 1000, 999, 'expired'],
    ['used all the while, when time is up', {}, 1000, 1000, 'expired'],
    ['idle', { idle: 100 }, 300, 250, 'repeat'],
    ['idle too long', { idle: 100 }, 350, 250, 'expired'],
  ])('of a string, %s', (_, change, now, lastUsed, expected) => {
    expect(find({ mac, bareMac: other }, { ...RULES, ...change }, now, lastUsed)).toBe(expected)
  })

  test('ends sooner when policy shortens it, and no later when policy prolongs it', () => {
    const given = dossier(RULES)
    const typed = { mac, bareMac: other }
    expect(findTrust(given, device, typed, { ...RULES, for: 10 }, 20).at).toBe('expired')
    expect(findTrust(given, device, typed, { ...RULES, for: 5000 }, 2000).at).toBe('expired')
  })

  test('that policy has turned off makes the string a used one', () => {
    expect(findTrust(dossier(RULES), device, { mac, bareMac: other }, { ...RULES, for: null }, 1).at).toBe('elsewhere')
    expect(dossier({ ...RULES, for: null }).trusted).toEqual([])
  })

  test('is of no use to another device', () => {
    const away = identifyDevice(keys, RULES, { ...at, ip: '198.51.100.1' })
    expect(findTrust(dossier(bareRules), away, { mac, bareMac }, bareRules, 1).at).toBe('elsewhere')
    expect(findTrust(dossier(bareRules), away, { mac: other, bareMac }, bareRules, 1).at).toBe('unknown')
  })

  test('of the bare password only where policy says so, then and now', () => {
    expect(find({ mac: other, bareMac }, bareRules, 1)).toBe('repeat')
    expect(find({ mac: other, bareMac }, bareRules, 1000)).toBe('expired')
    expect(find({ mac: other, bareMac: other }, bareRules, 1)).toBe('unknown')
    expect(find({ mac: other, bareMac }, RULES, 1)).toBe('unknown')
    expect(findTrust(dossier(bareRules), device, { mac: other, bareMac }, RULES, 1).at).toBe('unknown')
    expect(findTrust(dossier(RULES), device, { mac: other, bareMac }, bareRules, 1).at).toBe('unknown')
  })
})
