import { expect, test } from 'vitest'
import { createHolds } from '../../../src/keeper/hold.ts'

test('a refusal leaves when the attempt is as old as policy says', () => {
  const holds = createHolds()
  expect(holds.holdMs('old', 'refusal', 3000, 0, 0)).toBe(3000)
  expect(holds.holdMs('old', 'refusal', 3000, 1000, 0)).toBe(2000)
  expect(holds.holdMs('old', 'refusal', 3000, 5000, 0)).toBe(0)
})

test('a slow backend slows every refusal, as its own would be told by their time', () => {
  const holds = createHolds()
  for (let n = 0; n < 50; n++) holds.measured('old', 'refusal', 4000, 0)
  expect(holds.holdMs('old', 'refusal', 3000, 100, 0)).toBe(4150)
  expect(holds.holdMs('other', 'refusal', 3000, 100, 0)).toBe(2900)
})

test('a name that no backend serves is refused as late as the slowest one would', () => {
  const holds = createHolds()
  holds.measured('one', 'refusal', 4000, 0)
  holds.measured('two', 'refusal', 5000, 0)
  expect(holds.holdMs(null, 'refusal', 3000, 0, 0)).toBe(5250)
  expect(createHolds().holdMs(null, 'refusal', 3000, 0, 0)).toBe(3000)
})

test('no refusal is held longer than ten seconds in all', () => {
  const holds = createHolds()
  holds.measured('old', 'refusal', 60_000, 0)
  expect(holds.holdMs('old', 'refusal', 3000, 0, 0)).toBe(10_000)
  expect(holds.holdMs('old', 'refusal', 3000, 9000, 0)).toBe(1000)
})

test('it is the p99 of the last 200: one slow answer in a hundred does not count, and old ones are forgotten', () => {
  const holds = createHolds()
  for (let n = 0; n < 200; n++) holds.measured('old', 'refusal', n < 2 ? 9000 : 4000, 0)
  expect(holds.holdMs('old', 'refusal', 3000, 0, 0)).toBe(4250)
  for (let n = 0; n < 3; n++) holds.measured('old', 'refusal', 9000, 0)
  expect(holds.holdMs('old', 'refusal', 3000, 0, 0)).toBe(9250)
  for (let n = 0; n < 200; n++) holds.measured('old', 'refusal', 100, 0)
  expect(holds.holdMs('old', 'refusal', 3000, 0, 0)).toBe(3000)
})

test('a slow refusal in a quiet night slows nobody for longer than ten minutes', () => {
  const holds = createHolds()
  holds.measured('old', 'refusal', 8000, 0)
  expect(holds.holdMs('old', 'refusal', 3000, 0, 599_999)).toBe(8250)
  expect(holds.holdMs('old', 'refusal', 3000, 0, 600_000)).toBe(3000)
})

test('refusals and trouble are measured apart', () => {
  const holds = createHolds()
  holds.measured('old', 'trouble', 6000, 0)
  expect(holds.holdMs('old', 'refusal', 3000, 0, 0)).toBe(3000)
  expect(holds.holdMs('old', 'trouble', 3000, 0, 0)).toBe(6250)
})
