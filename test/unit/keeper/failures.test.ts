/** What failed logins bring about: strings that stay refused, counts, locks, and who goes on all the same. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, test } from 'vitest'
import { createWorld, AWAY, backend, factorsOf, FAILURES, HOME, HOUR, OFFICE, policyOf, type World } from '../../support/login-world.ts' // prettier-ignore

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

const MINUTE = 60_000
const DAY = 24 * HOUR
/** A place in a network of its own. */
const far = (n: number) => ({ ip: `10.${n >> 8}.${n & 255}.1`, client: 'tool' })
/** Of one network, each an address of its own. */
const near = (n: number) => ({ ip: `10.0.0.${n}`, client: 'tool' })

async function enrolled(policy = policyOf(), ...users: string[]): Promise<World> {
  const world = worldOf(policy)
  for (const user of ['ann', ...users]) await world.enroll(user)
  return world
}
const wrong = (n: number) => `guess${n}`
/** So many different strings. Gives the reasons. */
async function guess(world: World, count: number, at = AWAY, user = 'ann', from = 0): Promise<string[]> {
  const reasons: string[] = []
  for (let n = from; n < from + count; n++) reasons.push(await world.login(user, wrong(n), at))
  return reasons
}
const fresh = (world: World, at = HOME, user = 'ann') => world.login(user, `secret${world.code(user)}`, at)
const actions = (world: World) => world.events.map((event) => event.action)
const said = (world: World, action: string) => world.events.filter((event) => event.action === action)

