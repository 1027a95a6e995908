import { afterEach, describe, expect, test } from 'vitest'
import { killSessions } from '../../../src/keeper/end-sessions.ts'
import { freezeUser, listDevices, makeTempCode, revokeDevices, unfreezeUser } from '../../../src/keeper/helpdesk.ts'
import { enrollUser, removeUser, showUser } from '../../../src/keeper/users.ts'
import {
  AWAY,
  createWorld,
  factorsOf,
  HOME,
  HOUR,
  OFFICE,
  policyOf,
  START,
  type World,
} from '../../support/login-world.ts'

const DAY = 24 * HOUR
let worlds: World[] = []
afterEach(() => {
  for (const world of worlds) world.end()
  worlds = []
})

function worldOf(policy = policyOf()): World {
  const world = createWorld(policy)
  worlds.push(world)
  return world
}

/** Ann, enrolled, with a session open from home. */
async function trusting(policy = policyOf()) {
  const world = worldOf(policy)
  const { recovery_codes } = await world.enroll('ann')
  const stored = `secret${world.code('ann')}`
  expect(await world.login('ann', stored, HOME)).toBe('welcome')
  return { world, stored, recovery: recovery_codes }
}

const roster = new Map([
  ['ann', 'ann'],
  ['annie', 'ann'],
  ['bob', 'bob'],
])
const rollOut = () => policyOf({ users: { roster }, second_factor: { required_for: 'enrolled' } })
const actions = (world: World, from = 0) => world.events.slice(from).map(({ action }) => action)

describe('a freeze', () => {
  test('ends sessions, devices and the temporary code, and nothing gets in', async () => {
    const { world, stored, recovery } = await trusting()
    const { code } = await makeTempCode(world.users, 'ann', '24h')
    const before = world.events.length
    expect(await freezeUser(world.users, 'Ann', ' laptop\nstolen ')).toEqual({ user: 'ann', known: true, sessions: 1 })
    expect(actions(world, before)).toEqual(['user-frozen', 'device-revoked', 'session-killed'])
    expect(world.events[before]).toMatchObject({ user: 'ann', reason: 'laptop\\u{a}stolen' })
    expect(world.killed).toEqual(world.opened)
    for (const typed of [stored, `secret${world.code('ann', 1)}`, `secret${recovery[0]}`, `secret${code}`, 'secret'])
      expect(await world.login('ann', typed, HOME)).toBe('frozen')
    const shown = await showUser(world.users, 'ann')
    expect(shown).toMatchObject({ state: 'frozen', frozen: { at: START, reason: 'laptop\\u{a}stolen' }, devices: [] })
  })

  test('lifted asks for a fresh code: what it ended stays ended', async () => {
    const { world, stored } = await trusting()
    const { code } = await makeTempCode(world.users, 'ann', '24h')
    await freezeUser(world.users, 'ann', 'x')
    expect(await unfreezeUser(world.users, 'ann')).toEqual({ user: 'ann' })
    expect(world.events.at(-1)).toEqual({ stream: 'auth', action: 'user-unfrozen', user: 'ann' })
    expect(await world.login('ann', stored, HOME)).toBe('code-replayed')
    expect(await world.login('ann', `secret${code}`, HOME)).toBe('code-wrong')
    world.pass(60_000)
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
    await expect(unfreezeUser(world.users, 'ann')).rejects.toThrow(/ann is not frozen/)
  })

  test('holds for a name that was never enrolled: on the roster, and where the password alone is enough', async () => {
    const rolling = worldOf(rollOut())
    expect(await rolling.login('bob', 'secret', HOME)).toBe('welcome')
    expect(await freezeUser(rolling.users, 'bob', 'x')).toEqual({ user: 'bob', known: true, sessions: 1 })
    expect(await rolling.login('BOB', 'secret', HOME)).toBe('frozen')
    const office = worldOf(policyOf({ second_factor: { not_required_from: () => true } }))
    expect((await freezeUser(office.users, 'carl', 'x')).known).toBe(false)
    expect(await office.login('carl', 'secret', OFFICE)).toBe('frozen')
    expect(await office.login('dora', 'secret', OFFICE)).toBe('welcome')
  })

  test('survives a restart and a new enrolment, and covers every alias', async () => {
    const world = worldOf(rollOut())
    await freezeUser(world.users, 'annie', 'x')
    world.restart()
    await enrollUser(world.users, 'ann')
    for (const name of ['ann', 'Annie']) expect(await world.login(name, 'secret', HOME)).toBe('frozen')
  })

  test.each([
    ['', /is no user name/],
    ['a@b@c', /is no user name/],
  ])('of "%s" is refused', async (name, why) => {
    await expect(freezeUser(worldOf().users, name, 'x')).rejects.toThrow(why)
  })

  test('wants a reason', async () => {
    await expect(freezeUser(worldOf().users, 'ann', '  ')).rejects.toThrow(/--reason is empty/)
  })
})

