/** While users are being enrolled, trouble of the old server must not tell which names there are. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createReachable } from '../../../src/keeper/reachable.ts'
import { AWAY, backend, createWorld, HOME, policyOf, type World } from '../../support/login-world.ts'
import type { BackendState } from '../../../src/keeper/backends.ts'

const roster = new Map(
  ['ann', 'bob', 'eve', ...Array.from({ length: 9 }, (_, n) => `user${n}`)].map((one) => [one, one]),
)
const rolling = (max_sessions = 200) =>
  policyOf({ users: { roster }, second_factor: { required_for: 'enrolled' }, backends: [backend({ max_sessions })] })

const worlds: World[] = []
async function enrolling(policy = rolling()): Promise<World> {
  const world = createWorld(policy)
  worlds.push(world)
  await world.enroll('ann')
  await world.login('ann', `secret${world.code('ann')}`, HOME)
  world.pass(60_000)
  return world
}
afterEach(() => {
  vi.useRealTimers()
  for (const world of worlds.splice(0)) world.end()
})

/** What a client hears of each: a name of the roster, one that is enrolled, two that nobody has. */
async function heard(world: World): Promise<unknown[]> {
  const asked = await world.authenticate('bob', 'guess', AWAY)
  const bob = asked.answer.say === 'proceed' ? await world.settle(asked, 'unavailable') : asked.answer
  const others = ['ann', 'nobody', 'no@body.example'].map(async (user) => (await world.authenticate(user, 'guess', AWAY)).answer) // prettier-ignore
  return [bob, ...(await Promise.all(others))]
}

describe('while users are being enrolled', () => {
  test('and the old server is down, every name hears the same at the same time', async () => {
    const world = await enrolling()
    world.down.add('old')
    expect(await heard(world)).toEqual(Array(4).fill({ say: 'trouble', holdMs: 3000 }))
    // The audit tells the truth.
    expect(world.reasons()).toEqual(['backend-unavailable', 'code-missing', 'unknown-user', 'unknown-user'])
    expect(world.asked.at(-1)).toBe('bob/guess')
  })

  test('an old server that takes its time to be down slows the others as much', async () => {
    const world = await enrolling()
    world.down.add('old')
    const asked = await world.authenticate('bob', 'guess', AWAY)
    world.pass(7000)
    expect(await world.settle(asked, 'unavailable')).toEqual({ say: 'trouble', holdMs: 250 })
    expect((await world.authenticate('nobody', 'guess', AWAY)).answer).toEqual({ say: 'trouble', holdMs: 7250 })
  })

  test('and the old server is full, every name hears the same, as late', async () => {
    const world = await enrolling(rolling(1))
    vi.useFakeTimers()
    const all = ['bob', 'nobody', 'ann'].map((user) => world.authenticate(user, 'guess', AWAY))
    const done: string[] = []
    for (const [i, one] of all.entries()) void one.then(({ answer }) => done.push(`${i} ${answer.say}`))
    await vi.advanceTimersByTimeAsync(4999)
    expect(done).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(done.toSorted()).toEqual(['0 trouble', '1 trouble', '2 trouble'])
  })

  test('a place that comes free is the next one’s who may have it; who is refused takes none', async () => {
    const world = await enrolling(rolling(1))
    const first = world.opened.at(-1) ?? ''
    const nobody = Array.from({ length: 5 }, (_, n) => world.authenticate('nobody', `x${n}`, AWAY))
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    const bob = world.authenticate('bob', 'guess', AWAY)
    await new Promise(setImmediate)
    world.judge.release(first)
    expect((await bob).answer.say).toBe('proceed')
    for (const one of nobody) expect((await one).answer.say).toBe('refuse')
  })

  test('and all is well, who is refused hears a refusal', async () => {
    const world = await enrolling()
    const answers = ['ann', 'nobody'].map(async (user) => (await world.authenticate(user, 'guess', AWAY)).answer)
    expect(await Promise.all(answers)).toEqual(Array(2).fill({ say: 'refuse', holdMs: 3000 }))
  })

  test('nobody unknown gets in, whatever the old server would say', async () => {
    const world = await enrolling()
    for (const state of ['up', 'down']) {
      if (state === 'down') world.down.add('old')
      const { answer } = await world.authenticate('nobody', `secret ${state}`, AWAY)
      expect(answer.say).not.toBe('proceed')
    }
  })
})

test('once all need a code, trouble is told at once and to those alone who got so far', async () => {
  const world = await enrolling(policyOf())
  world.down.add('old')
  const { answer } = await world.authenticate('nobody', 'x', AWAY)
  expect(answer).toEqual({ say: 'refuse', holdMs: 3000 })
  const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
  expect(await world.settle(tried, 'unavailable')).toEqual({ say: 'trouble' })
})

describe('whether an old server could be asked', () => {
  const state = (up: boolean | null, name = 'old'): BackendState => ({ backend: name, address: 'x', up, detail: '' })

  test('is looked at once a second, however many ask', async () => {
    let now = 0
    let looked = 0
    let states = [state(true)]
    const probeAll = () => {
      looked += 1
      return Promise.resolve()
    }
    const reachable = createReachable(() => ({ probeAll, states: () => states }), {
      now: () => 0,
      monotonic: () => now,
    })
    expect(await Promise.all(Array.from({ length: 50 }, () => reachable('old', 100)))).toEqual(Array(50).fill(true))
    states = [state(false), state(false, 'other')]
    expect(await reachable('old', 100)).toBe(false)
    expect(looked).toBe(1)
    now = 1000
    states = [state(false), state(true)]
    expect(await reachable('old', 100)).toBe(true)
    expect(await reachable('unknown', 100)).toBe(true)
    expect(looked).toBe(2)
  })

  test('is answered in time from what was known before, when it does not answer', async () => {
    vi.useFakeTimers()
    const never = () => new Promise<void>(() => undefined)
    const reachable = createReachable(() => ({ probeAll: never, states: () => [state(false)] }), { now: () => 0, monotonic: () => 0 }) // prettier-ignore
    const asked = reachable('old', 3000)
    await vi.advanceTimersByTimeAsync(3000)
    expect(await asked).toBe(false)
  })
})