describe('a string that was refused', () => {
  test('stays refused for a day, unjudged, and its repeats are not counted', async () => {
    const world = await enrolled()
    expect(await world.login('ann', 'old', HOME)).toBe('code-missing')
    for (let polls = 0; polls < 287; polls++) {
      world.pass(5 * MINUTE)
      expect(await world.login('ann', 'old', HOME)).toBe('stale-repeat')
    }
    expect(actions(world)).not.toContain('user-locked')
    world.pass(5 * MINUTE)
    expect(await world.login('ann', 'old', HOME)).toBe('code-missing')
  })

  test('that comes over several connections at once is counted once', async () => {
    const world = await enrolled()
    for (let n = 0; n < 9; n++) {
      const all = await Promise.all([1, 2, 3].map(() => world.authenticate('ann', `stale ${n}`, HOME)))
      expect(all.map(({ answer }) => answer.say)).toEqual(['refuse', 'refuse', 'refuse'])
    }
    expect(actions(world)).not.toContain('user-locked')
    await guess(world, 1, HOME)
    expect(actions(world)).toContain('user-locked')
  })

  test('is counted again when it is judged again', async () => {
    const world = await enrolled()
    await guess(world, 9)
    await world.store.forgetRefused('ann')
    expect(await guess(world, 2)).toEqual(['code-missing', 'locked'])
  })

  test('is refused from everywhere, also in another spelling of the user, and to no other user', async () => {
    const world = await enrolled(policyOf({ users: { default_domain: 'example.com' } }), 'bob')
    expect(await world.login('ann', 'old', HOME)).toBe('code-missing')
    expect(await world.login('ANN@example.com', 'old', AWAY)).toBe('stale-repeat')
    expect(await world.login('bob', 'old', HOME)).toBe('code-missing')
  })

  test('is known again after a restart; then it is counted once more, as 16 bits cannot be sure', async () => {
    const world = await enrolled()
    await guess(world, 9)
    world.restart()
    expect(await world.login('ann', wrong(0), AWAY)).toBe('stale-repeat')
    expect(said(world, 'user-locked')).toHaveLength(1)
  })

  test('a fresh code that has the same 16 bits gets in after a restart', async () => {
    const world = await enrolled()
    const typed = `secret${world.code('ann')}`
    // The refusals before the restart leave every possible mark: the next string has the same 16 bits as one of them.
    await guess(world, 1)
    world.store.close()
    const { DatabaseSync } = await import('node:sqlite')
    const db = new DatabaseSync(join(world.folder, 'postern.sqlite'))
    db.exec(`WITH RECURSIVE n (m) AS (SELECT 0 UNION ALL SELECT m + 1 FROM n WHERE m < 65535)
      INSERT OR IGNORE INTO refused SELECT 'ann', '', m, ${world.now()} FROM n`)
    db.close()
    world.restart()
    expect(await world.login('ann', 'secret', HOME)).toBe('stale-repeat')
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    expect(factorsOf(world)).toEqual(['totp', 'trusted-device'])
  })

  test('a string refused because it was used elsewhere stays good on the device that is trusted with it', async () => {
    const world = await enrolled()
    const typed = `secret${world.code('ann')}`
    const first = await world.authenticate('ann', typed, HOME)
    expect(await world.login('ann', typed, AWAY)).toBe('code-replayed')
    expect(await world.login('ann', typed, AWAY)).toBe('stale-repeat')
    // The old server had trouble: the string is judged once more where it was typed first.
    await world.settle(first, 'unavailable')
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    for (let n = 0; n < 30; n++) expect(await world.login('ann', typed, OFFICE)).toBe('code-replayed')
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    expect(actions(world)).not.toContain('user-locked')
  })

  test.each<[string, (world: World) => Promise<unknown>]>([
    ['a new enrolment', (world) => world.enroll('ann')],
    ['a login with a fresh code', (world) => fresh(world, OFFICE)],
    ['a lock that an operator clears', (world) => world.store.clearLocks({ user: 'ann' }, world.now())],
    [
      'a freeze that ends',
      async (world) => {
        await world.store.freeze('ann', { at: world.now(), reason: 'x' })
        await world.store.freeze('ann', null)
      },
    ],
    [
      'a policy that asks for less',
      (world) => {
        world.policy = policyOf({ second_factor: { not_required_from: () => true } })
        return Promise.resolve()
      },
    ],
  ])('is judged again after %s', async (_, change) => {
    const world = await enrolled()
    expect(await world.login('ann', 'secret', HOME)).toBe('code-missing')
    expect(await world.login('ann', 'secret', HOME)).toBe('stale-repeat')
    await change(world)
    expect(await world.login('ann', 'secret', HOME)).not.toBe('stale-repeat')
  })

  test('of a trusted device, after the password changed: a fresh code elsewhere makes the old server be asked again', async () => {
    const world = await enrolled(policyOf({ backends: [backend({ remember_refused: 0 })] }))
    const typed = `secret${world.code('ann')}`
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    expect(await world.login('ann', typed, HOME, 'changed')).toBe('password-wrong')
    expect(await world.login('ann', typed, HOME, 'secret')).toBe('stale-repeat')
    world.pass(MINUTE)
    expect(await fresh(world, OFFICE)).toBe('welcome')
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
  })

  test('is on disk as 16 bits: nothing that was typed, and no whole HMAC of it, is in the files', async () => {
    const world = await enrolled()
    await world.login('ann', 'Tr0ubadour-was-typed', AWAY)
    await world.login('nobody', 'Tr0ubadour-was-typed', AWAY)
    const files = ['postern.sqlite', 'postern.sqlite-wal'].map((name) => readFileSync(join(world.folder, name)))
    const all = Buffer.concat(files)
    expect(all.includes('nobody')).toBe(false)
    expect(all.includes('Tr0ubadour')).toBe(false)
    for (const [name, way] of [
      ['ann', /^code/],
      ['nobody', /^unknown/],
    ] as const) {
      // prettier-ignore
      const enrolment = (await world.store.dossier(name)).user?.enrolment ?? ''
      const said = `${way.source.slice(1)} ${enrolment}  totp`
      const mac = world.keys.mac('refusal', name, said, Buffer.from('Tr0ubadour-was-typed'))
      expect([all.includes(mac.subarray(0, 4)), all.includes(mac.subarray(2, 6))]).toEqual([false, false])
      // Or this test looks for an HMAC that nobody made.
      const pool = { user: name === 'ann' ? 'ann' : '', place: name === 'ann' ? '' : '198.51.100.0/24' }
      const question = { counts: [], enough: [], pool, marks: [mac.readUInt16BE(0)], home: null, now: world.now() }
      expect((await world.store.standing(question)).marked).toEqual([true])
    }
  })
})