/** Each takes Ann's way in away. */
const ENDS: [string, (world: World) => Promise<unknown>][] = [
  ['a freeze', (world) => freezeUser(world.users, 'ann', 'x')],
  ['a freeze and its end', (world) => freezeUser(world.users, 'ann', 'x').then(() => unfreezeUser(world.users, 'ann'))],
  ['a new enrolment', (world) => enrollUser(world.users, 'ann', { replace: true })],
  ['a removal', (world) => removeUser(world.users, 'ann')],
  ['a revoked device', (world) => revokeDevices(world.users, 'ann', undefined)],
]

describe.each(ENDS)('%s', (_, end) => {
  test('while the old server still judges a repeat: nobody gets in', async () => {
    const { world, stored } = await trusting()
    const tried = await world.authenticate('ann', stored, HOME)
    await end(world)
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(world.opened).toHaveLength(1)
    expect(world.reasons()).toEqual(['aborted'])
    expect((await world.store.dossier('ann')).trusted).toEqual([])
    expect(world.breaches).toEqual([])
  })

  test('in the very moment in which a login is proven: it is not open, or it is told to end', async () => {
    for (let turns = 0; turns < 9; turns++) {
      const { world, stored } = await trusting()
      const tried = await world.authenticate('ann', stored, HOME)
      const settled = world.settle(tried, 'proven')
      for (let turn = 0; turn < turns; turn++) await (turn % 4 === 3 ? new Promise((r) => setImmediate(r)) : null)
      await end(world)
      await settled
      expect(world.killed.toSorted()).toEqual(world.opened.toSorted())
    }
  })

  test('ends the sessions of that user alone', async () => {
    const { world } = await trusting()
    await world.enroll('bob')
    await world.login('bob', `secret${world.code('bob')}`, HOME)
    await end(world)
    const killed = world.events.filter(({ action }) => action === 'session-killed')
    expect(killed).toMatchObject([{ user: 'ann', backend: 'old', connection: { ip: HOME.ip } }])
    expect(await world.login('bob', `secret${world.code('bob', 1)}`, HOME)).toBe('welcome')
  })
})

test('a login that waits for its code when the freeze comes gets nowhere, and the connection may try again', async () => {
  const world = worldOf()
  await world.enroll('ann')
  const string = `secret${world.code('ann')}`
  const first = await world.authenticate('ann', string, HOME)
  const waiting = world.authenticate('ann', string, HOME, 'patient')
  await new Promise((resolve) => setImmediate(resolve))
  await freezeUser(world.users, 'ann', 'x')
  expect((await waiting).answer).toEqual({ say: 'trouble' })
  expect(await world.settle(first, 'proven')).toEqual({ say: 'trouble' })
  expect((await world.authenticate('ann', string, HOME, 'patient')).answer.say).toBe('refuse')
  expect(world.reasons()).toEqual(['aborted', 'aborted', 'frozen'])
})

