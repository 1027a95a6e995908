/** Between the judgement and the old server's answer: codes in flight, tokens, places, and everything that can break. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  AWAY,
  backend,
  createWorld,
  factorsOf,
  HOME,
  HOME_NEIGHBOUR,
  HOUR,
  OFFICE,
  policyOf,
  type World,
} from '../../support/login-world.ts'

const worlds: World[] = []
async function worldOf(...args: Parameters<typeof createWorld>): Promise<World> {
  const world = createWorld(...args)
  worlds.push(world)
  await world.enroll('ann')
  world.events.length = 0
  return world
}
afterEach(() => {
  vi.useRealTimers()
  for (const world of worlds.splice(0)) world.end()
})
const turns = async () => {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve))
}

describe('one fresh string, four connections', () => {
  test('from two devices: one device gets in, the other hears that the code is used', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const outcomes = await Promise.all(
      [HOME, AWAY, HOME_NEIGHBOUR, AWAY].map((from) => world.login('ann', typed, from)),
    )
    expect(outcomes).toEqual(['welcome', expect.stringContaining('code-replayed'), 'welcome', expect.anything()])
    const ips = new Set(
      world.events.flatMap((event) => (event.action === 'login-succeeded' ? [event.connection.ip.split('.')[0]] : [])),
    )
    expect(ips).toEqual(new Set(['192']))
    expect(world.reasons()).toEqual(['code-replayed', 'code-replayed'])
  })

  test('from one device: all get in, one of them by the code', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const outcomes = await Promise.all(
      [HOME, HOME, HOME_NEIGHBOUR, HOME].map((from) => world.login('ann', typed, from)),
    )
    expect(outcomes).toEqual(['welcome', 'welcome', 'welcome', 'welcome'])
    expect(factorsOf(world).toSorted()).toEqual(['totp', 'trusted-device', 'trusted-device', 'trusted-device'])
    expect(world.events.filter((event) => event.action === 'device-trusted')).toHaveLength(1)
  })

  test('from one device with a wrong password: the old server is asked once', async () => {
    const world = await worldOf()
    const typed = `wrong${world.code('ann')}`
    await Promise.all([1, 2, 3, 4].map(() => world.login('ann', typed, HOME)))
    expect(world.asked).toEqual(['ann/wrong'])
    expect(world.reasons().toSorted()).toEqual(['password-wrong', 'stale-repeat', 'stale-repeat', 'stale-repeat'])
  })

  test('where every login needs a code: one gets in', async () => {
    const world = await worldOf(policyOf({ trusted_device: { for: null } }))
    const typed = `secret${world.code('ann')}`
    await Promise.all([1, 2, 3].map(() => world.login('ann', typed, HOME)))
    expect(factorsOf(world)).toEqual(['totp'])
    expect(world.reasons()).toEqual(['code-replayed', 'code-replayed'])
  })

  test('two passwords with one code from one device: no more than one is proven', async () => {
    const world = await worldOf()
    const code = world.code('ann')
    const outcomes = Promise.all(
      ['secret', 'other'].map((password) => world.login('ann', `${password}${code}`, HOME, password)),
    )
    expect(await outcomes).toContain('welcome')
    expect(factorsOf(world)).toEqual(['totp'])
  })
})

describe('a code in flight', () => {
  test('makes its repeat wait, and nothing goes to the old server meanwhile', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    const second = world.authenticate('ann', typed, HOME)
    await turns()
    expect(world.asked).toHaveLength(1)
    expect(await world.settle(first, 'proven')).toEqual({ say: 'welcome' })
    expect((await second).answer.say).toBe('proceed')
    expect(await world.settle(await second, 'proven')).toEqual({ say: 'welcome' })
  })

  test.each(['busy', 'unavailable'] as const)('is free again when the old server is %s, for any device', async (at) => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    expect(await world.settle(first, at)).toEqual({ say: at === 'busy' ? 'busy' : 'trouble' })
    expect(world.reasons()).toEqual([`backend-${at}`])
    expect(await world.login('ann', typed, AWAY)).toBe('welcome')
    expect(factorsOf(world)).toEqual(['totp'])
  })

  test('makes one who waits the next to try, when the old server was busy', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    const second = world.authenticate('ann', typed, HOME)
    await turns()
    await world.settle(first, 'busy')
    expect(await world.settle(await second, 'proven')).toEqual({ say: 'welcome' })
    expect(factorsOf(world)).toEqual(['totp'])
  })

  test('is free again when its connection is gone', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    world.judge.release(first.session)
    expect(world.reasons()).toEqual(['aborted'])
    await turns()
    expect(await world.login('ann', typed, AWAY)).toBe('welcome')
    expect(await world.settle(first, 'proven')).toEqual({ say: 'trouble' })
    expect(world.breaches).toHaveLength(1)
    expect(world.opened).toHaveLength(1)
  })

  test('that nobody settles before a restart is given to the same string and device alone', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    world.restart()
    expect(await world.settle(first, 'proven')).toEqual({ say: 'trouble' })
    expect(await world.login('ann', typed, AWAY)).toBe('code-replayed')
    expect(await world.login('ann', `other${world.code('ann')}`, HOME)).toBe('code-replayed')
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
  })

  test('lets a repeat wait for fifteen seconds, then it is our own trouble', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    await world.authenticate('ann', typed, HOME)
    const second = world.authenticate('ann', typed, HOME)
    await turns()
    world.pass(15_000)
    await vi.advanceTimersByTimeAsync(15_000)
    expect((await second).answer).toEqual({ say: 'trouble' })
    expect(world.reasons()).toEqual(['backend-unavailable'])
  })

  test('is not taken by one who waited too long, even when it comes free', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    const second = world.authenticate('ann', typed, HOME)
    await turns()
    world.pass(15_000)
    await world.settle(first, 'busy')
    expect((await second).answer).toEqual({ say: 'trouble' })
  })

  test('lets twenty wait and no more', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    const waiting = Array.from({ length: 25 }, () => world.login('ann', typed, HOME))
    await turns()
    expect(world.reasons()).toHaveLength(5)
    await world.settle(first, 'proven')
    expect((await Promise.all(waiting)).filter((outcome) => outcome === 'welcome')).toHaveLength(20)
  })

  test('a waiter whose connection closes is gone at once and takes nothing', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    const second = world.authenticate('ann', typed, HOME, 'leaver')
    await turns()
    world.judge.release('leaver')
    expect((await second).answer).toEqual({ say: 'trouble' })
    expect(world.reasons()).toEqual(['aborted'])
    expect(await world.settle(first, 'proven')).toEqual({ say: 'welcome' })
  })
})

describe('a password that the old server refused', () => {
  test('is not sent again for a quarter of an hour, with a fresh code or without', async () => {
    const world = await worldOf()
    const typed = `wrong${world.code('ann')}`
    expect(await world.login('ann', typed, HOME)).toBe('password-wrong')
    expect(await world.login('ann', typed, HOME)).toBe('stale-repeat')
    world.pass(60_000)
    expect(await world.login('ann', `wrong${world.code('ann')}`, AWAY)).toBe('stale-repeat')
    expect(world.asked).toEqual(['ann/wrong'])
    world.pass(900_000)
    expect(await world.login('ann', `wrong${world.code('ann')}`, AWAY)).toBe('password-wrong')
  })

  test('spends no code: the right one gets in with it', async () => {
    const world = await worldOf()
    await world.login('ann', `wrong${world.code('ann')}`, HOME)
    world.pass(60_000)
    expect(await world.login('ann', `wrong${world.code('ann')}`, AWAY)).toBe('stale-repeat')
    expect(await world.login('ann', `secret${world.code('ann')}`, AWAY)).toBe('welcome')
  })

  test('leaves its code good for the slip of a finger there, and worthless elsewhere', async () => {
    const world = await worldOf()
    const code = world.code('ann')
    expect(await world.login('ann', `secrte${code}`, HOME)).toBe('password-wrong')
    expect(await world.login('ann', `secret${code}`, AWAY)).toBe('code-replayed')
    expect(await world.login('ann', `secret${code}`, HOME)).toBe('welcome')
  })

  test('is one user’s and one backend’s', async () => {
    const world = await worldOf()
    await world.enroll('bob')
    await world.login('ann', `wrong${world.code('ann')}`, HOME)
    expect(await world.login('bob', `wrong${world.code('bob')}`, HOME)).toBe('password-wrong')
  })

  test('stays burnt with its code across a restart', async () => {
    const world = await worldOf(policyOf({ backends: [backend({ remember_refused: 0 })] }))
    const typed = `wrong${world.code('ann')}`
    await world.login('ann', typed, HOME)
    world.restart()
    expect(await world.login('ann', typed, HOME)).toBe('stale-repeat')
    expect(await world.login('ann', typed, AWAY)).toBe('code-replayed')
    expect(world.asked).toHaveLength(1)
  })

  test('of a trusted device: the old server is asked once, and a new password with a new code gets in', async () => {
    const world = await worldOf()
    const stored = `secret${world.code('ann')}`
    await world.login('ann', stored, HOME)
    expect(await world.login('ann', stored, HOME, 'changed')).toBe('password-wrong')
    expect(await world.login('ann', stored, HOME, 'changed')).toBe('stale-repeat')
    world.pass(60_000)
    expect(await world.login('ann', `changed${world.code('ann')}`, HOME, 'changed')).toBe('welcome')
  })
})

describe('a refusal', () => {
  test('takes as long whatever its cause', async () => {
    const world = await worldOf()
    const holds = new Set<unknown>()
    for (const [user, typed] of [
      ['bob', 'x'],
      ['ann', 'secret'],
      ['ann', 'secret000000'],
      ['\0', 'x'],
      ['ann', ''],
    ] as const) {
      const { answer } = await world.authenticate(user, typed, HOME)
      holds.add(answer.say === 'refuse' && answer.holdMs)
    }
    const asked = await world.authenticate('ann', `wrong${world.code('ann')}`, HOME)
    world.pass(1200)
    const settled = await world.settle(asked, 'refuted')
    holds.add(settled.say === 'refuse' && settled.holdMs + 1200)
    expect(holds).toEqual(new Set([3000]))
  })

  test('takes as long as the old server’s own, when that is slow', async () => {
    const world = await worldOf()
    const asked = await world.authenticate('ann', `wrong${world.code('ann')}`, HOME)
    world.pass(5000)
    expect(await world.settle(asked, 'refuted')).toEqual({ say: 'refuse', holdMs: 250 })
    expect((await world.authenticate('bob', 'x', HOME)).answer).toEqual({ say: 'refuse', holdMs: 5250 })
  })
})

describe('the token', () => {
  test.each<[string, (token: string) => string]>([
    ['wrong', (token) => token.replace(/^./, (sign) => (sign === 'A' ? 'B' : 'A'))],
    ['cut', (token) => token.slice(1)],
    ['empty', () => ''],
  ])('that is %s lets nobody in and is a breach', async (_, change) => {
    const world = await worldOf()
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    const token = tried.answer.say === 'proceed' ? tried.answer.token : ''
    expect(await world.judge.settle(tried.session, change(token), { at: 'proven', tookMs: 1 })).toEqual({
      say: 'trouble',
    })
    expect(world.breaches).toHaveLength(1)
    expect(world.opened).toEqual([])
  })

  test('of another session lets nobody in', async () => {
    const world = await worldOf()
    await world.enroll('bob')
    const ann = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    const bob = await world.authenticate('bob', `secret${world.code('bob')}`, HOME)
    const swapped = { session: ann.session, answer: bob.answer }
    expect(await world.settle(swapped, 'proven')).toEqual({ say: 'trouble' })
    expect(world.breaches).toHaveLength(1)
  })

  test.each(['proven', 'refuted'] as const)('is good once: after %s it is a breach', async (at) => {
    const world = await worldOf()
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    const both = await Promise.all([world.settle(tried, at), world.settle(tried, 'proven')])
    expect(both.map((answer) => answer.say)).toEqual([at === 'proven' ? 'welcome' : 'refuse', 'trouble'])
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(world.breaches).toHaveLength(2)
    expect(world.opened).toHaveLength(at === 'proven' ? 1 : 0)
  })

  test('without a login before it is a breach', async () => {
    const world = await worldOf()
    expect(await world.judge.settle('nobody', '', { at: 'proven', tookMs: 1 })).toEqual({ say: 'trouble' })
    expect(await world.judge.settle('nobody', 'x', { at: 'proven', tookMs: 1 })).toEqual({ say: 'trouble' })
    const refused = await world.authenticate('ann', 'secret', HOME, 'refused')
    expect(await world.judge.settle(refused.session, '', { at: 'proven', tookMs: 1 })).toEqual({ say: 'trouble' })
    expect(world.breaches).toHaveLength(3)
  })

  test('that comes back after more than an hour is too late', async () => {
    const world = await worldOf()
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    world.pass(3_900_001)
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(world.opened).toEqual([])
  })
})

describe('a connection', () => {
  test('has one login at a time, and none once it is in', async () => {
    const world = await worldOf()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME, 'one')
    expect((await world.authenticate('ann', typed, HOME, 'one')).answer).toEqual({ say: 'trouble' })
    expect(await world.settle(first, 'proven')).toEqual({ say: 'welcome' })
    expect((await world.authenticate('ann', typed, HOME, 'one')).answer).toEqual({ say: 'trouble' })
    expect(world.opened).toEqual(['one'])
  })

  test('may try again after a refusal, of ours or of the old server', async () => {
    const world = await worldOf()
    await world.authenticate('ann', 'secret', HOME, 'one')
    const second = await world.authenticate('ann', `wrong${world.code('ann')}`, HOME, 'one')
    await world.settle(second, 'refuted')
    const third = await world.authenticate('ann', `secret${world.code('ann')}`, HOME, 'one')
    expect(await world.settle(third, 'proven')).toEqual({ say: 'welcome' })
  })

  test('that is gone while the store writes opens no session', async () => {
    const world = await worldOf()
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    const settled = world.settle(tried, 'proven')
    world.judge.release(tried.session)
    expect(await settled).toEqual({ say: 'trouble' })
    expect(world.opened).toEqual([])
    expect(world.events.map((event) => event.action)).toEqual(['login-failed'])
  })

  test('released twice, or never known, is no trouble', async () => {
    const world = await worldOf()
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    world.judge.release(tried.session)
    world.judge.release(tried.session)
    world.judge.release('nobody')
    await turns()
    expect(world.reasons()).toEqual(['aborted'])
    expect(world.broken).toEqual([])
  })
})

describe('places at the backend', () => {
  const small = () => policyOf({ backends: [backend({ max_sessions: 1 })] })

  test('are held by sessions and come free with them', async () => {
    const world = await worldOf(small())
    const stored = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', stored, HOME)
    await world.settle(first, 'proven')
    const second = world.authenticate('ann', stored, HOME)
    await turns()
    expect(world.asked).toHaveLength(1)
    world.judge.release(first.session)
    expect((await second).answer.say).toBe('proceed')
  })

  test.each(['refuted', 'busy', 'unavailable'] as const)(
    'come free when the old server is done with a login: %s',
    async (at) => {
      const world = await worldOf(small())
      await world.enroll('bob')
      await world.settle(await world.authenticate('ann', `wrong${world.code('ann')}`, HOME), at)
      expect(await world.login('bob', `secret${world.code('bob')}`, HOME)).toBe('welcome')
    },
  )

  test('that do not come free are trouble, not a failure of the user, and the code stays good', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const world = await worldOf(small())
    await world.enroll('bob')
    const first = await world.authenticate('bob', `secret${world.code('bob')}`, HOME)
    const typed = `secret${world.code('ann')}`
    const late = world.authenticate('ann', typed, HOME)
    await turns()
    await vi.advanceTimersByTimeAsync(5000)
    expect((await late).answer).toEqual({ say: 'trouble' })
    expect(world.reasons()).toEqual(['backend-busy'])
    world.judge.release(first.session)
    expect(await world.login('ann', typed, OFFICE)).toBe('welcome')
  })
})

describe('when something inside fails', () => {
  const fault = () => Promise.reject(new Error('disk'))

  test.each(['dossier', 'claim'] as const)('store.%s: our own trouble, and nobody gets in', async (name) => {
    const world = await worldOf(policyOf(), (context) => ({ ...context, store: { ...context.store, [name]: fault } }))
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('trouble')
    expect(world.reasons()).toEqual(['internal-error'])
    expect(world.asked).toEqual([])
    expect(world.broken).toHaveLength(1)
  })

  test.each(['prove', 'free', 'burn'] as const)('store.%s: our own trouble, and nobody gets in', async (name) => {
    const world = await worldOf(policyOf(), (context) => ({ ...context, store: { ...context.store, [name]: fault } }))
    const at = { prove: 'proven', free: 'unavailable', burn: 'refuted' } as const
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    expect(await world.settle(tried, at[name])).toEqual({ say: 'trouble' })
    expect(world.opened).toEqual([])
    expect(world.broken.length).toBeGreaterThan(0)
    expect(world.reasons()).toHaveLength(1)
    expect((await world.store.dossier('ann')).trusted).toEqual([])
  })

  test('an audit that cannot be written: nobody gets in', async () => {
    const world = await worldOf(policyOf(), (context) => ({ ...context, durable: fault }))
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect((await world.authenticate('ann', 'x', HOME, tried.session)).answer).toEqual({ say: 'trouble' })
  })

  test('welcome waits for the audit', async () => {
    let release = () => {}
    const durable = new Promise<void>((resolve) => (release = resolve))
    const world = await worldOf(policyOf(), (context) => ({ ...context, durable: () => durable }))
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    let answer: unknown
    void world.settle(tried, 'proven').then((settled) => (answer = settled))
    await turns()
    expect(world.events.map((event) => event.action)).toEqual(['device-trusted', 'login-succeeded', 'session-opened'])
    expect(answer).toBeUndefined()
    release()
    await turns()
    expect(answer).toEqual({ say: 'welcome' })
  })

  test('an audit that throws at every line: nobody gets in', async () => {
    const emit = () => {
      throw new Error('journal')
    }
    const world = await worldOf(policyOf(), (context) => ({ ...context, emit }))
    expect((await world.authenticate('ann', 'secret', HOME)).answer).toEqual({ say: 'trouble' })
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    world.judge.release(tried.session)
  })

  test('a seed that was altered, or put there from another user, opens nothing', async () => {
    const world = await worldOf()
    await world.enroll('bob')
    const stolen = (await world.store.dossier('bob')).user?.sealedSeed ?? Buffer.alloc(0)
    await world.store.enroll({ user: 'ann', enrolment: 'x', sealedSeed: stolen, recovery: [], at: 0, replace: true })
    expect(await world.login('ann', `secret${world.code('bob')}`, HOME)).toBe('trouble')
    expect(world.reasons()).toEqual(['internal-error'])
    expect(world.asked).toEqual([])
  })

  test('a connection without an address gets nowhere', async () => {
    const world = await worldOf()
    expect((await world.authenticate('ann', `secret${world.code('ann')}`, { ip: 'x', client: 'y' })).answer).toEqual({
      say: 'trouble',
    })
  })
})

describe('a reload of the policies', () => {
  test('does not change a login under way', async () => {
    const world = await worldOf()
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    world.policy = policyOf({ trusted_device: { for: null }, failures: { reply_after: 9000 } })
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'welcome' })
    expect((await world.store.dossier('ann')).trusted).toHaveLength(1)
  })

  test('that shortens trust counts at once', async () => {
    const world = await worldOf()
    const stored = `secret${world.code('ann')}`
    await world.login('ann', stored, HOME)
    world.pass(2 * HOUR)
    world.policy = policyOf({ trusted_device: { for: HOUR } })
    expect(await world.login('ann', stored, HOME)).toBe('trust-expired')
  })
})
