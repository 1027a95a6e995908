import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  addAppPassword,
  listAppPasswords,
  revokeAppPassword,
  type NewAppPassword,
} from '../../../src/keeper/app-passwords.ts'
import { enrollUser, removeUser, showUser } from '../../../src/keeper/users.ts'
import { APP_PASSWORDS_PER_USER_MAX } from '../../../src/base/login-limits.ts'
import {
  AWAY,
  createWorld,
  factorsOf,
  HOME,
  HOME_NEIGHBOUR,
  HOUR,
  OFFICE,
  policyOf,
  type World,
} from '../../support/login-world.ts'
import type { LoginPolicy } from '../../../src/keeper/login-policy.ts'

const METHODS = { second_factor: { methods: ['totp', 'app_password'] } as Partial<LoginPolicy['second_factor']> }
const DAY = 24 * HOUR
let world: World
beforeEach(() => {
  world = createWorld(policyOf(METHODS))
})
afterEach(() => {
  expect(world.broken).toEqual([])
  world.end()
})

async function add(change: Partial<Omit<NewAppPassword, 'password'>> & { password?: string | null } = {}) {
  const { password = 'secret', ...rest } = change
  const base64 = password === null ? null : Buffer.from(password).toString('base64')
  const base = { user: 'ann', name: 'scanner', networks: 'any', expires: null }
  return (await addAppPassword(world.users, { ...base, ...rest, password: base64 })).app_password
}
const states = async (user = 'ann') =>
  (await listAppPasswords(world.users, user)).map(({ name, state }) => [name, state])
const actions = () => world.events.map(({ action }) => action)

describe('an app password', () => {
  test('gets its program in without a code, from anywhere, and the old server hears the mailbox password', async () => {
    await world.enroll('ann')
    const app = await add()
    expect(await world.login('ann', app, HOME)).toBe('welcome')
    expect(await world.login('ann', app.toUpperCase().replaceAll(' ', '-'), AWAY)).toBe('welcome')
    expect(await world.login('ann', app.replaceAll(' ', ''), OFFICE)).toBe('welcome')
    expect(world.asked).toEqual(['ann/secret', 'ann/secret', 'ann/secret'])
    expect(factorsOf(world)).toEqual(['app-password', 'app-password', 'app-password'])
    expect(actions()).not.toContain('device-trusted')
    const [succeeded] = world.events.filter(({ action }) => action === 'login-succeeded')
    expect(succeeded).toMatchObject({ appPassword: 'scanner' })
  })

  test('of a user who has no code works as well: a printer has no authenticator', async () => {
    const app = await add({ user: 'printer' })
    expect(await world.login('printer', app, HOME)).toBe('welcome')
    expect(await world.login('printer', 'secret', HOME)).toBe('app-password-wrong')
    expect(await world.login('printer', 'abcd efgh ijkl mnop', HOME)).toBe('app-password-wrong')
    expect(await world.login('nobody', app, HOME)).toBe('unknown-user')
    expect((await showUser(world.users, 'printer')).state).toBe('none')
  })

  test('is worth nothing to another user', async () => {
    await world.enroll('ann')
    await world.enroll('bob')
    const app = await add()
    expect(await world.login('bob', app, HOME)).toBe('code-missing')
    expect(world.asked).toEqual([])
  })

  test('leaves a mailbox password of sixteen letters what it is', async () => {
    await world.enroll('ann')
    await add({ password: 'correcthorsebatt' })
    const typed = `correcthorsebatt${world.code('ann')}`
    expect(await world.login('ann', typed, HOME, 'correcthorsebatt')).toBe('welcome')
    expect(await world.login('ann', typed, HOME, 'correcthorsebatt')).toBe('welcome')
    world.policy = policyOf({ second_factor: { methods: ['totp', 'app_password'], not_required_from: () => true } })
    expect(await world.login('ann', 'correcthorsebatt', OFFICE, 'correcthorsebatt')).toBe('welcome')
    expect(factorsOf(world)).toEqual(['totp', 'trusted-device', 'none'])
  })

  test('does not count without its method, and never goes to the old server', async () => {
    await world.enroll('ann')
    const app = await add()
    world.policy = policyOf({ second_factor: { methods: ['totp'], not_required_from: () => true } })
    expect(await world.login('ann', app, HOME)).toBe('rule')
    expect(world.asked).toEqual([])
  })

  test('is enough where it is the only method, and a code is not', async () => {
    await world.enroll('ann')
    const app = await add()
    world.policy = policyOf({ second_factor: { methods: ['app_password'] } })
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('rule')
    expect(await world.login('ann', app, HOME)).toBe('welcome')
  })

  test('ends at its time', async () => {
    const app = await add({ expires: '180d' })
    world.pass(180 * DAY - 1)
    expect(await world.login('ann', app, HOME)).toBe('welcome')
    world.pass(1)
    expect(await world.login('ann', app, HOME)).toBe('app-password-expired')
    expect(await states()).toEqual([['scanner', 'expired']])
  })

  test('of a frozen user does not work', async () => {
    const app = await add()
    await world.store.freeze('ann', { at: world.now(), reason: 'x' })
    expect(await world.login('ann', app, HOME)).toBe('frozen')
    await world.store.freeze('ann', null)
    expect(await world.login('ann', app, HOME)).toBe('welcome')
  })

  test('survives a restart', async () => {
    const app = await add()
    world.restart()
    expect(await world.login('ann', app, HOME)).toBe('welcome')
  })
})

