import { describe, expect, test } from 'vitest'
import { evolve, forget, intervalOf, makeKeys, makeSeal, packKeys, unpackKeys } from '../../../src/audit/seal-keys.ts'
import { createSealCheck, type Sealed } from '../../../src/audit/seal-proof.ts'
import type { Seal } from '../../../src/audit/events.ts'
import { SEAL_FAN } from '../../../src/base/audit-limits.ts'

const SEALED: Sealed = { stream: 'auth', seq: 7, prev: 'ab'.repeat(32), at: '2027-01-31T12:00:00.000Z' }
const made = packKeys(makeKeys())
const fresh = () => unpackKeys(made)
const { anchor } = fresh()

/** The keys, so many intervals later. */
function after(intervals: number) {
  const keys = fresh()
  for (let n = 0; n < intervals; n++) evolve(keys)
  return keys
}

describe('a seal', () => {
  test('is proven with the anchor alone, in every interval, also across nodes of the tree', () => {
    const keys = fresh()
    const check = createSealCheck([anchor])
    for (let n = 0; n < SEAL_FAN * 2 + 3; n++) {
      expect(intervalOf(keys)).toBe(n)
      const seal = makeSeal(keys, { ...SEALED, seq: n + 1 }, n % SEAL_FAN === 0)
      expect(check(seal, { ...SEALED, seq: n + 1 })).toBe(null)
      evolve(keys)
    }
  })

  test.each<[string, Partial<Sealed>]>([
    ['stream', { stream: 'admin' }],
    ['number', { seq: 8 }],
    ['hash', { prev: 'cd'.repeat(32) }],
    ['time', { at: '2027-01-31T12:00:00.001Z' }],
  ])('stands for one %s alone', (_, other) => {
    const seal = makeSeal(fresh(), SEALED, true)
    expect(createSealCheck([anchor])(seal, { ...SEALED, ...other })).toBe('was not made for what stands before it')
  })

  test.each<[string, (seal: Seal) => Partial<Seal>, string]>([
    ['another interval', ({ interval }) => ({ interval: interval + 1 }), 'certificate that does not lead'],
    ['another node', ({ interval }) => ({ interval: interval + SEAL_FAN }), 'certificate that does not lead'],
    ['an interval beyond all', () => ({ interval: SEAL_FAN ** 4 }), 'has no interval'],
    ['a version of tomorrow', () => ({ version: 2 }) as unknown as Partial<Seal>, 'is of the unknown version 2'],
    ['another anchor', () => ({ anchor: '0'.repeat(16) }), 'is not among those that are trusted'],
    ['a cut key', () => ({ key: 'AAAA' }), 'has no key of ours'],
    ['no text', () => ({ key: 5 }) as unknown as Partial<Seal>, 'has no key of ours'],
    ['a cut certificate', ({ certificate = '' }) => ({ certificate: certificate.slice(4) }), 'does not lead'],
  ])('with %s does not hold', (_, change, said) => {
    const seal = makeSeal(fresh(), SEALED, true)
    expect(createSealCheck([anchor])({ ...seal, ...change(seal) }, SEALED)).toContain(said)
  })

  test('without a certificate holds only behind one that has it', () => {
    const keys = fresh()
    const check = createSealCheck([anchor])
    const bare = makeSeal(keys, SEALED, false)
    expect(check(bare, SEALED)).toContain('no certificate')
    expect(check(makeSeal(keys, SEALED, true), SEALED)).toBe(null)
    expect(check(bare, SEALED)).toBe(null)
  })

  test('of a tree of its own does not hold, whatever anchor it names', () => {
    const forged = makeSeal(makeKeys(), SEALED, true)
    const { anchor: named } = makeSeal(fresh(), SEALED, true)
    expect(createSealCheck([anchor])(forged, SEALED)).toContain('is not among those')
    expect(createSealCheck([anchor])({ ...forged, anchor: named }, SEALED)).toContain('does not lead')
  })
})

describe("whoever takes today's keys", () => {
  test('cannot seal an interval before, in any way that the keys allow', () => {
    const check = createSealCheck([anchor])
    const stolen = after(SEAL_FAN + 2)
    const now = intervalOf(stolen)
    expect(check(makeSeal(stolen, SEALED, true), SEALED)).toBe(null)
    for (let interval = 0; interval < now; interval++) {
      expect(check({ ...makeSeal(stolen, SEALED, true), interval }, SEALED)).not.toBe(null)
    }
  })

  test('finds no seed of an interval before in what is kept', () => {
    const keys = fresh()
    const early = keys.nodes.map(({ seed }) => Buffer.from(seed))
    for (let n = 0; n < SEAL_FAN; n++) evolve(keys)
    const kept = packKeys(keys)
    expect(early.slice(2).map((seed) => kept.includes(seed))).toEqual([false, false])
  })

  test('can seal from now on', () => {
    const stolen = after(3)
    evolve(stolen)
    expect(createSealCheck([anchor])(makeSeal(stolen, SEALED, true), SEALED)).toBe(null)
  })
})

test('keys survive being packed, and are overwritten when they are forgotten', () => {
  const keys = after(5)
  const again = unpackKeys(packKeys(keys))
  expect(makeSeal(again, SEALED, true)).toEqual(makeSeal(keys, SEALED, true))
  forget(again)
  expect(again.nodes.every(({ seed }) => seed.every((byte) => byte === 0))).toBe(true)
  expect(() => unpackKeys(packKeys(keys).subarray(1))).toThrow('no sealing keys of this version')
})
