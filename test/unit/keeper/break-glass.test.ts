import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PASSES_MAX } from '../../../src/base/gate-limits.ts'
import { allowNetwork, livePasses } from '../../../src/keeper/break-glass.ts'
import { createWorld, HOUR, type World } from '../../support/login-world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => {
  world.end()
})

const allow = (network: string, time = '2h', reason = 'locked out') =>
  allowNetwork(world.users, { network, for: time, reason })
const passes = async () =>
  (await livePasses(world.store, world.now())).map(({ range, until, reason }) => [
    range.text,
    until - world.now(),
    reason,
  ])

describe('a pass', () => {
  test('is kept with its end, audited, and outlives a restart', async () => {
    const until = new Date(world.now() + 2 * HOUR).toISOString()
    expect(await allow('203.0.113.0/24')).toEqual({ network: '203.0.113.0/24', until })
    expect(world.events).toEqual([
      { stream: 'admin', action: 'break-glass', network: '203.0.113.0/24', until, reason: 'locked out' },
    ])
    world.restart()
    expect(await passes()).toEqual([['203.0.113.0/24', 2 * HOUR, 'locked out']])
  })

  test('ends by itself', async () => {
    await allow('203.0.113.7')
    world.pass(2 * HOUR - 1)
    expect(await passes()).toHaveLength(1)
    world.pass(1)
    expect(await passes()).toEqual([])
  })

  test('takes the place of an earlier one for the same network, however that was written', async () => {
    await allow('2001:db8::/32', '7d')
    await allow('2001:DB8:0::/32', '1h', 'shorter')
    expect(await passes()).toEqual([['2001:db8::/32', HOUR, 'shorter']])
  })

  test('can be ended before its time, and that is audited too', async () => {
    await allow('203.0.113.7')
    expect(await allow('203.0.113.7', '0s', 'mended')).toEqual({ network: '203.0.113.7', until: null })
    expect(await passes()).toEqual([])
    expect(world.events.at(-1)).toEqual({ stream: 'admin', action: 'break-glass', network: '203.0.113.7', until: null, reason: 'mended' }) // prettier-ignore
    await expect(allow('203.0.113.7', '0s')).rejects.toThrow('203.0.113.7 has no pass')
  })
})

test.each<[string, string[], string]>([
  ['what is no network', ['example.com'], "'example.com' is no address"],
  ['host bits', ['203.0.113.7/24'], 'write 203.0.113.0/24'],
  ['what is no time', ['203.0.113.7', 'soon'], "--for 'soon' is not a whole number"],
  ['more than a week', ['203.0.113.7', '8d'], 'is longer than 7d'],
  ['no reason', ['203.0.113.7', '2h', ' '], '--reason is empty'],
])('%s is refused', async (_, [network = '', time, reason], words) => {
  await expect(allow(network, time, reason)).rejects.toThrow(words)
  expect(world.events).toEqual([])
  expect(await passes()).toEqual([])
})

test('there is an end to passes; those that have run out do not count', async () => {
  for (let i = 0; i < PASSES_MAX; i++) await allow(`203.0.113.${i}`, i === 0 ? '1h' : '2h')
  await expect(allow('198.51.100.1')).rejects.toThrow(`${PASSES_MAX} passes stand already`)
  await allow('203.0.113.5', '3h')
  world.pass(HOUR)
  await allow('198.51.100.1')
  expect(await passes()).toHaveLength(PASSES_MAX)
})
