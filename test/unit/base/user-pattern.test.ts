import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesUser, plainPattern } from '../../../src/base/user-pattern.ts'

const RULES = { default_domain: 'example.com', strip_prefix: [] }

test.each([
  ['ann@example.com', 'ann@example.com', true],
  ['ann@example.com', 'joann@example.com', false],
  ['ann@example.com', 'ann@example.com.evil', false],
  ['*', 'ann@example.com', true],
  ['*@example.com', 'ann@example.com', true],
  ['*@example.com', 'ann@sub.example.com', false],
  ['scan-*@example.com', 'scan-7@example.com', true],
  ['scan-*@example.com', 'scan@example.com', false],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['a*b*c', 'abc', true],
  ['a*b*c', 'acb', false],
  ['a**c', 'abc', true],
])('%s and %s', (pattern, name, matches) => {
  expect(matchesUser(pattern, name)).toBe(matches)
})

test('it agrees with a regular expression', () => {
  const text = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 6 }).map((signs) => signs.join(''))
  const name = fc.array(fc.constantFrom('a', 'b'), { maxLength: 8 }).map((signs) => signs.join(''))
  fc.assert(
    fc.property(text, name, (pattern, one) => {
      expect(matchesUser(pattern, one)).toBe(new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(one))
    }),
  )
})

test('a pattern is written like a name: capitals do not count, a bare name is of the default domain', () => {
  expect(plainPattern('Ann', RULES)).toBe('ann@example.com')
  expect(plainPattern('*@Example.COM', RULES)).toBe('*@example.com')
  expect(plainPattern('scan-*', RULES)).toBe('scan-*')
  expect(plainPattern('Ann', { ...RULES, default_domain: null })).toBe('ann')
})
