import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHeap } from '../../src/base/heap.ts'

test('a heap gives the smallest first, and equals in the order they came', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 9 }), { maxLength: 50 }), (keys) => {
      const heap = createHeap<[number, number]>()
      for (const [i, key] of keys.entries()) heap.push(key, [key, i])
      expect(heap.least()).toBe(keys.length === 0 ? null : Math.min(...keys))
      const out = keys.map(() => heap.pop())
      expect(out).toEqual(keys.map((key, i) => [key, i]).sort(([a = 0], [b = 0]) => a - b))
      expect([heap.pop(), heap.least(), heap.size()]).toEqual([undefined, null, 0])
    }),
  )
})
