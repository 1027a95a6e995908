import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { reveal } from '../../../src/base/secret.ts'
import { encodeBase32 } from '../../../src/factors/base32.ts'
import { enrollUser, listUsers, removeUser, showUser } from '../../../src/keeper/users.ts'
import { AWAY, createWorld, HOME, HOUR, policyOf, START, type World } from '../../support/login-world.ts'

let world: World
beforeEach(() => {
  world = createWorld(policyOf({ users: { default_domain: 'example.com' } }))
})
afterEach(() => {
  world.end()
})

describe('enrolling', () => {
  test('gives what the user needs, once, under the one form of the name', async () => {
    const made = await enrollUser(world.users, 'Ann', { issuer: 'My Mail' })
    expect(made.user).toBe('ann@example.com')
    expect(made.recovery_codes).toHaveLength(10)
    expect(made.otpauth).toMatch(
      /^otpauth:\/\/totp\/My%20Mail:ann%40example\.com\?secret=[A-Z2-7]{32}&issuer=My%20Mail&/,
    )
    expect(world.events).toEqual([
      { stream: 'admin', action: 'user-enrolled', user: 'ann@example.com', replaced: false },
    ])
    expect((await enrollUser(world.users, 'bob')).otpauth).toContain('issuer=Postern&')
  })

  test('twice is refused, whatever the spelling, and changes nothing', async () => {
    const made = await world.enroll('ann')
    await expect(enrollUser(world.users, 'ANN@Example.com')).rejects.toThrow(
      /ann@example\.com is enrolled already: --replace/,
    )
    expect(await world.login('ann', `secret${made.recovery_codes[0]}`, HOME)).toBe('welcome')
  })

  test('with replace ends devices, codes and recovery codes of before', async () => {
    const made = await world.enroll('ann')
    const stored = `secret${world.code('ann')}`
    await world.login('ann', stored, HOME)
    const next = `secret${world.code('ann', 1)}`
    world.events.length = 0
    await enrollUser(world.users, 'ann', { replace: true })
    expect(world.events.map((event) => event.action)).toEqual(['user-enrolled', 'device-revoked', 'session-killed'])
    expect(world.killed).toEqual(world.opened)
    for (const old of [stored, next, `secret${made.recovery_codes[1]}`]) {
      expect(await world.login('ann', old, HOME)).toBe('code-wrong')
    }
  })

  test('ends a login under way', async () => {
    await world.enroll('ann')
    const tried = await world.authenticate('ann', `secret${world.code('ann')}`, HOME)
    await enrollUser(world.users, 'ann', { replace: true })
    expect(await world.settle(tried, 'proven')).toEqual({ say: 'trouble' })
    expect(world.opened).toEqual([])
  })

  test.each(['', 'ann smith', 'a@b@c', 'an\u200bn', 'x\u001b[31m'])('"%s" is no name', async (name) => {
    const refused = enrollUser(world.users, name)
    await expect(refused).rejects.toThrow(/is no user name/)
    await expect(refused).rejects.not.toThrow(/\u001b|\u200b/)
  })

  test('needs the roster, where there is one; an alias is its user', async () => {
    const roster = new Map([
      ['ann@example.com', 'ann@example.com'],
      ['annie@example.com', 'ann@example.com'],
    ])
    world.policy = policyOf({ users: { default_domain: 'example.com', roster } })
    await expect(enrollUser(world.users, 'bob')).rejects.toThrow(/the roster does not name bob@example\.com/)
    expect((await enrollUser(world.users, 'annie')).user).toBe('ann@example.com')
  })
})

describe('showing', () => {
  test('lists everybody by name, and those in one state', async () => {
    await world.enroll('bob')
    await world.enroll('ann')
    await world.login('ann', `secret${world.code('ann')}`, HOME)
    expect(await listUsers(world.users)).toEqual([
      { user: 'ann@example.com', state: 'enrolled', enrolled_at: START, last_login_at: START },
      { user: 'bob@example.com', state: 'pending', enrolled_at: START, last_login_at: null },
    ])
    expect((await listUsers(world.users, 'pending')).map((row) => row.user)).toEqual(['bob@example.com'])
    await expect(listUsers(world.users, 'gone')).rejects.toThrow(/none, pending, enrolled, frozen/)
  })

  test('lists those on the roster who are not enrolled', async () => {
    const roster = new Map([
      ['eve', 'eve'],
      ['evelyn', 'eve'],
    ])
    world.policy = policyOf({ users: { roster } })
    expect(await listUsers(world.users, 'none')).toEqual([
      { user: 'eve', state: 'none', enrolled_at: null, last_login_at: null },
    ])
    expect((await showUser(world.users, 'evelyn')).user).toBe('eve')
  })

  test('tells state, devices, recovery codes left and logins of one', async () => {
    const { recovery_codes } = await world.enroll('ann')
    const stored = `secret${world.code('ann')}`
    await world.login('ann', stored, HOME)
    world.pass(HOUR)
    await world.login('ann', stored, HOME)
    await world.login('ann', `secret${world.code('ann')}`, HOME)
    world.pass(HOUR)
    await world.login('ann', `secret${recovery_codes[0]}`, AWAY)
    expect(await showUser(world.users, 'ANN')).toEqual({
      user: 'ann@example.com',
      state: 'enrolled',
      enrolled_at: START,
      frozen: null,
      recovery_codes_left: 9,
      temp_code_until: null,
      devices: [
        expect.objectContaining({ network: '198.51.100.0/24', trusted_at: START + 2 * HOUR, trusted: true }),
        expect.objectContaining({ network: '192.0.2.0/24', trusted_at: START, last_used_at: START + HOUR }),
      ],
      app_passwords: [],
      travel: null,
      logins: [
        { at: START + 2 * HOUR, ip: AWAY.ip, factor: 'recovery-code', listener: 'outside' },
        { at: START + HOUR, ip: HOME.ip, factor: 'totp', listener: 'outside' },
        { at: START + HOUR, ip: HOME.ip, factor: 'trusted-device', listener: 'outside' },
        { at: START, ip: HOME.ip, factor: 'totp', listener: 'outside' },
      ],
    })
    await expect(showUser(world.users, 'nobody')).rejects.toThrow(/nobody@example\.com is not known/)
  })
})

