import { expect, test } from 'vitest'
import { createHolds } from '../../../src/keeper/hold.ts'

test('a refusal leaves when the attempt is as old as policy says', () => {
  const holds = createHolds()
  expect(holds.holdMs('old', 3000, 0)).toBe(3000)
  expect(holds.holdMs('old', 3000, 1000)).toBe(2000)
  expect(holds.holdMs('old', 3000, 5000)).toBe(0)
})

test('a slow backend slows every refusal, as its own would be told by their time', () => {
  const holds = createHolds()
  for (let n = 0; n < 50; n++) holds.measured('old', 4000)
  expect(holds.holdMs('old', 3000, 100)).toBe(3900)
  expect(holds.holdMs('other', 3000, 100)).toBe(2900)
})

test('a name that no backend serves is refused as late as the slowest one would', () => {
  const holds = createHolds()
  holds.measured('one', 4000)
  holds.measured('two', 5000)
  expect(holds.holdMs(null, 3000, 0)).toBe(5000)
  expect(createHolds().holdMs(null, 3000, 0)).toBe(3000)
})

test('no refusal is held longer than ten seconds in all', () => {
  const holds = createHolds()
  holds.measured('old', 60_000)
  expect(holds.holdMs('old', 3000, 0)).toBe(10_000)
  expect(holds.holdMs('old', 3000, 9000)).toBe(1000)
})

test('it is the p99 of the last 200: one slow answer in a hundred does not count, and old ones are forgotten', () => {
  const holds = createHolds()
  for (let n = 0; n < 200; n++) holds.measured('old', n < 2 ? 9000 : 4000)
  expect(holds.holdMs('old', 3000, 0)).toBe(4000)
  for (let n = 0; n < 3; n++) holds.measured('old', 9000)
  expect(holds.holdMs('old', 3000, 0)).toBe(9000)
  for (let n = 0; n < 200; n++) holds.measured('old', 100)
  expect(holds.holdMs('old', 3000, 0)).toBe(3000)
})