describe('one user from one network', () => {
  test('is locked by ten different strings, for a quarter of an hour, wherever in the network', async () => {
    const world = await enrolled()
    expect(new Set(await guess(world, 10))).toEqual(new Set(['code-missing']))
    expect(said(world, 'user-locked')).toEqual([
      {
        stream: 'auth',
        action: 'user-locked',
        user: 'ann',
        network: '198.51.100.0/24',
        until: '2026-01-05T08:15:00.000Z',
      },
    ])
    expect(await fresh(world, AWAY)).toBe('locked')
    expect(await fresh(world, { ...AWAY, ip: '198.51.100.250' })).toBe('locked')
    expect(world.asked).toEqual([])
    world.pass(15 * MINUTE - 1)
    expect(await fresh(world, AWAY)).toBe('locked')
    world.pass(1)
    expect(await fresh(world, AWAY)).toBe('welcome')
  })

  test('other networks and other users go on', async () => {
    const world = await enrolled(policyOf(), 'bob')
    await guess(world, 11)
    expect(await fresh(world, OFFICE)).toBe('welcome')
    expect(await fresh(world, AWAY, 'bob')).toBe('welcome')
  })

  test('the trusted device in it goes on with its string, a new login there does not', async () => {
    const world = await enrolled()
    const typed = `secret${world.code('ann')}`
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    await guess(world, 10, { ...HOME, client: 'tool' })
    world.pass(MINUTE)
    expect(await fresh(world, HOME)).toBe('locked')
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
  })

  test('after the lock one more wrong string locks anew, until the hour is over', async () => {
    const world = await enrolled()
    await guess(world, 10)
    world.pass(15 * MINUTE)
    expect(await guess(world, 2, AWAY, 'ann', 10)).toEqual(['code-missing', 'locked'])
    world.pass(15 * MINUTE)
    expect(await guess(world, 2, AWAY, 'ann', 20)).toEqual(['code-missing', 'locked'])
    world.pass(31 * MINUTE)
    expect((await guess(world, 9, AWAY, 'ann', 30)).filter((one) => one === 'code-missing')).toHaveLength(8)
  })

  test('a fresh code there makes up for what was mistyped; a repeat does not', async () => {
    const world = await enrolled()
    const typed = `secret${world.code('ann')}`
    await world.login('ann', typed, HOME)
    await guess(world, 9, HOME)
    expect(await world.login('ann', typed, HOME)).toBe('welcome')
    world.pass(MINUTE)
    expect(await fresh(world)).toBe('welcome')
    await guess(world, 9, HOME, 'ann', 10)
    expect(actions(world)).not.toContain('user-locked')
    await world.login('ann', typed, HOME)
    await guess(world, 1, HOME, 'ann', 20)
    expect(actions(world)).toContain('user-locked')
  })

  test('counts and locks survive a restart', async () => {
    const world = await enrolled()
    await guess(world, 9)
    world.restart()
    await guess(world, 1, AWAY, 'ann', 9)
    world.restart()
    expect(await fresh(world, AWAY)).toBe('locked')
  })

  test('three hundred guesses in one moment are ten judged ones', async () => {
    const world = await enrolled()
    const all = Array.from({ length: 300 }, (_, n) => world.authenticate('ann', wrong(n), AWAY))
    expect((await Promise.all(all)).every(({ answer }) => answer.say === 'refuse')).toBe(true)
    const judged = world.reasons().filter((reason) => reason === 'code-missing')
    expect(judged).toHaveLength(10)
  })

  test('no more than ten bare passwords are with the old server at once, and those who wait are refused once it has refused them', async () => {
    const roster = new Map([['bob', 'bob']])
    const world = worldOf(policyOf({ users: { roster }, second_factor: { required_for: 'enrolled' } }))
    const all = Array.from({ length: 30 }, (_, n) => world.authenticate('bob', wrong(n), AWAY))
    const open = await Promise.all(all.slice(0, 10))
    expect(open.map(({ answer }) => answer.say)).toEqual(Array<string>(10).fill('proceed'))
    for (const one of open) await world.settle(one, 'refuted')
    expect((await Promise.all(all.slice(10))).map(({ answer }) => answer.say)).toEqual(Array<string>(20).fill('refuse'))
    expect(world.asked).toHaveLength(10)
    expect(world.reasons().filter((reason) => reason === 'locked')).toHaveLength(20)
  })

  test('who hangs up before the old server says no is counted, where the user is not known', async () => {
    const roster = new Map([['bob', 'bob']])
    const world = worldOf(policyOf({ users: { roster }, second_factor: { required_for: 'enrolled' } }))
    const hangUp = async (n: number, at = AWAY) => {
      const tried = await world.authenticate('bob', wrong(n), at)
      if (tried.answer.say === 'proceed') world.judge.release(tried.session)
      await new Promise(setImmediate)
      await new Promise(setImmediate)
      return tried.answer.say
    }
    expect(await world.login('bob', 'secret', HOME)).toBe('welcome')
    for (let n = 0; n < 30; n++) expect(await hangUp(n, HOME)).toBe('proceed')
    for (let n = 0; n < 10; n++) expect(await hangUp(n)).toBe('proceed')
    expect(await hangUp(11)).toBe('refuse')
    expect(world.reasons().at(-1)).toBe('locked')
  })
})

