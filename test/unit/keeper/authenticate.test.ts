/** (state of the user) x (what was typed) x (where from) -> who gets in, what the old server hears, what the audit says. */
import { afterEach, describe, expect, test } from 'vitest'
import {
  AWAY,
  backend,
  createWorld,
  factorsOf,
  HOME,
  HOME_NEIGHBOUR,
  HOME_OTHER_CLIENT,
  HOUR,
  OFFICE,
  policyOf,
  START,
  type Place,
  type World,
} from '../../support/login-world.ts'

const worlds: World[] = []
function worldOf(...args: Parameters<typeof createWorld>): World {
  const world = createWorld(...args)
  worlds.push(world)
  return world
}
afterEach(() => {
  for (const world of worlds.splice(0)) {
    expect(world.broken).toEqual([])
    world.end()
  }
})

/** A user who has proven `secret` and a code from home, a minute ago. */
async function trusting(policy = policyOf()): Promise<{ world: World; stored: string; recovery: string[] }> {
  const world = worldOf(policy)
  const { recovery_codes: recovery } = await world.enroll('ann')
  const stored = `secret${world.code('ann')}`
  expect(await world.login('ann', stored, HOME)).toBe('welcome')
  world.pass(60_000)
  world.asked.length = 0
  world.events.length = 0
  return { world, stored, recovery }
}

describe('a user who is not enrolled', () => {
  test.each(['bob', '', 'ann\0', 'no such user', 'x'.repeat(5000)])(
    'named "%.20s" is unknown, whatever is typed',
    async (name) => {
      const world = worldOf()
      await world.enroll('ann')
      for (const typed of ['secret', 'secret123456', 'secretabcde-fgh23', '']) {
        const { answer } = await world.authenticate(name, typed, HOME)
        expect(answer).toEqual({ say: 'refuse', holdMs: 3000 })
      }
      expect(world.asked).toEqual([])
      expect(new Set(world.reasons())).toEqual(new Set(['unknown-user', 'malformed']))
    },
  )

  test('of a domain that no backend serves is unknown', async () => {
    const world = worldOf(policyOf({ backends: [backend({ domains: ['example.com'] })] }))
    await world.enroll('ann@other.example')
    expect(await world.login('ann@other.example', `secret${world.code('ann@other.example')}`, HOME)).toBe(
      'unknown-user',
    )
    expect(world.asked).toEqual([])
  })
})

