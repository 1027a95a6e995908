import { describe, expect, test } from 'vitest'
import { RATE_KEYS_MAX } from '../../../src/base/gate-limits.ts'
import { createRates, type Applicant, type Rates } from '../../../src/gate/rates.ts'
import type { CompiledRates } from '../../../src/gate/verdict.ts'

const POLICY: CompiledRates = {
  mode: 'enforce',
  perAddress: {
    connections: { count: 6, per: 60_000 },
    concurrent: 3,
    by: { file: 'rates.yaml', line: 2, rule: 'rates.per_address' },
  },
  perNetwork: {
    connections: { count: 15, per: 60_000 },
    concurrent: 8,
    by: { file: 'rates.yaml', line: 3, rule: 'rates.per_network' },
  },
  network: { ipv4: 24, ipv6: 56 },
  knownFactor: 10,
}

function who(ip: string, over: Partial<Applicant> = {}): Applicant {
  const network = `${ip.slice(0, ip.lastIndexOf('.'))}.0/24`
  return { ip, network, known: false, waiting: { here: 0, there: 0 }, ...over }
}

/** How many of so many tries at one moment get in. */
function admitted(rates: Rates, one: Applicant, tries: number, now: number): number {
  return Array.from({ length: tries }, () => rates.judge(POLICY, one, now)).filter(({ say }) => say === 'pass').length
}

describe('one address', () => {
  test('gets its count at once, then what flows in, and never more than a bucket full', () => {
    const rates = createRates()
    expect(admitted(rates, who('192.0.2.1'), 20, 0)).toBe(6)
    expect(admitted(rates, who('192.0.2.1'), 20, 9_999)).toBe(0)
    expect(admitted(rates, who('192.0.2.1'), 20, 10_000)).toBe(1)
    expect(admitted(rates, who('192.0.2.1'), 20, 40_000)).toBe(3)
    expect(admitted(rates, who('192.0.2.1'), 20, 10_000_000)).toBe(6)
  })

  test('a rate that is no whole number of milliseconds loses nothing to rounding', () => {
    const rates = createRates()
    const policy = { ...POLICY, perAddress: { ...POLICY.perAddress, connections: { count: 7, per: 60_000 } } }
    const says = Array.from({ length: 8 }, () => rates.judge(policy, who('192.0.2.1'), 123_456.789).say)
    expect(says).toEqual([...Array.from({ length: 7 }, () => 'pass'), 'deny'])
  })

  test('is denied with the rule, its line, and for how long', () => {
    const rates = createRates()
    admitted(rates, who('192.0.2.1'), 6, 0)
    expect(rates.judge(POLICY, who('192.0.2.1'), 2_500)).toEqual({
      say: 'deny',
      by: POLICY.perAddress.by,
      afterMs: 7_500,
    })
    expect(rates.judge(POLICY, who('192.0.2.1'), 10_000).say).toBe('pass')
  })

  test('may have so many connections that have not logged in', () => {
    const rates = createRates()
    expect(rates.judge(POLICY, who('192.0.2.1', { waiting: { here: 2, there: 2 } }), 0).say).toBe('pass')
    expect(rates.judge(POLICY, who('192.0.2.1', { waiting: { here: 3, there: 3 } }), 0)).toEqual({
      say: 'deny',
      by: POLICY.perAddress.by,
      afterMs: 0,
    })
  })

  test('trying again while denied does not make it wait longer', () => {
    const rates = createRates()
    admitted(rates, who('192.0.2.1'), 6, 0)
    admitted(rates, who('192.0.2.1'), 1_000, 5_000)
    expect(admitted(rates, who('192.0.2.1'), 10, 10_000)).toBe(1)
  })
})

describe('one network', () => {
  test('gets its count however many addresses share it', () => {
    const rates = createRates()
    const got = Array.from({ length: 40 }, (_, i) => rates.judge(POLICY, who(`192.0.2.${i}`), 0))
    expect(got.filter(({ say }) => say === 'pass')).toHaveLength(15)
    expect(got.at(-1)).toEqual({ say: 'deny', by: POLICY.perNetwork.by, afterMs: 4_000 })
    expect(rates.judge(POLICY, who('198.51.100.1'), 0).say).toBe('pass')
  })

  test('what it is denied costs the address nothing', () => {
    const rates = createRates()
    for (let i = 0; i < 15; i++) rates.judge(POLICY, who(`192.0.2.${i}`), 0)
    expect(admitted(rates, who('192.0.2.99'), 100, 0)).toBe(0)
    expect(admitted(rates, who('192.0.2.99'), 100, 60_000)).toBe(6)
  })

  test('may have so many connections that have not logged in', () => {
    const rates = createRates()
    expect(rates.judge(POLICY, who('192.0.2.1', { waiting: { here: 0, there: 8 } }), 0)).toEqual({
      say: 'deny',
      by: POLICY.perNetwork.by,
      afterMs: 0,
    })
  })
})

test('a known address has ten times the room, in everything', () => {
  const rates = createRates()
  const known = (ip: string, waiting = { here: 0, there: 0 }) =>
    who(ip, { known: true, network: '+192.0.2.0/24', waiting })
  expect(admitted(rates, known('192.0.2.1'), 1_000, 0)).toBe(60)
  expect(admitted(rates, known('192.0.2.1'), 1_000, 1_000)).toBe(1)
  expect(rates.judge(POLICY, known('192.0.2.2', { here: 29, there: 79 }), 0).say).toBe('pass')
  expect(rates.judge(POLICY, known('192.0.2.2', { here: 30, there: 30 }), 0).say).toBe('deny')
  expect(rates.judge(POLICY, known('192.0.2.2', { here: 0, there: 80 }), 0).say).toBe('deny')
})

test('an address that becomes known has its room at once', () => {
  const rates = createRates()
  admitted(rates, who('192.0.2.1'), 6, 0)
  expect(admitted(rates, who('192.0.2.1', { known: true, network: 'other' }), 1_000, 30_000)).toBeGreaterThan(25)
})

test('a flood of half a million addresses neither grows the table nor frees one that is held back', () => {
  const rates = createRates()
  admitted(rates, who('192.0.2.1'), 6, 0)
  for (let i = 0; i < 4 * RATE_KEYS_MAX; i++) {
    rates.judge(POLICY, { ...who('10.0.0.1'), ip: `flood ${i}`, network: `flood ${i >> 8}` }, 1)
    if (i % 10_000 === 0) expect(rates.judge(POLICY, who('192.0.2.1'), 1).say).toBe('deny')
  }
})
