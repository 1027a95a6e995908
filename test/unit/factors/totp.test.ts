import { describe, expect, test } from 'vitest'
import { Secret, reveal } from '../../../src/base/secret.ts'
import { encodeBase32 } from '../../../src/factors/base32.ts'
import { codeOf, makeSeed, matchingStep, otpauthUri, stepAt, STEP_MS, stepsAway } from '../../../src/factors/totp.ts'

const RFC_SEED = new Secret(Buffer.from('12345678901234567890'))

describe('the codes', () => {
  test.each(['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'])(
    'are those of RFC 4226 appendix D: %s',
    (code) => {
      const counters = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter((step) => codeOf(RFC_SEED, step).toString() === code)
      expect(counters).toHaveLength(1)
    },
  )

  test('stand in the order of RFC 4226 appendix D', () => {
    expect([0, 1, 9].map((step) => codeOf(RFC_SEED, step).toString())).toEqual(['755224', '287082', '520489'])
  })

  // RFC 6238 appendix B gives eight digits; six digits are their end (RFC 4226 section 5.3).
  test.each([
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ])('are those of RFC 6238 appendix B at %i s', (seconds, eight) => {
    expect(codeOf(RFC_SEED, stepAt(seconds * 1000)).toString()).toBe(eight.slice(2))
  })
})

describe('the window', () => {
  const now = 1_700_000_000_000
  const at = (steps: number) => codeOf(RFC_SEED, stepAt(now) + steps)

  test.each([
    [-2, 1, false],
    [-1, 1, true],
    [0, 1, true],
    [1, 1, true],
    [2, 1, false],
    [0, 0, true],
    [1, 0, false],
    [-1, 0, false],
    [10, 10, true],
    [11, 11, false],
  ])('%i steps away with a window of %i: %s', (steps, window, good) => {
    expect(matchingStep(RFC_SEED, at(steps), now, window)).toBe(good ? stepAt(now) + steps : null)
  })

  test('holds to the last millisecond of a step and no longer', () => {
    const step = 56_666_666
    const code = codeOf(RFC_SEED, step)
    expect(matchingStep(RFC_SEED, code, (step + 1) * STEP_MS - 1, 0)).toBe(step)
    expect(matchingStep(RFC_SEED, code, (step + 1) * STEP_MS, 0)).toBeNull()
  })

  test.each(['', '12345', '1234567'])('what has not six digits is no code: "%s"', (code) => {
    expect(matchingStep(RFC_SEED, Buffer.from(code), now, 1)).toBeNull()
  })

  test('at the beginning of time no step is negative', () => {
    expect(matchingStep(RFC_SEED, codeOf(RFC_SEED, 0), 0, 1)).toBe(0)
  })
})

describe('a code of another time', () => {
  const now = 1_111_111_109_000
  test.each([-20, -2, -1, 0, 1, 2, 20])('is found %i steps away', (steps) => {
    expect(stepsAway(RFC_SEED, codeOf(RFC_SEED, stepAt(now) + steps), now, 20)).toBe(steps)
  })
  test('is not looked for farther away, nor found where there is none', () => {
    expect(stepsAway(RFC_SEED, codeOf(RFC_SEED, stepAt(now) + 21), now, 20)).toBeNull()
    expect(stepsAway(RFC_SEED, Buffer.from('12345'), now, 20)).toBeNull()
  })
})

describe('the seed', () => {
  test('has 160 bits and is new each time', () => {
    const [one, other] = [reveal(makeSeed()), reveal(makeSeed())]
    expect(one).toHaveLength(20)
    expect(one.equals(other)).toBe(false)
  })

  test('stands in the URI as authenticators read it', () => {
    const uri = new URL(otpauthUri(RFC_SEED, 'ann@example.com', 'My Mail'))
    expect(uri.protocol + uri.host + uri.pathname).toBe('otpauth:totp/My%20Mail:ann%40example.com')
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
      issuer: 'My Mail',
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    })
  })

  // RFC 4648 section 10, without the padding.
  test.each([
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ])('base32 of "%s" is "%s"', (plain, encoded) => {
    expect(encodeBase32(Buffer.from(plain))).toBe(encoded)
  })
})
