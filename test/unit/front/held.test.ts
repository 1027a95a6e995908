import { describe, expect, test } from 'vitest'
import { HELD_ADDRESSES_MAX, HELD_MAX_MS } from '../../../src/base/gate-limits.ts'
import { createHeld } from '../../../src/front/held.ts'

const BY = { file: 'rates.yaml', line: 3, rule: 'rates.per_address' }

describe('an address that was turned away', () => {
  test('is turned away by the same rule until its time is over', () => {
    const held = createHeld()
    held.add('192.0.2.1', BY, 300, 1_000)
    expect([held.by('192.0.2.1', 1_299), held.by('192.0.2.2', 1_000)]).toEqual([BY, null])
    expect([held.by('192.0.2.1', 1_300), held.by('192.0.2.1', 1_299)]).toEqual([null, null])
  })

  test('for no time is asked about the next time', () => {
    const held = createHeld()
    held.add('192.0.2.1', BY, 0, 1_000)
    expect(held.by('192.0.2.1', 1_000)).toBeNull()
  })

  test('is asked about again when the policies change', () => {
    const held = createHeld()
    held.add('192.0.2.1', BY, 300, 1_000)
    held.clear()
    expect(held.by('192.0.2.1', 1_001)).toBeNull()
  })
})

test('a full table takes no more until those in it have had their time', () => {
  const held = createHeld()
  for (let i = 0; i < HELD_ADDRESSES_MAX; i++) held.add(`first ${i}`, BY, HELD_MAX_MS, 0)
  held.add('late', BY, HELD_MAX_MS, 1)
  expect([held.by('late', 2), held.by('first 0', 2)]).toEqual([null, BY])
  held.add('later', BY, HELD_MAX_MS, 1 + HELD_MAX_MS)
  expect(held.by('later', 2 + HELD_MAX_MS)).toEqual(BY)
})
