import { describe, expect, test } from 'vitest'
import { CONCENTRATION_KEYS_MAX, CONCENTRATION_LEAST, CONCENTRATION_WINDOW_MS } from '../../../src/base/gate-limits.ts'
import { createConcentration } from '../../../src/keeper/concentration.ts'

function watch(gateways: string[] = []) {
  const told: string[] = []
  const concentration = createConcentration(new Set(gateways), (warning) => told.push(warning))
  const come = (ip: string, times: number, now = 0) => {
    for (let i = 0; i < times; i++) concentration.note(ip, 1, now)
  }
  return { told, concentration, come }
}
const many = CONCENTRATION_LEAST

describe('one address makes over half of the connections', () => {
  test.each(['10.0.0.9', '127.0.0.1', '172.17.0.1', 'fe80::1', 'fd00::1'])(
    '%s is private: the operator hears of it once',
    (ip) => {
      const { told, concentration, come } = watch()
      come('203.0.113.1', many / 2)
      come(ip, many * 2)
      expect(told).toHaveLength(1)
      expect(told[0]).toMatch(`come from ${ip}: the real addresses are being lost on the way`)
      expect(concentration.largest(0)).toEqual({ ip, share: 0.8 })
      expect(concentration.warning(0)).toMatch(/^80 %/)
    },
  )

  test('a public address is a large customer, unless it is the gateway of this machine', () => {
    const far = watch(['203.0.113.254'])
    far.come('203.0.113.1', many * 2)
    expect([far.told, far.concentration.warning(0)]).toEqual([[], null])
    far.come('203.0.113.254', many * 3)
    expect(far.told).toHaveLength(1)
  })

  test('exactly half is not over half, and a few connections say nothing', () => {
    const half = watch()
    half.come('203.0.113.1', many)
    half.come('10.0.0.9', many)
    expect([half.told, half.concentration.warning(0)]).toEqual([[], null])
    const few = watch()
    few.come('10.0.0.9', many - 1)
    expect([few.told, few.concentration.largest(0)]).toEqual([[], null])
  })

  test('many private addresses are an office, not a loss', () => {
    const { told, come } = watch()
    for (let host = 1; host < 200; host++) come(`10.0.0.${host}`, 3)
    expect(told).toEqual([])
  })

  test('sums of denied connections count in full', () => {
    const { told, concentration } = watch()
    concentration.note('10.0.0.9', many, 0)
    expect(told).toHaveLength(1)
  })
})

describe('time', () => {
  test('a stretch speaks until the next one can, and is told again after one without loss', () => {
    const { told, concentration, come } = watch()
    come('10.0.0.9', many)
    come('10.0.0.9', 1, CONCENTRATION_WINDOW_MS)
    expect(concentration.warning(CONCENTRATION_WINDOW_MS)).not.toBeNull()
    come('203.0.113.1', many * 3, CONCENTRATION_WINDOW_MS + 1)
    expect(concentration.warning(CONCENTRATION_WINDOW_MS + 1)).toBeNull()
    expect(told).toHaveLength(1)
    come('10.0.0.9', many, 2 * CONCENTRATION_WINDOW_MS + 1)
    expect(told).toHaveLength(2)
  })

  test('a share that goes on is told once', () => {
    const { told, come } = watch()
    for (let stretch = 0; stretch < 5; stretch++) come('10.0.0.9', many, stretch * CONCENTRATION_WINDOW_MS)
    expect(told).toHaveLength(1)
  })

  test('what was long ago says nothing', () => {
    const { concentration, come } = watch()
    come('10.0.0.9', many)
    expect(concentration.largest(3 * CONCENTRATION_WINDOW_MS)).toBeNull()
  })
})

test('the table has a ceiling, and those in it are counted on', () => {
  const { concentration, told } = watch()
  concentration.note('10.255.255.1', 1, 0)
  for (let i = 0; i < CONCENTRATION_KEYS_MAX + 10; i++) concentration.note(`10.1.${i >> 8}.${i & 255}`, 1, 0)
  concentration.note('10.255.255.1', 3 * CONCENTRATION_KEYS_MAX, 0)
  expect(told).toHaveLength(1)
})