describe('an enrolled user', () => {
  test.each<[string, (code: string, recovery: string) => string, string]>([
    ['password and code', (code) => `secret${code}`, 'welcome'],
    ['wrong password and code', (code) => `wrong${code}`, 'password-wrong'],
    ['the password alone', () => 'secret', 'code-missing'],
    ['the code alone', (code) => code, 'code-missing'],
    ['a wrong code', (code) => `secret${code === '000000' ? '000001' : '000000'}`, 'code-wrong'],
    ['the code before the password', (code) => `${code}secret`, 'code-missing'],
    ['a code that is cut', (code) => `secret${code.slice(1)}`, 'code-missing'],
    ['password and recovery code', (_, recovery) => `secret${recovery}`, 'welcome'],
    ['a recovery code in capitals', (_, recovery) => `secret${recovery.toUpperCase()}`, 'welcome'],
    ['wrong password and recovery code', (_, recovery) => `wrong${recovery}`, 'password-wrong'],
    ['an unknown recovery code', () => 'secretabcde-fgh23', 'code-wrong'],
    ['nothing', () => '', 'malformed'],
    ['a line end within', (code) => `sec\r\nDELE 1\r\n${code}`, 'malformed'],
    ['a NUL within', (code) => `sec\0ret${code}`, 'malformed'],
  ])('who types %s', async (_, typed, expected) => {
    const world = worldOf()
    const { recovery_codes } = await world.enroll('ann')
    expect(await world.login('ann', typed(world.code('ann'), recovery_codes[3] ?? ''), HOME)).toBe(expected)
    expect(world.asked).toHaveLength(expected === 'welcome' || expected === 'password-wrong' ? 1 : 0)
    expect(world.reasons()).toEqual(expected === 'welcome' ? [] : [expected])
  })

  test.each([
    [-21, 'code-wrong'],
    [-20, 'code-clock-skew'],
    [-2, 'code-clock-skew'],
    [-1, 'welcome'],
    [1, 'welcome'],
    [2, 'code-clock-skew'],
    [20, 'code-clock-skew'],
    [21, 'code-wrong'],
  ])('a code %i steps away', async (steps, expected) => {
    const world = worldOf()
    await world.enroll('ann')
    expect(await world.login('ann', `secret${world.code('ann', steps)}`, HOME)).toBe(expected)
  })

  test('a code of another time opens nothing, and the audit says how far off its clock is', async () => {
    const world = worldOf()
    await world.enroll('ann')
    expect(await world.login('ann', `secret${world.code('ann', 7)}`, HOME)).toBe('code-clock-skew')
    expect(world.events.at(-1)).toMatchObject({ reason: 'code-clock-skew', skewSeconds: 210 })
    expect(await world.login('ann', `secret${world.code('ann', -7)}`, HOME)).toBe('code-clock-skew')
    expect(world.events.at(-1)).toMatchObject({ skewSeconds: -210 })
    expect(world.asked).toEqual([])
    // When its time comes the string stays refused, as every string that was; the next code is good.
    const later = world.code('ann', 7)
    world.pass(7 * 30_000)
    expect(await world.login('ann', `secret${later}`, HOME)).toBe('stale-repeat')
    expect(await world.login('ann', `secret${world.code('ann', 1)}`, HOME)).toBe('welcome')
  })

  test('a code no newer than one that was proven is a replay, whatever clock it comes from', async () => {
    const world = worldOf()
    await world.enroll('ann')
    const [before, proven, after] = [-3, 0, 1].map((steps) => world.code('ann', steps))
    expect(await world.login('ann', `secret${proven}`, HOME)).toBe('welcome')
    world.pass(5 * 30_000)
    for (const code of [before, proven]) expect(await world.login('ann', `sesame${code}`, AWAY)).toBe('code-replayed')
    expect(await world.login('ann', `sesame${after}`, AWAY)).toBe('code-clock-skew')
  })

  test('a code of another time says nothing of a user who has none', async () => {
    const world = worldOf()
    await world.enroll('bob')
    expect(await world.login('ann', `secret${world.code('bob', 5)}`, HOME)).toBe('unknown-user')
  })

  test('a code of another user is worth nothing', async () => {
    const world = worldOf()
    await world.enroll('ann')
    await world.enroll('bob')
    expect(await world.login('ann', `secret${world.code('bob')}`, HOME)).toBe('code-wrong')
  })

  test('the old server hears the user in its own form and the password without code and separator', async () => {
    const world = worldOf(
      policyOf({
        users: { default_domain: 'example.com', strip_prefix: ['CORP\\'] },
        totp: { separator: ',' },
        backends: [backend({ username: '{local}' })],
      }),
    )
    await world.enroll('ann')
    await world.login('CORP\\Ann', `secret,${world.code('ann')}`, HOME)
    expect(world.asked).toEqual(['ann/secret'])
    expect(world.events.at(-1)).toMatchObject({ action: 'session-opened', user: 'ann@example.com', backend: 'old' })
  })

  test('every reading of a name is one user: a code used under one spelling is used', async () => {
    const world = worldOf(policyOf({ users: { default_domain: 'example.com' } }))
    await world.enroll('ann')
    const typed = `secret${world.code('ann')}`
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    expect(await world.login('ANN@EXAMPLE.COM', typed, AWAY)).toBe('code-replayed')
    expect(await world.login('ANN@EXAMPLE.COM', typed, HOME)).toBe('welcome')
    expect(factorsOf(world)).toEqual(['totp', 'trusted-device'])
  })

  test('where codes are no method of policy, neither codes nor what they left behind count', async () => {
    const { world, stored, recovery } = await trusting()
    world.policy = policyOf({ second_factor: { methods: ['app_password'] } })
    for (const typed of [stored, `secret${world.code('ann')}`, `secret${recovery[0]}`, 'secret']) {
      expect(await world.login('ann', typed, HOME)).toBe('rule')
    }
    expect(world.asked).toEqual([])
  })

  test('frozen, gets in with nothing', async () => {
    const { world, stored } = await trusting()
    await world.store.freeze('ann', { at: START, reason: 'lost phone' })
    expect(await world.login('ann', stored, HOME)).toBe('frozen')
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('frozen')
    expect(world.asked).toEqual([])
  })
})