describe('what is no guess', () => {
  test.each([
    ['busy', 'busy'],
    ['unavailable', 'trouble'],
  ] as const)('an old server that is %s counts against nobody', async (outcome, expected) => {
    const world = await enrolled(policyOf({ totp: { window: 10 } }))
    for (let n = 0; n < 20; n++) {
      const tried = await world.authenticate('ann', `secret${world.code('ann', n % 10)}`, AWAY)
      expect((await world.settle(tried, outcome)).say).toBe(expected)
    }
    expect(await fresh(world, AWAY)).toBe('welcome')
  })

  test('trust that ran out, a freeze, a string that can never be right', async () => {
    const world = await enrolled()
    const typed = `secret${world.code('ann')}`
    await world.login('ann', typed, HOME)
    world.pass(13 * HOUR)
    for (let n = 0; n < 30; n++) expect(await world.login('ann', typed, HOME)).toBe('trust-expired')
    for (let n = 0; n < 30; n++) expect(await world.login('ann', `${wrong(n)}\r\n`, HOME)).toBe('malformed')
    await world.store.freeze('ann', { at: world.now(), reason: 'x' })
    for (let n = 0; n < 30; n++) expect(await world.login('ann', wrong(n), HOME)).toBe('frozen')
    await world.store.freeze('ann', null)
    expect(await fresh(world)).toBe('welcome')
  })
})

