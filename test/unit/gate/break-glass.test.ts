import { expect, test } from 'vitest'
import { parseRange } from '../../../src/base/ip.ts'
import { eachVerdict, earlyVerdict } from '../../../src/gate/gate.ts'
import type { CompiledGate, Pass } from '../../../src/gate/verdict.ts'
import { address, gate, NOW } from './lists.ts'

function pass(network: string, until: number): Pass {
  const range = parseRange(network)
  if (!range.ok) throw new Error(network)
  return { range: range.value, until, reason: 'locked out' }
}

const closed = (...passes: Pass[]): CompiledGate => {
  const all = gate('enforce', [], ['0.0.0.0/0', '::/0'])
  return { ...all, data: { ...all.data, passes } }
}
const says = (of: CompiledGate, ip: string, now = NOW) => earlyVerdict(of, address(ip), now).verdict.say

test('a pass goes before every deny list, for its network alone, until its moment', () => {
  const open = closed(pass('203.0.113.0/24', NOW + 1), pass('2001:db8::7', NOW + 1))
  expect([says(open, '203.0.113.9'), says(open, '::ffff:203.0.113.9'), says(open, '2001:db8::7')]).toEqual([
    'admit',
    'admit',
    'admit',
  ])
  expect([says(open, '203.0.114.0'), says(open, '2001:db8::8')]).toEqual(['deny', 'deny'])
  expect(says(open, '203.0.113.9', NOW + 1)).toBe('deny')
})

test('explain sees each check as if it were alone, in the order of the gate', () => {
  const steps = eachVerdict(closed(pass('203.0.113.0/24', NOW + 1)), address('203.0.113.9'), NOW)
  expect(steps.map(({ check, verdict }) => `${check} ${verdict.say}`).slice(0, 2)).toEqual([
    'break-glass admit',
    'networks deny',
  ])
})
