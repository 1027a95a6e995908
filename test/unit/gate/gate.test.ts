import { expect, test } from 'vitest'
import { earlyVerdict } from '../../../src/gate/gate.ts'
import { address, gate, NOW, OPEN } from './lists.ts'

test('a gate without checks passes everybody', () => {
  expect(earlyVerdict(OPEN, address('192.0.2.1'), NOW)).toEqual({ verdict: { say: 'pass' }, would: [] })
})

test('each verdict is of its moment: a denial ends with its entry', () => {
  const guests = gate('enforce', [], ['192.0.2.0/24 until 2026-11-21'])
  const said = [NOW, Date.parse('2026-11-22T00:00:00Z')].map(
    (now) => earlyVerdict(guests, address('192.0.2.1'), now).verdict.say,
  )
  expect(said).toEqual(['deny', 'pass'])
})