describe('networks', () => {
  test('are judged before anything is opened', async () => {
    const app = await add({ networks: '203.0.113.0/24, 192.0.2.10' })
    expect(await world.login('ann', app, AWAY)).toBe('app-password-network')
    expect(await world.login('ann', app, HOME)).toBe('welcome')
    expect(await world.login('ann', app, HOME_NEIGHBOUR)).toBe('app-password-network')
    expect(await world.login('ann', app, OFFICE)).toBe('welcome')
    expect(world.asked).toHaveLength(2)
  })

  test('learn: that of the first proven use is the only one from then on', async () => {
    const app = await add({ networks: 'learn' })
    expect(await world.login('ann', app, AWAY, 'another')).toBe('app-password-stale')
    world.pass(HOUR)
    expect(await world.login('ann', app, HOME)).toBe('welcome')
    expect(await world.login('ann', app, HOME_NEIGHBOUR)).toBe('welcome')
    expect(await world.login('ann', app, AWAY)).toBe('app-password-network')
    expect(await listAppPasswords(world.users, 'ann')).toMatchObject([{ learnt_network: '192.0.2.0/24' }])
  })

  test('learn: of two first uses at once from two networks one gets in, from one network both do', async () => {
    const app = await add({ networks: 'learn' })
    const [one, same, other] = await Promise.all([HOME, HOME_NEIGHBOUR, AWAY].map((at) => world.authenticate('ann', app, at))) // prettier-ignore
    if (one === undefined || same === undefined || other === undefined) throw new Error('three')
    expect(await world.settle(one, 'proven')).toEqual({ say: 'welcome' })
    expect(await world.settle(other, 'proven')).toEqual({ say: 'trouble' })
    expect(await world.settle(same, 'proven')).toEqual({ say: 'welcome' })
  })
})

describe('pending', () => {
  test('takes effect at the next login with a code, and not before', async () => {
    const made = await world.enroll('ann')
    const app = await add({ password: null })
    expect(await world.login('ann', app, HOME)).toBe('app-password-pending')
    expect(await world.login('ann', `wrong${world.code('ann')}`, HOME)).toBe('password-wrong')
    expect(await world.login('ann', app, HOME)).toBe('app-password-pending')
    expect(await states()).toEqual([['scanner', 'pending']])
    expect(await world.login('ann', `secret${made.recovery_codes[0]}`, HOME)).toBe('welcome')
    expect(await world.login('ann', app, AWAY)).toBe('welcome')
  })

  test('is sealed also by a login that was under way when it was made', async () => {
    await world.enroll('ann')
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    const app = await add({ password: null })
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'welcome' })
    expect(await world.login('ann', app, AWAY)).toBe('welcome')
  })

  test('a repeat and an app password are no fresh code: they seal nothing', async () => {
    await world.enroll('ann')
    const stored = `secret${world.code('ann')}`
    const other = await add({ name: 'other' })
    await world.login('ann', stored, HOME)
    const app = await add({ password: null })
    await world.login('ann', stored, HOME)
    await world.login('ann', other, HOME)
    expect(await world.login('ann', app, HOME)).toBe('app-password-pending')
  })
})

describe('a password change at the old server', () => {
  test('makes it stale, which is told once, and mended by the next login with a code', async () => {
    await world.enroll('ann')
    const app = await add()
    expect(await world.login('ann', app, HOME)).toBe('welcome')
    const asked = world.asked.length
    expect(await world.login('ann', app, HOME, 'changed')).toBe('app-password-stale')
    expect(await world.login('ann', app, HOME, 'changed')).toBe('app-password-stale')
    // A program that polls does not make the old server lock the user.
    expect(world.asked).toHaveLength(asked + 1)
    world.pass(900_000)
    expect(await world.login('ann', app, HOME, 'changed')).toBe('app-password-stale')
    expect(world.asked).toHaveLength(asked + 2)
    expect(actions().filter((action) => action === 'app-password-stale')).toHaveLength(1)
    expect((await showUser(world.users, 'ann')).app_passwords).toMatchObject([{ state: 'stale', stale_since: world.now() - 900_000 }]) // prettier-ignore
    expect(await world.login('ann', `changed${world.code('ann')}`, HOME, 'changed')).toBe('welcome')
    expect(await states()).toEqual([['scanner', 'ready']])
    expect(await world.login('ann', app, AWAY, 'changed')).toBe('welcome')
  })

  test('that was a slip of the old server heals by itself', async () => {
    const app = await add()
    expect(await world.login('ann', app, HOME, 'changed')).toBe('app-password-stale')
    world.pass(900_000)
    expect(await world.login('ann', app, HOME)).toBe('welcome')
    expect(await states()).toEqual([['scanner', 'ready']])
  })
})