describe('a string that was proven from home', () => {
  test.each<[string, Place, string]>([
    ['from there', HOME, 'welcome'],
    ['from the same network', HOME_NEIGHBOUR, 'welcome'],
    ['from another network', AWAY, 'code-replayed'],
    ['from another program there', HOME_OTHER_CLIENT, 'code-replayed'],
    ['from a program without a fingerprint', { ...HOME, client: '' }, 'code-replayed'],
  ])('typed again %s', async (_, from, expected) => {
    const { world, stored } = await trusting()
    expect(await world.login('ann', stored, from)).toBe(expected)
    expect(factorsOf(world)).toEqual(expected === 'welcome' ? ['trusted-device'] : [])
    expect(world.asked).toEqual(expected === 'welcome' ? ['ann/secret'] : [])
  })

  test('is good until its time has passed, however often it is used', async () => {
    const { world, stored } = await trusting()
    for (let polls = 0; polls < 11; polls++) {
      world.pass(HOUR)
      expect(await world.login('ann', stored, HOME)).toBe('welcome')
    }
    world.pass(HOUR - 60_000 - 1)
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
    world.pass(1)
    expect(await world.login('ann', stored, HOME)).toBe('trust-expired')
    expect(await world.login('ann', stored, AWAY)).toBe('code-replayed')
  })

  test('idle too long is refused', async () => {
    const { world, stored } = await trusting(policyOf({ trusted_device: { idle: HOUR } }))
    world.pass(HOUR - 60_001)
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
    world.pass(HOUR - 1)
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
    world.pass(HOUR)
    expect(await world.login('ann', stored, HOME)).toBe('trust-expired')
  })

  test('where every login needs a code is a used code', async () => {
    const { world, stored } = await trusting(policyOf({ trusted_device: { for: null } }))
    expect(await world.login('ann', stored, HOME)).toMatch(/^code-(replayed|wrong)$/)
    const fresh = `secret${world.code('ann')}`
    expect(await world.login('ann', fresh, HOME)).toBe('welcome')
    expect(await world.login('ann', fresh, HOME)).toBe('code-replayed')
    expect(factorsOf(world)).toEqual(['totp'])
  })

  test('survives a restart, as does the uselessness of its code elsewhere', async () => {
    const { world, stored } = await trusting()
    world.restart()
    expect(await world.login('ann', stored, AWAY)).toBe('code-replayed')
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
  })

  test('with another password before the same code is refused', async () => {
    const world = worldOf()
    await world.enroll('ann')
    const code = world.code('ann')
    await world.login('ann', `secret${code}`, HOME)
    expect(await world.login('ann', `other${code}`, HOME)).toBe('code-replayed')
    expect(world.asked).toEqual(['ann/secret'])
  })

  test('counts its last use, and is trusted anew with a fresh code alone', async () => {
    const { world, stored } = await trusting()
    await world.login('ann', stored, HOME)
    const row = (await world.store.dossier('ann')).trusted[0]
    expect([row?.since, row?.lastUsed, row?.expires]).toEqual([START, START + 60_000, START + 12 * HOUR])
    expect(world.events.map((event) => event.action)).toEqual(['login-succeeded', 'session-opened'])
    world.pass(13 * HOUR)
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
    expect(world.events.slice(-3).map((event) => event.action)).toEqual([
      'device-trusted',
      'login-succeeded',
      'session-opened',
    ])
  })

  test('goes with the enrolment it was made under', async () => {
    const { world, stored } = await trusting()
    await world.enroll('ann')
    expect(await world.login('ann', stored, HOME)).toBe('code-wrong')
  })

  test('two programs on one device keep a string each', async () => {
    const { world, stored } = await trusting()
    const second = `secret${world.code('ann')}`
    expect(await world.login('ann', second, HOME)).toBe('welcome')
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
    expect(await world.login('ann', second, HOME)).toBe('welcome')
    expect(factorsOf(world)).toEqual(['totp', 'trusted-device', 'trusted-device'])
  })

  test('is refused, not misread, when the separator was changed so that nothing is left of it', async () => {
    const world = worldOf()
    await world.enroll('ann')
    const stored = `,${world.code('ann')}`
    expect(await world.login('ann', stored, HOME, ',')).toBe('welcome')
    world.policy = policyOf({ totp: { separator: ',' } })
    expect(await world.login('ann', stored, HOME, ',')).toBe('trust-expired')
  })

  test('the bare password on a trusted device counts only where policy says so', async () => {
    const strict = await trusting()
    expect(await strict.world.login('ann', 'secret', HOME)).toBe('code-missing')
    const { world } = await trusting(policyOf({ trusted_device: { accept: 'repeated_or_bare' } }))
    expect(await world.login('ann', 'secret', HOME)).toBe('welcome')
    expect(await world.login('ann', 'wrong', HOME)).toBe('code-missing')
    expect(await world.login('ann', 'secret', AWAY)).toBe('code-missing')
    expect(world.asked).toEqual(['ann/secret'])
    expect(factorsOf(world)).toEqual(['trusted-device'])
    world.pass(12 * HOUR)
    expect(await world.login('ann', 'secret', HOME)).toBe('trust-expired')
  })

  test('a recovery code makes a device trusted too, once', async () => {
    const { world, recovery } = await trusting()
    const typed = `secret${recovery[0]}`
    expect(await world.login('ann', typed, AWAY)).toBe('welcome')
    expect(await world.login('ann', typed, AWAY)).toBe('welcome')
    expect(await world.login('ann', typed, OFFICE)).toBe('code-replayed')
    expect(await world.login('ann', `secret,${recovery[0]}`, AWAY)).toBe('code-replayed')
    world.pass(30 * 24 * HOUR)
    expect(await world.login('ann', typed, OFFICE)).toBe('code-replayed')
    expect(factorsOf(world)).toEqual(['recovery-code', 'trusted-device'])
  })
})