describe('an address', () => {
  test('is locked by twenty failures, whoever is tried, and one that exists cannot be told from one that does not', async () => {
    const world = await enrolled()
    for (let n = 0; n < 20; n++) expect(await world.login(`nobody${n}`, 'x', AWAY)).toBe('unknown-user')
    expect(said(world, 'network-locked')).toEqual([
      { stream: 'auth', action: 'network-locked', network: AWAY.ip, until: '2026-01-05T08:15:00.000Z' },
    ])
    const answers = await Promise.all(['ann', 'nobody', 'no one'].map((user) => world.authenticate(user, 'y', AWAY)))
    for (const { answer } of answers) expect(answer).toEqual({ say: 'refuse', holdMs: 3000 })
    expect(world.reasons().slice(-3)).toEqual(['locked', 'locked', 'locked'])
    expect(await fresh(world, AWAY)).toBe('locked')
    expect(await fresh(world, { ...AWAY, ip: '198.51.100.8' })).toBe('welcome')
  })

  test('users who were proven there go on, with trust and with a fresh code, and that clears it', async () => {
    const world = await enrolled(policyOf(), 'bob')
    const stored = `secret${world.code('ann')}`
    await world.login('ann', stored, OFFICE)
    await guess(world, 21, OFFICE, 'nobody')
    expect(await fresh(world, OFFICE, 'bob')).toBe('locked')
    world.pass(MINUTE)
    expect(await world.login('ann', stored, OFFICE)).toBe('welcome')
    expect(await fresh(world, OFFICE, 'bob')).toBe('locked')
    expect(await fresh(world, OFFICE)).toBe('welcome')
    expect(await fresh(world, OFFICE, 'bob')).toBe('welcome')
  })

  test('allows one more for each user who was proven there in thirty days', async () => {
    const users = Array.from({ length: 30 }, (_, n) => `user${n}`)
    const world = await enrolled(policyOf(), ...users)
    for (const user of users) expect(await fresh(world, OFFICE, user)).toBe('welcome')
    const names = (n: number) => `nobody${n}`
    for (let n = 0; n < 49; n++) expect(await world.login(names(n), 'x', OFFICE)).toBe('unknown-user')
    expect(actions(world)).not.toContain('network-locked')
    await world.login(names(49), 'x', OFFICE)
    expect(await world.login(names(50), 'x', OFFICE)).toBe('locked')
    world.pass(31 * DAY)
    for (let n = 100; n < 120; n++) expect(await world.login(names(n), 'x', OFFICE)).toBe('unknown-user')
    expect(await world.login(names(120), 'x', OFFICE)).toBe('locked')
  })

  test('a hundred people behind one office address: the first morning, stale passwords and all, nobody is refused for another', async () => {
    const users = Array.from({ length: 100 }, (_, n) => `user${n}`)
    const world = await enrolled(policyOf({ backends: [backend({ max_sessions: 1000 })] }), ...users)
    for (const [n, user] of users.entries()) {
      if (n % 8 === 0) for (const typo of ['a', 'b']) expect(await world.login(user, typo, OFFICE)).toBe('code-missing')
      expect(await world.login(user, `old${world.code(user)}`, OFFICE)).toBe('password-wrong')
      expect(await world.login(user, `secret${world.code(user)}`, OFFICE)).toBe('welcome')
    }
    expect(actions(world)).not.toContain('network-locked')
    expect(world.reasons()).not.toContain('locked')
  })
})

describe('a network', () => {
  test('is locked by a hundred failures from many addresses of it', async () => {
    const world = await enrolled()
    for (let n = 0; n < 100; n++) expect(await world.login(`nobody${n}`, 'x', near(n + 1))).toBe('unknown-user')
    expect(said(world, 'network-locked')).toMatchObject([{ network: '10.0.0.0/24' }])
    expect(await fresh(world, near(200))).toBe('locked')
  })

  test('of IPv6 is a /56', async () => {
    const world = await enrolled(policyOf({ failures: { per_network: { ...FAILURES.per_network, allow: { count: 5, per: HOUR } } } })) // prettier-ignore
    for (let n = 0; n < 5; n++) await world.login('nobody', wrong(n), { ip: `2001:db8:0:${n}::${n}`, client: 'x' })
    expect(await fresh(world, { ip: '2001:db8:0:ff::1', client: 'x' })).toBe('locked')
    expect(await fresh(world, { ip: '2001:db8:0:100::1', client: 'x' })).toBe('welcome')
  })
})

test('a hundred people of one address at the same moment do not wait for each other while the old server thinks', async () => {
  const names = Array.from({ length: 100 }, (_, n) => `u${n}`)
  const roster = new Map(names.map((name) => [name, name]))
  const world = worldOf(policyOf({ users: { roster }, second_factor: { required_for: 'enrolled' } }))
  const db = new DatabaseSync(join(world.folder, 'postern.sqlite'))
  const put = db.prepare('INSERT INTO proven VALUES (?, ?, ?)')
  for (const place of [AWAY.ip, '198.51.100.0/24'])
    for (let n = 0; n < 200; n++) put.run(place, `known${n}`, world.now())
  db.close()
  const all = await Promise.all(names.map((user) => world.authenticate(user, 'secret', AWAY)))
  expect(all.filter(({ answer }) => answer.say !== 'proceed')).toEqual([])
})