describe('what is ended', () => {
  test('a revoked one, at once: also between judgement and proof', async () => {
    const app = await add()
    const tried = await world.authenticate('ann', app, HOME)
    expect(await revokeAppPassword(world.users, 'ann', 'scanner')).toEqual({ user: 'ann', sessions: 0 })
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(world.opened).toEqual([])
    expect(await world.login('ann', app, HOME)).toBe('unknown-user')
    expect(world.events).toContainEqual({ stream: 'admin', action: 'app-password-revoked', user: 'ann', name: 'scanner', reason: 'revoked' }) // prettier-ignore
    await expect(revokeAppPassword(world.users, 'ann', 'scanner')).rejects.toThrow(/no app password named 'scanner'/)
  })

  test('all, when the user is enrolled anew; none at the first enrolment', async () => {
    const app = await add({ password: null })
    await world.enroll('ann')
    expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
    const tried = await world.authenticate('ann', app, HOME)
    await enrollUser(world.users, 'ann', { replace: true })
    expect(world.events).toContainEqual({ stream: 'admin', action: 'app-password-revoked', user: 'ann', name: 'scanner', reason: 'enrolled anew' }) // prettier-ignore
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(await world.login('ann', app, HOME)).toBe('code-missing')
    expect(await states()).toEqual([])
  })

  test('all, when the user is removed', async () => {
    const app = await add()
    await removeUser(world.users, 'ann')
    expect(await world.login('ann', app, HOME)).toBe('unknown-user')
    await expect(listAppPasswords(world.users, 'ann')).rejects.toThrow(/ann is not known/)
  })
})

describe('the command', () => {
  test('audits what it made, without letters or password', async () => {
    const app = await add({ networks: '192.0.2.0/24,learn'.split(',')[0] ?? '', expires: '1d' })
    const at = new Date(world.now() + DAY).toISOString()
    expect(world.events).toEqual([
      { stream: 'admin', action: 'app-password-added', user: 'ann', name: 'scanner', networks: '192.0.2.0/24', expires: at, pending: false }, // prettier-ignore
    ])
    expect(JSON.stringify(world.events)).not.toContain(app.replaceAll(' ', ''))
  })

  test('writes the last use no more than once a minute', async () => {
    const app = await add()
    const used = async () => (await listAppPasswords(world.users, 'ann'))[0]?.last_used_at
    expect(await used()).toBeNull()
    await world.login('ann', app, HOME)
    const first = world.now()
    world.pass(59_999)
    await world.login('ann', app, HOME)
    expect(await used()).toBe(first)
    world.pass(1)
    await world.login('ann', app, HOME)
    expect(await used()).toBe(world.now())
  })

  test.each([
    [{ name: '' }, /--name '' does not fit/],
    [{ name: 'x'.repeat(65) }, /does not fit: 1 to 64/],
    [{ name: 'a\u202eb' }, /does not fit/],
    [{ networks: 'office' }, /--networks 'office' is no address, network .*; or write learn or any, alone/],
    [{ networks: 'any,192.0.2.0/24' }, /--networks 'any' is no address/],
    [{ networks: '' }, /--networks '' is no address/],
    [{ networks: Array.from({ length: 33 }, (_, i) => `10.0.0.${i}`).join(',') }, /more than 32 networks/],
    [{ expires: '180' }, /--expires '180' has no unit/],
    [{ expires: '0d' }, /up to ten years/],
    [{ expires: '3651d' }, /up to ten years/],
    [{ password: '' }, /the mailbox password is empty/],
    [{ password: 'a\nb' }, /the mailbox password does not fit: one line/],
    [{ password: 'a\0b' }, /the mailbox password does not fit/],
    [{ user: 'ann smith' }, /is no user name/],
  ])('refuses %j', async (wanted, words) => {
    await expect(add(wanted)).rejects.toThrow(words)
    expect(world.events).toEqual([])
  })

  test('refuses a second one of a name, the twenty-first, and who is not on the roster', async () => {
    for (let i = 0; i < APP_PASSWORDS_PER_USER_MAX; i++) await add({ name: `n${i}` })
    await expect(add({ name: 'n0' })).rejects.toThrow(/has an app password named 'n0'/)
    await expect(add({ name: 'more' })).rejects.toThrow(/has 20 app passwords: revoke one first/)
    world.policy = policyOf({ users: { roster: new Map([['ann', 'ann']]) } })
    await expect(add({ user: 'bob' })).rejects.toThrow(/the roster does not name bob/)
  })
})
