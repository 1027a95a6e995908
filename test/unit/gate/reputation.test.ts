import { expect, test } from 'vitest'
import { earlyVerdict } from '../../../src/gate/gate.ts'
import type { CompiledFeed, CompiledGate } from '../../../src/gate/verdict.ts'
import { OPEN, address, gate, list, NOW } from './lists.ts'

type Feed = Partial<CompiledFeed> & { lines?: string[] }

function feeds(mode: 'enforce' | 'monitor', ...all: Feed[]): CompiledGate {
  const made = all.map(({ lines, ...feed }, i): CompiledFeed => {
    const rest = {
      name: `f${i}`,
      mode: 'enforce',
      onError: 'deny',
      at: { file: 'reputation.yaml', line: i + 1 },
    } as const
    return { ...rest, list: lines === undefined ? null : list(...lines), ...feed }
  })
  return { ...OPEN, reputation: { mode, feeds: made } }
}

const say = (one: CompiledGate, ip: string) => earlyVerdict(one, address(ip), NOW)

test('an address of a feed is denied, with the feed in the name of the rule and its line', () => {
  const both = feeds('enforce', { lines: ['198.51.100.0/24'] }, { name: 'drop-v4', lines: ['#', '192.0.2.0/24'] })
  const by = { file: 'lists/a.txt', line: 2, rule: 'reputation.drop-v4' }
  expect(say(both, '::ffff:192.0.2.1')).toEqual({ verdict: { say: 'deny', by }, would: [] })
  expect(say(both, '203.0.113.1')).toEqual({ verdict: { say: 'pass' }, would: [] })
})

test.each([
  '10.1.2.3',
  '127.0.0.1',
  '192.168.7.7',
  '172.16.0.1',
  '169.254.1.1',
  '100.64.0.1',
  '::1',
  'fd00::1',
  'fe80::1',
  '::ffff:10.1.2.3',
])('no feed matches the private address %s, whatever it lists', (ip) => {
  expect(say(feeds('enforce', { lines: ['0.0.0.0/0', '::/0'] }), ip)).toEqual({ verdict: { say: 'pass' }, would: [] })
})

test('a feed in monitor mode only tells, and a later one still denies', () => {
  const watched = feeds('enforce', { mode: 'monitor', lines: ['192.0.2.0/24'] }, { lines: ['192.0.2.1'] })
  const by = (n: number) => ({ file: 'lists/a.txt', line: 1, rule: `reputation.f${n}` })
  expect(say(watched, '192.0.2.1')).toEqual({ verdict: { say: 'deny', by: by(1) }, would: [by(0)] })
  expect(say(watched, '192.0.2.2')).toEqual({ verdict: { say: 'pass' }, would: [by(0)] })
})

test('monitor at the top is of all feeds', () => {
  const watched = feeds('monitor', { lines: ['192.0.2.0/24'] }, { lines: ['192.0.2.1'] })
  expect(say(watched, '192.0.2.1')).toMatchObject({
    verdict: { say: 'pass' },
    would: [{ rule: 'reputation.f0' }, { rule: 'reputation.f1' }],
  })
})

test('an allow entry of networks.yaml spares the feeds, a deny entry does not need them', () => {
  const { reputation } = feeds('enforce', { lines: ['192.0.2.0/24'] })
  const office = { ...gate('enforce', ['192.0.2.1'], ['192.0.2.2']), reputation }
  expect(say(office, '192.0.2.1').verdict.say).toBe('admit')
  expect(say(office, '192.0.2.2')).toMatchObject({ verdict: { by: { rule: 'networks.deny' } } })
  expect(say(office, '192.0.2.3')).toMatchObject({ verdict: { by: { rule: 'reputation.f0' } } })
})

test('a feed that was never fetched is unsure, and nobody gets in on it unless its policy says so', () => {
  const by = { file: 'reputation.yaml', line: 1, rule: 'reputation.f0' }
  expect(say(feeds('enforce', {}), '192.0.2.1')).toEqual({ verdict: { say: 'unsure', by }, would: [] })
  expect(say(feeds('enforce', { onError: 'allow' }), '192.0.2.1')).toEqual({ verdict: { say: 'pass' }, would: [] })
  expect(say(feeds('enforce', { mode: 'monitor' }), '192.0.2.1')).toEqual({ verdict: { say: 'pass' }, would: [by] })
})

test('what another feed knows for sure goes before what one is unsure of', () => {
  expect(say(feeds('enforce', {}, { lines: ['192.0.2.0/24'] }), '192.0.2.1')).toMatchObject({
    verdict: { say: 'deny', by: { rule: 'reputation.f1' } },
  })
})
