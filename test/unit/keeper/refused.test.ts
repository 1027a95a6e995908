import { expect, test } from 'vitest'
import { createRefused } from '../../../src/keeper/refused.ts'

test('a refused password is remembered for its time', () => {
  const refused = createRefused()
  refused.remember('one', 1000)
  expect(refused.holds('one', 500, 1499)).toBe(true)
  expect(refused.holds('one', 500, 1500)).toBe(false)
  expect(refused.holds('other', 500, 1000)).toBe(false)
  expect(refused.holds('one', 0, 1000)).toBe(false)
})

test('a stranger cannot fill the memory: the oldest gives way', () => {
  const refused = createRefused()
  for (let n = 0; n <= 100_000; n++) refused.remember(`key ${n}`, n)
  expect(refused.holds('key 0', 1e9, 0)).toBe(false)
  expect(refused.holds('key 1', 1e9, 0)).toBe(true)
  refused.remember('key 1', 5)
  refused.remember('one more', 5)
  expect(refused.holds('key 1', 1e9, 5)).toBe(true)
  expect(refused.holds('key 2', 1e9, 5)).toBe(false)
})
