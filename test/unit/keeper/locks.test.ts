import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { perform } from '../../../src/keeper/commands.ts'
import { allowancesOf } from '../../../src/keeper/failures.ts'
import { peekLocks } from '../../../src/state/peek.ts'
import { AWAY, createWorld, HOUR, type World } from '../../support/login-world.ts'
import type { LockRow } from '../../../src/keeper/locks.ts'

let world: World
beforeEach(async () => {
  world = createWorld()
  await world.enroll('ann')
  for (let n = 0; n < 10; n++) await world.login('ann', `guess${n}`, AWAY)
  for (let n = 0; n < 10; n++) await world.login(`nobody${n}`, 'x', AWAY)
})
afterEach(() => {
  world.end()
})

const list = async () => (await perform(world.users, 'lock.list', {})) as LockRow[]
const clear = async (whose: string) => (await perform(world.users, 'lock.clear', { whose })) as LockRow[]
const cleared = () => world.events.filter((event) => event.action === 'lock-cleared')
const fresh = () => world.login('ann', `secret${world.code('ann')}`, AWAY)

const ANN = { kind: 'user', user: 'ann', network: '198.51.100.0/24', since: '2026-01-05T08:00:00.000Z', until: '2026-01-05T08:15:00.000Z' } // prettier-ignore
const PLACE = { ...ANN, kind: 'address', user: null, network: '198.51.100.7' }

describe('lock list', () => {
  test('names what is locked until when, and no longer than it is', async () => {
    expect(await list()).toEqual([ANN, PLACE])
    expect(await world.store.countLocks(world.now())).toBe(2)
    world.pass(HOUR / 4)
    expect(await list()).toEqual([])
    expect(await world.store.countLocks(world.now())).toBe(0)
  })

  test('is what `explain` reads from the files of the running server', async () => {
    const seen = peekLocks(world.folder, allowancesOf(world.policy, 'ann', AWAY.ip), '198.51.100.0/24', world.now())
    expect(seen?.locks.map(({ kind }) => kind)).toEqual(['address', 'user'])
    expect(seen?.known).toBe(false)
    expect(peekLocks(world.folder, allowancesOf(world.policy, 'bob', '192.0.2.1'), '192.0.2.0/24', 0)).toEqual({ locks: [], known: false }) // prettier-ignore
    expect(peekLocks(`${world.folder}/none`, [], '', 0)).toBeNull()
  })
})

describe('lock clear', () => {
  test('of a user ends his locks, forgets his failures and strings, and is audited', async () => {
    expect(await clear('ANN')).toEqual([ANN])
    expect(cleared()).toEqual([{ stream: 'admin', action: 'lock-cleared', user: 'ann', locks: 1 }])
    expect(await list()).toEqual([PLACE])
    await clear('198.51.100.7')
    expect(await world.login('ann', 'guess0', AWAY)).toBe('code-missing')
    expect(await fresh()).toBe('welcome')
  })

  test.each(['198.51.100.0/24', '198.51.100.7', '198.51.0.0/16'])(
    'of %s ends what is locked in it, also users, and counts begin anew',
    async (network) => {
      expect(await clear(network)).toEqual([ANN, PLACE])
      expect(cleared()).toEqual([{ stream: 'admin', action: 'lock-cleared', network, locks: 2 }])
      expect(await list()).toEqual([])
      for (let n = 20; n < 29; n++) expect(await world.login('ann', `guess${n}`, AWAY)).toBe('code-missing')
      expect(await fresh()).toBe('welcome')
    },
  )

  test('of what is not locked says so, and changes nothing', async () => {
    await expect(clear('bob')).rejects.toThrow('nothing is locked or counted for bob')
    await expect(clear('192.0.2.0/24')).rejects.toThrow('nothing is locked or counted for 192.0.2.0/24')
    await expect(clear('192.0.2.1/24')).rejects.toThrow('has bits set behind /24')
    await expect(clear('no name')).rejects.toThrow("'no name' is neither a user nor a network")
    expect(await list()).toHaveLength(2)
    expect(cleared()).toEqual([])
  })
})

test('a user who is removed leaves no count, lock or string behind', async () => {
  await perform(world.users, 'user.remove', { user: 'ann' })
  expect(await list()).toEqual([PLACE])
  await expect(clear('ann')).rejects.toThrow('nothing is locked')
})
