import { expect, test } from 'vitest'
import { makeRecoveryCodes, readRecoveryCode } from '../../../src/factors/recovery.ts'

test('ten different codes that read back as they are', () => {
  const codes = makeRecoveryCodes()
  expect(new Set(codes).size).toBe(10)
  for (const code of codes) expect(readRecoveryCode(Buffer.from(code))).toBe(code)
})

test('no code holds a sign that is mistaken for another', () => {
  const signs = new Set(Array.from({ length: 200 }, makeRecoveryCodes).flat().join(''))
  expect([...'ilouILOU'].filter((sign) => signs.has(sign))).toEqual([])
  expect(signs.size).toBe(33)
})

test.each(['', 'abcde', 'abcde-fgh2', 'abcde-fgh234', 'abcdefgh234', 'abcde-fghi2', 'äbcd-fgh23', 'abcde–fgh2'])(
  '"%s" has not the form',
  (typed) => {
    expect(readRecoveryCode(Buffer.from(typed))).toBeNull()
  },
)