describe('while users are being enrolled', () => {
  const roster = new Map([
    ['ann', 'ann'],
    ['annie', 'ann'],
    ['bob', 'bob'],
  ])
  const rollOut = (change: Partial<ReturnType<typeof policyOf>['second_factor']> = {}) =>
    policyOf({ users: { roster }, second_factor: { required_for: 'enrolled', ...change } })

  test.each([
    ['bob', 'secret', 'welcome', 'bob/secret'],
    ['bob', 'secret123456', 'password-wrong', 'bob/secret123456'],
    ['BOB', 'secret', 'welcome', 'bob/secret'],
    ['eve', 'secret', 'unknown-user', undefined],
  ])('%s, not enrolled, types %s', async (user, typed, expected, heard) => {
    const world = worldOf(rollOut())
    expect(await world.login(user, typed, HOME)).toBe(expected)
    expect(world.asked[0]).toBe(heard)
    expect(factorsOf(world)).toEqual(expected === 'welcome' ? ['none'] : [])
  })

  test('one whose code was never used goes on with the bare password, for a while', async () => {
    const world = worldOf(rollOut({ pending_for: 24 * HOUR }))
    await world.enroll('ann')
    expect(await world.login('annie', 'secret', HOME)).toBe('welcome')
    expect(await world.login('ann', 'my123456', HOME, 'my123456')).toBe('welcome')
    expect(factorsOf(world)).toEqual(['none', 'none'])
    world.pass(24 * HOUR)
    expect(await world.login('ann', 'secret', HOME)).toBe('code-missing')
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
  })

  test('the first code ends that', async () => {
    const world = worldOf(rollOut())
    await world.enroll('ann')
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
    expect(world.asked).toEqual(['ann/secret'])
    expect((await world.store.dossier('ann')).user?.state).toBe('enrolled')
    world.pass(60_000)
    expect(await world.login('ann', 'secret', HOME)).toBe('code-missing')
    expect(await world.login('annie', 'Secret', HOME)).toBe('code-missing')
  })

  test.each([
    'ANN',
    'Annie',
    'aNNIE',
    'ann ',
    'ann\0',
    '\uff41nn',
    'an\u0274',
    'ann@',
    'ann.',
    'annie\u200b',
    'CORP\\ann',
  ])('no spelling of an enrolled user gets in with the bare password: "%s"', async (name) => {
    const world = worldOf(rollOut({ pending_for: 0 }))
    await world.enroll('ann')
    expect(['code-missing', 'unknown-user']).toContain(await world.login(name, 'secret', HOME))
    expect(world.asked).toEqual([])
  })

  test('a right code with a wrong password ends nothing', async () => {
    const world = worldOf(rollOut())
    await world.enroll('ann')
    expect(await world.login('ann', `wrong${world.code('ann')}`, HOME)).toBe('password-wrong')
    expect((await world.store.dossier('ann')).user?.state).toBe('pending')
  })

  test('from the day that policy names all need a code', async () => {
    const world = worldOf(rollOut({ until: START + HOUR }))
    await world.enroll('ann')
    world.pass(HOUR - 1)
    expect(await world.login('bob', 'secret', HOME)).toBe('welcome')
    expect(await world.login('ann', 'secret', HOME)).toBe('welcome')
    world.pass(1)
    expect(await world.login('bob', 'secret', HOME)).toBe('unknown-user')
    expect(await world.login('ann', 'secret', HOME)).toBe('code-missing')
  })

  test('without a roster nobody gets in on a password alone', async () => {
    const world = worldOf(policyOf({ second_factor: { required_for: 'enrolled' } }))
    expect(await world.login('bob', 'secret', HOME)).toBe('unknown-user')
    expect(world.asked).toEqual([])
  })

  test('a login under way when the user is enrolled is not let in on the password alone', async () => {
    const world = worldOf(rollOut())
    const tried = await world.authenticate('bob', 'secret', HOME)
    await world.enroll('bob')
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(world.opened).toEqual([])
  })
})

