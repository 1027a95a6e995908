import { beforeEach, describe, expect, test } from 'vitest'
import { DNSBL_CACHE_MAX, DNSBL_ERROR_CACHE_MS, DNSBL_IN_FLIGHT_MAX } from '../../../src/base/gate-limits.ts'
import type { DnsAnswer } from '../../../src/keeper/dns-message.ts'
import { createDnsbl, judgeListing, reversed, type Dnsbl, type Listing } from '../../../src/keeper/dnsbl.ts'
import type { DnsblZone } from '../../../src/policy/dnsbl.ts'
import { zone } from '../../support/zone.ts'
import { address } from '../gate/lists.ts'

const ZONE = zone()

let now: number
let asked: string[]
let answer: (name: string) => DnsAnswer | Promise<DnsAnswer>
let reports: [string, string | null][]
let dnsbl: Dnsbl

const NONE: DnsAnswer = { say: 'none' }
const listed = (...texts: string[]): DnsAnswer => ({ say: 'addresses', addresses: texts.map(address) })
const FAILED: DnsAnswer = { say: 'failed', reason: 'no' }

beforeEach(() => {
  now = 0
  asked = []
  reports = []
  answer = () => NONE
  dnsbl = createDnsbl(
    (resolver, name) => {
      asked.push(`${resolver.host}:${resolver.port} ${name}`)
      return Promise.resolve(answer(name))
    },
    { now: () => now, monotonic: () => now },
    (zone, fault) => reports.push([zone, fault]),
  )
})

const look = (ip: string, zone = ZONE) => dnsbl.look(zone, address(ip))

test('a zone has an address under its octets or its nibbles, the last one first', () => {
  expect(reversed(address('192.0.2.99'))).toBe('99.2.0.192')
  expect(reversed(address('::ffff:192.0.2.99'))).toBe('99.2.0.192')
  expect(reversed(address('2001:db8::1'))).toBe('1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2')
})

describe('what a zone answers', () => {
  test('is a listing only inside 127.0.0.0/8, and never its error answers', async () => {
    const wrong = ['127.0.0.1', '127.255.255.252', '127.255.255.254', '127.255.255.255', '203.0.113.80', '10.0.0.1']
    for (const [i, text] of wrong.entries()) {
      answer = () => listed(text)
      expect(await look(`203.0.113.${i}`)).toEqual({
        say: 'error',
        reason: `the zone answers ${text}, which lists nothing`,
      })
    }
    // One error among listings makes all of it worthless: a resolver that rewrites answers is no judge.
    answer = () => listed('127.0.0.2', '198.51.100.1')
    expect((await look('203.0.113.100')).say).toBe('error')
    answer = () => listed('127.0.0.2', '127.255.254.2')
    expect((await look('203.0.113.101')).say).toBe('listed')
  })

  test('is remembered for the time of the zone, also that it says nothing', async () => {
    await look('203.0.113.1')
    now = ZONE.cache - 1
    expect(await look('203.0.113.1')).toEqual({ say: 'clear' })
    expect(asked).toHaveLength(1)
    now = ZONE.cache
    answer = () => listed('127.0.0.2')
    expect((await look('203.0.113.1')).say).toBe('listed')
    expect(asked).toEqual(['127.0.0.1:53 1.113.0.203.dnsbl.example', '127.0.0.1:53 1.113.0.203.dnsbl.example'])
  })

  test('is remembered shortly when it failed, and not at all with `cache: 0s`', async () => {
    answer = () => FAILED
    await look('203.0.113.1')
    await look('203.0.113.1')
    expect(asked).toHaveLength(1)
    now = DNSBL_ERROR_CACHE_MS
    await look('203.0.113.1')
    expect(asked).toHaveLength(2)
    const fresh = { ...ZONE, zone: 'other.example', cache: 0 }
    await look('203.0.113.1', fresh)
    await look('203.0.113.1', fresh)
    expect(asked).toHaveLength(4)
  })

  test('of one resolver is not taken for that of another', async () => {
    await look('203.0.113.1')
    await look('203.0.113.1', { ...ZONE, resolver: { host: '127.0.0.1', port: 5_353 } })
    expect(asked).toHaveLength(2)
  })
})

describe('a flood', () => {
  test('of connections from one address asks once', async () => {
    const { promise, resolve } = Promise.withResolvers<DnsAnswer>()
    answer = () => promise
    const looks = Array.from({ length: 50 }, () => look('203.0.113.1'))
    resolve(listed('127.0.0.2'))
    expect(new Set((await Promise.all(looks)).map(({ say }) => say))).toEqual(new Set(['listed']))
    expect(asked).toHaveLength(1)
  })

  test('of addresses asks no more than a ceiling at once, and the rest is unsure', async () => {
    const { promise, resolve } = Promise.withResolvers<DnsAnswer>()
    answer = () => promise
    const looks = Array.from({ length: DNSBL_IN_FLIGHT_MAX + 1 }, (_, i) => look(`2001:db8::${i.toString(16)}`))
    expect(await looks.at(-1)).toEqual({ say: 'error', reason: 'too many questions are under way' })
    resolve(NONE)
    await Promise.all(looks)
    expect((await look('203.0.113.1')).say).toBe('clear')
  })

  test('of addresses does not fill memory: the oldest answer gives way', async () => {
    for (let i = 0; i <= DNSBL_CACHE_MAX; i++) await look(`2001:db8::${i.toString(16)}`)
    asked = []
    await look(`2001:db8::${DNSBL_CACHE_MAX.toString(16)}`)
    await look('2001:db8::1')
    expect(asked).toEqual([])
    await look('2001:db8::0')
    expect(asked).toHaveLength(1)
  })
})

test('a zone that keeps failing is reported once, and when it is back', async () => {
  answer = () => FAILED
  for (let i = 0; i < 5; i++) await look(`203.0.113.${i}`)
  expect(dnsbl.fault(ZONE)).toBe('no')
  answer = () => NONE
  await look('203.0.113.9')
  expect(dnsbl.fault(ZONE)).toBeNull()
  expect(reports).toEqual([
    ['dnsbl.example', 'no'],
    ['dnsbl.example', null],
  ])
})

test.each<[string, Listing, Partial<DnsblZone>, unknown]>([
  ['not listed', { say: 'clear' }, { onError: 'deny' }, { say: 'pass' }],
  ['listed for a reason of the policy', { say: 'listed', answers: [address('127.0.0.9')] }, {}, { say: 'deny', answer: '127.0.0.9' }], // prettier-ignore
  ['listed for another reason', { say: 'listed', answers: [address('127.0.0.10')] }, { onError: 'deny' }, { say: 'pass' }], // prettier-ignore
  ['no answer, and that is allowed', { say: 'error', reason: 'no' }, {}, { say: 'pass' }],
  ['no answer, and there must be one', { say: 'error', reason: 'no' }, { onError: 'deny' }, { say: 'unsure', answer: 'no' }], // prettier-ignore
])('%s', (_, listing, change, verdict) => {
  expect(judgeListing({ ...ZONE, ...change }, listing)).toEqual(verdict)
})