describe('a session', () => {
  test('is killed by its id, once, and others go on', async () => {
    const { world, stored } = await trusting()
    await world.login('ann', stored, HOME)
    const [one, two] = world.live.list()
    expect(one).toMatchObject({
      user: 'ann',
      address: HOME.ip,
      country: 'DE',
      backend: 'old',
      factor: 'totp',
      since: START,
    })
    expect(two).toMatchObject({ factor: 'trusted-device', ending: false })
    expect(killSessions(world.live, { id: one?.id, reason: 'looks wrong' })).toEqual([one])
    expect(world.killed).toEqual([one?.id])
    expect(world.events.at(-1)).toMatchObject({ stream: 'session', action: 'session-killed', reason: 'looks wrong' })
    expect(world.live.list().map(({ ending }) => ending)).toEqual([true, false])
    expect(() => killSessions(world.live, { id: one?.id })).toThrow(/no open session that is not ending/)
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
  })

  test('killing all of a user is for who has some', async () => {
    const { world, stored } = await trusting()
    await world.login('ann', stored, HOME)
    expect(killSessions(world.live, { user: 'ann' })).toHaveLength(2)
    expect(() => killSessions(world.live, { user: 'bob' })).toThrow(/bob has no open session/)
    expect(() => killSessions(world.live, {})).toThrow(/name one session/)
    expect(() => killSessions(world.live, { id: 'x', user: 'ann' })).toThrow(/name one session/)
  })
})

describe('a device', () => {
  test('is listed until long after its trust, and says whether it counts', async () => {
    const { world } = await trusting()
    expect((await listDevices(world.users, 'ann')).devices).toMatchObject([{ network: '192.0.2.0/24', trusted: true }])
    world.pass(12 * HOUR)
    expect((await listDevices(world.users, 'ann')).devices).toMatchObject([{ trusted: false }])
    await expect(listDevices(world.users, 'nobody')).rejects.toThrow(/nobody is not known/)
  })

  test('counts no longer when policy is shorter than what was given', async () => {
    const { world } = await trusting()
    world.pass(2 * HOUR)
    world.policy = policyOf({ trusted_device: { for: HOUR } })
    world.users.trust = () => world.policy.trusted_device
    expect((await listDevices(world.users, 'ann')).devices).toMatchObject([{ trusted: false }])
  })

  test('revoked needs a new code, and its sessions end; another goes on', async () => {
    const { world, stored } = await trusting()
    world.pass(60_000)
    const other = `secret${world.code('ann')}`
    await world.login('ann', other, AWAY)
    const id = (await listDevices(world.users, 'ann')).devices.find(({ network }) => network === '192.0.2.0/24')?.id
    const before = world.events.length
    expect(await revokeDevices(world.users, 'ann', id)).toEqual({ user: 'ann', devices: [id], sessions: 1 })
    expect(world.events.slice(before)).toMatchObject([
      { action: 'device-revoked', device: id, reason: 'by hand' },
      { action: 'session-killed', reason: 'device revoked', connection: { ip: HOME.ip } },
    ])
    expect(await world.login('ann', stored, HOME)).toBe('code-replayed')
    expect(await world.login('ann', other, AWAY)).toBe('welcome')
    world.pass(60_000)
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
  })

  test('that nobody has is no device of this user', async () => {
    const { world } = await trusting()
    await world.enroll('bob')
    const [device] = (await listDevices(world.users, 'ann')).devices
    await expect(revokeDevices(world.users, 'bob', device?.id)).rejects.toThrow(/bob has no device/)
    await expect(revokeDevices(world.users, 'bob', undefined)).rejects.toThrow(/postern device list bob/)
    expect((await listDevices(world.users, 'ann')).devices).toHaveLength(1)
  })
})