describe('removing', () => {
  test('takes everything and tells the audit', async () => {
    await world.enroll('ann')
    const stored = `secret${world.code('ann')}`
    await world.login('ann', stored, HOME)
    expect(await removeUser(world.users, 'Ann')).toBe('ann@example.com')
    expect(world.events.slice(-2)).toEqual([
      { stream: 'admin', action: 'user-removed', user: 'ann@example.com' },
      expect.objectContaining({ action: 'session-killed', user: 'ann@example.com', reason: 'removed' }),
    ])
    expect(world.killed).toEqual(world.opened)
    expect(await world.login('ann', stored, HOME)).toBe('unknown-user')
    await expect(removeUser(world.users, 'ann')).rejects.toThrow(/is not known/)
  })

  test('is refused while the roster names the user: that name would get in without a code', async () => {
    await world.enroll('ann')
    const roster = new Map([
      ['ann@example.com', 'ann@example.com'],
      ['annie@example.com', 'ann@example.com'],
    ])
    world.policy = policyOf({ users: { default_domain: 'example.com', roster } })
    for (const name of ['ann', 'Annie@example.com'])
      await expect(removeUser(world.users, name)).rejects.toThrow(/the roster still names ann@example\.com/)
    expect((await showUser(world.users, 'ann')).state).toBe('pending')
  })

  test('works for who is no longer on the roster', async () => {
    await world.enroll('ann')
    world.policy = policyOf({ users: { default_domain: 'example.com', roster: new Map() } })
    expect(await removeUser(world.users, 'ann')).toBe('ann@example.com')
  })
})

test('the state folder holds no password, code, seed or recovery code, in any form', async () => {
  const made = await world.enroll('ann')
  const seed = world.keys.open(
    'seed',
    'ann@example.com',
    (await world.store.dossier('ann@example.com')).user?.sealedSeed ?? Buffer.alloc(0),
  )
  const [password, wrong] = ['correct horse battery', 'wrong horse battery']
  const codes = [world.code('ann'), world.code('ann', 1)]
  await world.login('ann', `${wrong}${codes[1]}`, HOME, password)
  expect(await world.login('ann', `${password}${codes[0]}`, HOME, password)).toBe('welcome')
  expect(await world.login('ann', `${password}${made.recovery_codes[0]}`, AWAY, password)).toBe('welcome')
  await world.authenticate('ann', `${password}${world.code('ann', -1)}`, AWAY)

  const plain = [password, wrong, ...codes, ...made.recovery_codes, encodeBase32(reveal(seed))].map((text) =>
    Buffer.from(text),
  )
  const wanted = [...plain, reveal(seed), Buffer.alloc(32, 7)]
  const forms = wanted.flatMap((bytes) => [
    bytes,
    Buffer.from(bytes.toString('hex')),
    Buffer.from(bytes.toString('base64').replace(/=+$/, '')),
  ])
  const search = () =>
    readdirSync(world.folder).flatMap((name) => {
      const bytes = readFileSync(join(world.folder, name))
      return forms.filter((form) => bytes.includes(form)).map((form) => `${name}: ${form.toString('latin1')}`)
    })
  const names = readdirSync(world.folder).filter((name) =>
    readFileSync(join(world.folder, name)).includes('ann@example.com'),
  )
  // The search sees what is there: the name is.
  expect(names.length).toBeGreaterThan(0)
  expect(search()).toEqual([])
  world.restart()
  expect(search()).toEqual([])
  expect(JSON.stringify(world.events)).not.toMatch(new RegExp(`horse|${codes.join('|')}|${encodeBase32(reveal(seed))}`))
})
