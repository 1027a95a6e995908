import { expect, test } from 'vitest'
import { createSkewWatch } from '../../../src/keeper/skew.ts'

function watch() {
  let now = 1_000_000
  const made = createSkewWatch({ now: () => now, monotonic: () => now })
  const pass = (ms: number) => {
    now += ms
  }
  return { ...made, pass }
}

test('one phone with a wrong clock is that phone, and three in the same direction are this machine', () => {
  const skew = watch()
  skew.note('ann', 180)
  skew.note('ann', 180)
  skew.note('bob', 210)
  expect(skew.warning()).toBeNull()
  skew.note('eve', 180)
  expect(skew.warning()).toMatch(/codes of 3 users are right for a time about 180 s ahead: .* behind; set it/)
  expect(skew.of('bob')).toMatchObject({ seconds: 210 })
  expect(skew.of('dan')).toBeNull()
})

test('slow fingers and clocks that disagree say nothing of this machine', () => {
  const slow = watch()
  for (const user of ['ann', 'bob', 'eve', 'dan']) slow.note(user, -60)
  expect(slow.warning()).toBeNull()
  const mixed = watch()
  for (const [at, user] of ['ann', 'bob', 'eve', 'dan', 'fay'].entries()) mixed.note(user, at % 2 === 0 ? -300 : 300)
  expect(mixed.warning()).toBeNull()
})

test('what was an hour ago is over, and the table has an end', () => {
  const skew = watch()
  for (const user of ['ann', 'bob', 'eve']) skew.note(user, -300)
  expect(skew.warning()).toMatch(/ago: .* ahead; set it/)
  skew.pass(3_600_001)
  expect(skew.warning()).toBeNull()
  for (let n = 0; n < 1_001; n++) skew.note(`u${n}`, 300)
  expect(skew.of('u0')).toBeNull()
  expect(skew.of('u1000')).not.toBeNull()
})