describe('one user everywhere', () => {
  test('beyond fifty a day, networks where he was not proven in thirty days are refused, and the others go on', async () => {
    const world = await enrolled()
    await fresh(world)
    for (let n = 0; n < 50; n++) expect(await world.login('ann', wrong(n), far(n))).toBe('code-missing')
    expect(said(world, 'user-locked')).toEqual([
      { stream: 'auth', action: 'user-locked', user: 'ann', network: '*', until: '2026-01-06T08:00:00.000Z' },
    ])
    world.pass(MINUTE)
    expect(await fresh(world, OFFICE)).toBe('locked')
    expect(await fresh(world)).toBe('welcome')
    world.pass(MINUTE)
    // What was forgiven there is not forgiven everywhere.
    expect(await fresh(world, OFFICE)).toBe('locked')
    world.pass(DAY - 3 * MINUTE)
    expect(await fresh(world, OFFICE)).toBe('locked')
    world.pass(MINUTE)
    expect(await fresh(world, OFFICE)).toBe('welcome')
  })

  test('no day holds more than fifty judged guesses from strange networks, however they are spread', async () => {
    const world = await enrolled()
    const judged: number[] = []
    for (let n = 0; n < 400; n++) {
      if ((await world.login('ann', wrong(n), far(n))) === 'code-missing') judged.push(world.now())
      world.pass(15 * MINUTE)
    }
    for (const at of judged) expect(judged.filter((one) => one > at - DAY && one <= at).length).toBeLessThanOrEqual(50)
    expect(judged.length).toBeGreaterThan(150)
  })
})

describe('tables that an attacker fills', () => {
  test('push out neither his lock nor the strings of users', async () => {
    const world = await enrolled()
    await guess(world, 10)
    expect(await world.login('ann', 'of ann', HOME)).toBe('code-missing')
    for (let n = 0; n < 300; n++) await world.login(`nobody${n}`, `x${n}`, far(n >> 3))
    expect(await fresh(world, AWAY)).toBe('locked')
    expect(await world.login('ann', 'of ann', HOME)).toBe('stale-repeat')
  })
})

describe('the audit hears', () => {
  test('of one address that tries many users, and what was done', async () => {
    const world = await enrolled()
    for (let n = 0; n < 30; n++) await world.login(`nobody${n}`, 'x', AWAY)
    expect(said(world, 'spraying')).toEqual([
      { stream: 'auth', action: 'spraying', network: AWAY.ip, users: 10, act: 'reported', until: null },
      {
        stream: 'auth',
        action: 'spraying',
        network: AWAY.ip,
        users: 20,
        act: 'locked',
        until: '2026-01-05T08:15:00.000Z',
      },
    ])
  })

  test('nothing of the kind of an office whose people mistype', async () => {
    const users = Array.from({ length: 15 }, (_, n) => `user${n}`)
    const world = await enrolled(policyOf(), ...users)
    for (const user of users) await fresh(world, OFFICE, user)
    for (const user of users) await world.login(user, 'typo', OFFICE)
    expect(actions(world)).not.toContain('spraying')
  })

  test('of one user tried from many networks, and what was done', async () => {
    const world = await enrolled()
    for (let n = 0; n < 60; n++) await world.login('ann', wrong(n), far(n))
    expect(said(world, 'guessing-spread')).toEqual([
      { stream: 'auth', action: 'guessing-spread', user: 'ann', networks: 10, act: 'reported', until: null },
      { stream: 'auth', action: 'guessing-spread', user: 'ann', networks: 50, act: 'refused-unjudged', until: '2026-01-06T08:00:00.000Z' }, // prettier-ignore
    ])
  })

  test('of a flood of guesses no flood of warnings', async () => {
    const world = await enrolled()
    for (let at = 0; at < 35; at++) for (let n = 0; n < 12; n++) await world.login(`nobody${n}`, 'x', far(at))
    expect(said(world, 'spraying')).toHaveLength(30)
  })
})

describe('a store that cannot count', () => {
  test('makes a refusal our own trouble: guesses must not be free while the disk is full', async () => {
    const world = worldOf(policyOf(), (context) => ({
      ...context,
      store: { ...context.store, fail: () => Promise.reject(new Error('disk full')) },
    }))
    await world.enroll('ann')
    expect(await world.login('ann', 'guess', AWAY)).toBe('trouble')
    expect(world.broken.splice(0)).toHaveLength(1)
  })
})