describe('a temporary code', () => {
  test('opens once, is told from a recovery code in the audit, and leaves the secret as it is', async () => {
    const { world, stored } = await trusting()
    const made = await makeTempCode(world.users, 'ann', '24h')
    expect(made).toMatchObject({ user: 'ann', until: new Date(START + DAY).toISOString() })
    expect(made.code).toMatch(/^[0-9a-z]{5}-[0-9a-z]{5}$/)
    expect(world.events.at(-1)).toEqual({ stream: 'admin', action: 'temp-code-made', user: 'ann', until: made.until })
    expect((await showUser(world.users, 'ann')).temp_code_until).toBe(START + DAY)
    expect(await world.login('ann', `secret${made.code.toUpperCase()}`, AWAY)).toBe('welcome')
    const used = world.events.findLast(({ action }) => action === 'login-succeeded')
    expect(used).toMatchObject({ factor: 'recovery-code', temporary: true })
    expect(await world.login('ann', `secret${made.code.toUpperCase()}`, AWAY)).toBe('welcome')
    expect(await world.login('ann', `secret${made.code}`, OFFICE)).toBe('code-replayed')
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
    world.pass(60_000)
    expect(await world.login('ann', `secret${world.code('ann')}`, OFFICE)).toBe('welcome')
    expect(await showUser(world.users, 'ann')).toMatchObject({ recovery_codes_left: 10, temp_code_until: null })
    expect(factorsOf(world)).toEqual(['totp', 'recovery-code', 'trusted-device', 'trusted-device', 'totp'])
  })

  test('is void after its time', async () => {
    const { world } = await trusting()
    const { code } = await makeTempCode(world.users, 'ann', '1h')
    world.pass(HOUR - 1)
    expect(await world.login('ann', `wrong${code}`, AWAY)).toBe('password-wrong')
    world.pass(1)
    expect(await world.login('ann', `secret${code}`, OFFICE)).toBe('code-expired')
    expect((await showUser(world.users, 'ann')).temp_code_until).toBeNull()
  })

  test('is void when a new one is made, also in the midst of a login', async () => {
    const { world } = await trusting()
    const first = await makeTempCode(world.users, 'ann', '1h')
    const tried = await world.authenticate('ann', `secret${first.code}`, AWAY)
    const second = await makeTempCode(world.users, 'ann', '1h')
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(await world.login('ann', `secret${first.code}`, AWAY)).toBe('code-wrong')
    expect(await world.login('ann', `secret${second.code}`, AWAY)).toBe('welcome')
  })

  test('with a wrong password is burnt for other devices, and survives a restart unused', async () => {
    const { world } = await trusting()
    const { code } = await makeTempCode(world.users, 'ann', '1h')
    world.restart()
    expect(await world.login('ann', `wrong${code}`, AWAY)).toBe('password-wrong')
    expect(await world.login('ann', `secret${code}`, OFFICE)).toBe('code-replayed')
    expect(await world.login('ann', `secret${code}`, AWAY)).toBe('welcome')
  })

  test('goes with its enrolment', async () => {
    const { world } = await trusting()
    const { code } = await makeTempCode(world.users, 'ann', '1h')
    await world.enroll('ann')
    expect(await world.login('ann', `secret${code}`, AWAY)).toBe('code-wrong')
  })

  test('of one user is worth nothing to another', async () => {
    const { world } = await trusting()
    await world.enroll('bob')
    const { code } = await makeTempCode(world.users, 'ann', '1h')
    expect(await world.login('bob', `secret${code}`, HOME)).toBe('code-wrong')
  })

  test.each(['0s', '59s', '8d', '169h', 'soon', ''])('for %s is refused', async (time) => {
    const { world } = await trusting()
    await expect(makeTempCode(world.users, 'ann', time)).rejects.toThrow(/--for/)
  })

  test('is not for users without enrolment, nor for frozen ones', async () => {
    const { world } = await trusting(rollOut())
    await expect(makeTempCode(world.users, 'bob', '1h')).rejects.toThrow(
      /bob is not enrolled: `postern user enroll bob`/,
    )
    await freezeUser(world.users, 'ann', 'x')
    await expect(makeTempCode(world.users, 'ann', '1h')).rejects.toThrow(/ann is frozen/)
    await freezeUser(world.users, 'bob', 'x')
    await expect(makeTempCode(world.users, 'bob', '1h')).rejects.toThrow(/bob is frozen/)
  })
})

test('a new enrolment after a lost phone does not bring the bare password back while users are being enrolled', async () => {
  const world = worldOf(rollOut())
  await world.enroll('ann')
  expect(await world.login('ann', 'secret', HOME)).toBe('welcome')
  await world.enroll('ann')
  expect(await world.login('ann', 'secret', HOME)).toBe('welcome')
  expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
  for (let again = 0; again < 2; again++) {
    await world.enroll('ann')
    expect((await showUser(world.users, 'ann')).state).toBe('pending')
    expect(await world.login('ann', 'secret', HOME)).toBe('code-missing')
  }
  world.restart()
  // Refused before: it is not even judged.
  expect(await world.login('ann', 'secret', AWAY)).toBe('stale-repeat')
  world.pass(60_000)
  expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
})
