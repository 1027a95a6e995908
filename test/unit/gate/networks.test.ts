import { expect, test } from 'vitest'
import { earlyVerdict } from '../../../src/gate/gate.ts'
import { address, gate, NOW } from './lists.ts'

test('an address of a deny list is denied, with file, line and rule', () => {
  expect(earlyVerdict(gate('enforce', [], ['#', '192.0.2.0/24']), address('::ffff:192.0.2.1'), NOW)).toEqual({
    verdict: { say: 'deny', by: { file: 'lists/a.txt', line: 2, rule: 'networks.deny' } },
    would: [],
  })
})

test('deny beats allow, however narrow the allow entry is', () => {
  const both = gate('enforce', ['192.0.2.1'], ['192.0.2.0/24'])
  expect(earlyVerdict(both, address('192.0.2.1'), NOW).verdict.say).toBe('deny')
})

test('an address of an allow list is admitted, any other passes on to the next check', () => {
  const office = gate('enforce', ['192.0.2.0/24'], [])
  expect(earlyVerdict(office, address('192.0.2.1'), NOW)).toEqual({
    verdict: { say: 'admit', by: { file: 'lists/a.txt', line: 1, rule: 'networks.allow' } },
    would: [],
  })
  expect(earlyVerdict(office, address('198.51.100.1'), NOW)).toEqual({ verdict: { say: 'pass' }, would: [] })
})

test('monitor suspends the denial, tells of it, and allow entries still count', () => {
  const by = { file: 'lists/a.txt', line: 1, rule: 'networks.deny' }
  expect(earlyVerdict(gate('monitor', [], ['192.0.2.0/24']), address('192.0.2.1'), NOW)).toEqual({
    verdict: { say: 'pass' },
    would: [by],
  })
  const both = earlyVerdict(gate('monitor', ['192.0.2.1'], ['192.0.2.0/24']), address('192.0.2.1'), NOW)
  expect(both.verdict.say).toBe('admit')
  expect(both.would).toEqual([by])
})