describe('from a network where the password alone is enough', () => {
  const policy = () => policyOf({ second_factor: { not_required_from: (ip) => ip.startsWith('203.0.113.') } })

  test.each<[string, (code: string, stored: string) => string, string, string]>([
    ['the password', () => 'secret', 'welcome', 'none'],
    ['password and code', (code) => `secret${code}`, 'welcome', 'totp'],
    ['a wrong code', () => 'secret000000', 'password-wrong', ''],
    ['what was proven from home', (_, stored) => stored, 'code-replayed', ''],
  ])('an enrolled user types %s', async (_, typed, expected, factor) => {
    const { world, stored } = await trusting(policy())
    expect(await world.login('ann', typed(world.code('ann'), stored), OFFICE)).toBe(expected)
    expect(factorsOf(world).join()).toBe(factor)
    expect(world.asked.length).toBeLessThanOrEqual(1)
  })

  test('a user without enrolment types the password', async () => {
    const world = worldOf(policy())
    expect(await world.login('bob', 'secret', OFFICE)).toBe('welcome')
    expect(await world.login('bob', 'secret', HOME)).toBe('unknown-user')
  })

  test('the bare password never becomes good elsewhere by it', async () => {
    const { world } = await trusting(policy())
    expect(await world.login('ann', 'secret', OFFICE)).toBe('welcome')
    expect(await world.login('ann', 'secret', HOME)).toBe('code-missing')
  })

  test('a frozen user stays out, and so does a name that is none', async () => {
    const { world } = await trusting(policy())
    await world.store.freeze('ann', { at: START, reason: 'x' })
    expect(await world.login('ann', 'secret', OFFICE)).toBe('frozen')
    expect(await world.login('an\u200bn', 'secret', OFFICE)).toBe('unknown-user')
  })
})
