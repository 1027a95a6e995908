import { describe, expect, test } from 'vitest'
import { KNOWN_ADDRESSES_MAX, KNOWN_FOR_MS } from '../../../src/base/gate-limits.ts'
import { createKnown } from '../../../src/keeper/known.ts'

describe('an address', () => {
  test('is known for a day from its last proven login', () => {
    const known = createKnown()
    known.proven('192.0.2.1', 1_000)
    known.proven('192.0.2.1', 5_000)
    expect(known.holds('192.0.2.1', 5_000 + KNOWN_FOR_MS - 1)).toBe(true)
    expect(known.holds('192.0.2.1', 5_000 + KNOWN_FOR_MS)).toBe(false)
    expect(known.holds('192.0.2.2', 5_000)).toBe(false)
  })

  test('stays known when an older proof of it is told later', () => {
    const known = createKnown()
    known.proven('192.0.2.1', 5_000)
    known.proven('192.0.2.1', 1_000)
    expect(known.holds('192.0.2.1', 4_000 + KNOWN_FOR_MS)).toBe(true)
  })

  test('gives way to others when too many are known and it was proven longest ago', () => {
    const known = createKnown()
    known.proven('first', 0)
    known.proven('second', 1)
    known.proven('first', 2)
    for (let i = 0; i < KNOWN_ADDRESSES_MAX - 1; i++) known.proven(`other ${i}`, 3)
    expect([known.holds('first', 4), known.holds('second', 4)]).toEqual([true, false])
  })
})
