import { relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkGate } from '../../../src/cli/check-gate.ts'
import type { Ask } from '../../../src/keeper/dns-client.ts'
import type { DnsAnswer } from '../../../src/keeper/dns-message.ts'
import { mmdb } from '../../support/mmdb.ts'
import { address } from '../gate/lists.ts'
import { good, POSTERN } from '../policy/folder.ts'

const GEO = `${POSTERN}checks: [networks, geofence]\n`
const DNS = `${POSTERN}checks: [networks, reputation]\n`
const none: Ask = () => Promise.resolve({ say: 'none' })

async function check(
  files: Record<string, string | Buffer>,
  environment: Record<string, string> = {},
  ask: Ask = none,
) {
  const { policies } = await good(files)
  const { faults, warnings } = await checkGate(policies, environment, ask)
  const shown = [`${relative(process.cwd(), policies.folder)}/`, `${policies.folder}/`]
  const bare = (lines: string[]) => lines.map((line) => shown.reduce((text, path) => text.replace(path, ''), line))
  return { faults: bare(faults), warnings: bare(warnings) }
}

describe('a database', () => {
  test('that is cut short or no .mmdb is a fault with its place', async () => {
    const whole = mmdb([['192.0.2.0/24', { country_code: 'KP' }]])
    for (const bytes of [whole.subarray(0, -10), Buffer.from('<html>')]) {
      const { faults } = await check({
        'postern.yaml': GEO,
        'geofence.yaml': 'country_database: c.mmdb',
        'c.mmdb': bytes,
      })
      expect(faults).toEqual([expect.stringMatching(/^geofence\.yaml:1:19: `country_database: c\.mmdb` is /)])
    }
  })

  test('that is old, or was never fetched, is worth a word', async () => {
    const old = mmdb([['192.0.2.0/24', { country_code: 'KP' }]], { built: 1_700_000_000 })
    expect(
      (await check({ 'postern.yaml': GEO, 'geofence.yaml': 'country_database: c.mmdb', 'c.mmdb': old })).warnings,
    ).toEqual([
      'geofence.yaml:1:19: `country_database: c.mmdb` was built 2023-11-14: older than `max_age`; get a newer one',
    ])
    const { faults, warnings } = await check({
      'postern.yaml': GEO,
      'geofence.yaml': 'country_database: { url: "https://maps.example/" }',
    })
    expect([faults, warnings]).toEqual([[], [expect.stringContaining('`country_database` was not fetched yet')]])
  })
})

describe("the operator's own shell", () => {
  const shell = { SSH_CONNECTION: '192.0.2.9 50000 198.51.100.1 22' }

  test('that the policies would shut out is told, with the line that does it', async () => {
    expect((await check({}, shell)).warnings).toEqual([
      'lists/denied.txt:1:1: networks.deny would shut out 192.0.2.9, the address that your own shell came from',
    ])
    expect((await check({}, { SSH_CLIENT: '192.0.2.9 50000 22' })).warnings).toHaveLength(1)
  })

  test('that they let in, or that is none, is not', async () => {
    expect((await check({}, { SSH_CONNECTION: '203.0.113.1 1 2 3' })).warnings).toEqual([])
    expect((await check({}, { SSH_CONNECTION: 'UNKNOWN' })).warnings).toEqual([])
    expect((await check({ 'networks.yaml': 'mode: monitor\ndeny: [lists/denied.txt]' }, shell)).warnings).toEqual([])
  })

  test('in a country that is shut out', async () => {
    const files = {
      'postern.yaml': GEO,
      'networks.yaml': '{}',
      'geofence.yaml': 'country_database: c.mmdb\ncountries: { deny: [KP] }',
      'c.mmdb': mmdb([['192.0.2.0/24', { country_code: 'KP' }]]),
    }
    expect((await check(files, shell)).warnings).toEqual([
      'geofence.yaml:2:1: geofence.country would shut out 192.0.2.9, the address that your own shell came from',
    ])
  })
})

describe('a zone', () => {
  const files = { 'postern.yaml': DNS, 'reputation.yaml': 'dnsbl: [{ zone: bl.example }]' }
  const answering =
    (listed: DnsAnswer, clear: DnsAnswer): Ask =>
    (_, name) =>
      Promise.resolve(name === '2.0.0.127.bl.example' ? listed : clear)
  const yes: DnsAnswer = { say: 'addresses', addresses: [address('127.0.0.2')] }
  const no: DnsAnswer = { say: 'none' }
  const words = async (listed: DnsAnswer, clear: DnsAnswer) =>
    (await check(files, {}, answering(listed, clear))).warnings

  test('that lists 127.0.0.2 and not 127.0.0.1 works', async () => {
    expect(await words(yes, no)).toEqual([])
  })

  test('that does not is worth a word: dead, misspelt, or behind a resolver that makes answers up', async () => {
    const at = 'reputation.yaml:1:17: `dnsbl[0].zone: bl.example`'
    expect(await words(no, no)).toEqual([`${at} does not list 127.0.0.2, as every zone must: is its name right?`])
    expect(await words(yes, yes)).toEqual([
      `${at} lists 127.0.0.1, as no zone may: it may be dead, or the resolver makes answers up`,
    ])
    expect(await words({ say: 'failed', reason: 'it is silent' }, no)).toEqual([`${at} gives no answer: it is silent`])
    const made: DnsAnswer = { say: 'addresses', addresses: [address('203.0.113.80')] }
    expect(await words(made, made)).toEqual([
      `${at} gives no answer: the zone answers 203.0.113.80, which lists nothing`,
    ])
  })
})
