import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PASSWORD_CHECKS_PER_NETWORK_MAX, PASSWORD_CHECKS_WAITING_MAX } from '../../../src/base/login-limits.ts'
import { reveal, Secret } from '../../../src/base/secret.ts'
import { createExposure, type Exposure } from '../../../src/keeper/exposure.ts'
import { makeTempCode } from '../../../src/keeper/helpdesk.ts'
import { removeUser } from '../../../src/keeper/users.ts'
import { AWAY, createWorld, HOME, HOUR, OFFICE, policyOf, type World } from '../../support/login-world.ts'
import type { Desk, JudgeContext, Login } from '../../../src/keeper/desk.ts'

const DAY = 24 * HOUR
let world: World
let asked: string[]

/** Says yes to the very password, and notes what it was asked. */
const hasher: JudgeContext['hasher'] = {
  hash: (password) => {
    asked.push(`hash ${reveal(password).toString()}`)
    return Promise.resolve(new Secret(Buffer.from(`hashed ${reveal(password).toString('hex')}`)))
  },
  verify: (password, hashed) => {
    asked.push(`verify ${reveal(password).toString()}`)
    return Promise.resolve(reveal(hashed).toString() === `hashed ${reveal(password).toString('hex')}`)
  },
}
/** All that is done after an answer is done within some turns of the loop. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}
const exposed = () => world.events.filter(({ action }) => action === 'password-exposed')

beforeEach(async () => {
  asked = []
  world = createWorld(policyOf(), (context) => ({ ...context, hasher }))
  await world.enroll('ann')
  expect(await world.login('ann', `secret${world.code('ann')}`, HOME)).toBe('welcome')
  await quiet()
  expect(asked).toEqual(['hash secret'])
  asked.length = 0
})
afterEach(() => {
  expect(world.broken).toEqual([])
  world.end()
})

describe('the right password from a new network', () => {
  test.each([
    ['without a code', 'secret', 'code-missing'],
    ['with a wrong code', 'secret000000', 'code-wrong'],
    ['with a recovery code that is none', 'secret00000-00000', 'code-wrong'],
  ])('%s is told', async (_, typed, reason) => {
    expect(await world.login('ann', typed, AWAY)).toBe(reason)
    await quiet()
    expect(exposed()).toEqual([
      expect.objectContaining({ stream: 'auth', user: 'ann', reason, network: '198.51.100.0/24' }),
    ])
    expect(exposed()[0]).toMatchObject({ connection: { ip: AWAY.ip } })
  })

  test('with a code that came too late, or of the helpdesk past its time, is told', async () => {
    expect(await world.login('ann', `secret${world.code('ann', 4)}`, AWAY)).toBe('code-clock-skew')
    await quiet()
    const { code } = await makeTempCode(world.users, 'ann', '1m')
    world.pass(60_000)
    expect(await world.login('ann', `secret${code}`, OFFICE)).toBe('code-expired')
    await quiet()
    expect(exposed()).toMatchObject([{ reason: 'code-clock-skew' }, { reason: 'code-expired' }])
  })

  test('is told once a network and day', async () => {
    for (const [wait, from, count] of [
      [0, AWAY, 1],
      [HOUR, AWAY, 1],
      [HOUR, OFFICE, 2],
      [DAY - 2 * HOUR, AWAY, 3],
    ] as const) {
      // prettier-ignore
      world.pass(wait)
      // Each string anew: one that was refused before is not looked at.
      await world.login(
        'ann',
        `secret${String(count).padStart(3, '0')}${String(wait).slice(0, 3).padStart(3, '0')}`,
        from,
      )
      await quiet()
      expect(exposed()).toHaveLength(count)
    }
  })

  test('is told of a password that itself ends in digits', async () => {
    world.pass(60_000)
    expect(await world.login('ann', `pin123456${world.code('ann')}`, HOME, 'pin123456')).toBe('welcome')
    await quiet()
    expect(await world.login('ann', 'pin123456', AWAY)).toBe('code-wrong')
    await quiet()
    expect(exposed()).toHaveLength(1)
  })

  test('is told after a restart as well', async () => {
    world.restart()
    await world.login('ann', 'secret', AWAY)
    await quiet()
    expect(exposed()).toHaveLength(1)
  })
})

describe('nothing is told, and nothing slow is asked', () => {
  test.each([
    ['from a network where the user was proven', 'secret', HOME],
    ['of a user who does not exist', 'secret', AWAY, 'nobody'],
  ])('%s', async (_, typed, from, user = 'ann') => {
    await world.login(user, typed, from)
    await quiet()
    expect([asked, exposed()]).toEqual([[], []])
  })

  test('of a string that was wrong before', async () => {
    for (let poll = 0; poll < 3; poll++) {
      await world.login('ann', 'guess', AWAY)
      await quiet()
    }
    expect([asked, exposed()]).toEqual([['verify guess'], []])
  })

  test('of the password that was the last but one', async () => {
    world.pass(60_000)
    await world.login('ann', `changed${world.code('ann')}`, HOME, 'changed')
    await quiet()
    await world.login('ann', 'secret', AWAY)
    await quiet()
    expect(exposed()).toEqual([])
    await world.login('ann', 'changed', AWAY)
    await quiet()
    expect(exposed()).toHaveLength(1)
  })

  test('when the user was removed', async () => {
    await removeUser(world.users, 'ann')
    await world.enroll('ann')
    await world.login('ann', 'secret', AWAY)
    await quiet()
    expect([asked, exposed()]).toEqual([[], []])
  })
})

describe('the hash', () => {
  test('is made anew only for another password or enrolment', async () => {
    for (const password of ['secret', 'secret', 'changed', 'changed']) {
      world.pass(60_000)
      await world.login('ann', `${password}${world.code('ann')}`, HOME, password)
      await quiet()
    }
    expect(asked).toEqual(['hash changed'])
    await removeUser(world.users, 'ann')
    await world.enroll('ann')
    await world.login('ann', `changed${world.code('ann')}`, HOME, 'changed')
    await quiet()
    expect(asked).toEqual(['hash changed', 'hash changed'])
  })

  test('is not made anew after a restart, unless for another password', async () => {
    for (const password of ['secret', 'changed', 'changed']) {
      world.restart()
      world.pass(60_000)
      await world.login('ann', `${password}${world.code('ann')}`, HOME, password)
      await quiet()
    }
    expect(asked).toEqual(['hash changed'])
    await world.login('ann', 'changed', AWAY)
    await quiet()
    expect(exposed()).toHaveLength(1)
  })

  test('that was kept without a trace of its password counts, and is made anew at the next login', async () => {
    const enrolment = (await world.store.dossier('ann')).user?.enrolment ?? ''
    const old = await hasher.hash(new Secret(Buffer.from('secret')))
    await world.store.keepPasswordHash('ann', enrolment, world.keys.seal('password-hash', 'ann', old))
    await world.login('ann', 'secret', AWAY)
    await quiet()
    expect(exposed()).toHaveLength(1)
    asked.length = 0
    world.restart()
    world.pass(60_000)
    await world.login('ann', `secret${world.code('ann')}`, HOME)
    await quiet()
    expect(asked).toEqual(['hash secret'])
  })

  test('that does not open is made anew at the next login', async () => {
    const enrolment = (await world.store.dossier('ann')).user?.enrolment ?? ''
    await world.store.keepPasswordHash('ann', enrolment, Buffer.from('damaged'))
    world.restart()
    world.pass(60_000)
    await world.login('ann', `secret${world.code('ann')}`, HOME)
    await quiet()
    expect(asked).toEqual(['hash secret'])
    await world.login('ann', 'secret', AWAY)
    await quiet()
    expect(exposed()).toHaveLength(1)
  })

  test('is not made of a password that the old server refused', async () => {
    world.pass(60_000)
    await world.login('ann', `wrong${world.code('ann')}`, HOME)
    await quiet()
    expect(asked).toEqual([])
  })

  test('that comes too late brings nobody back', async () => {
    const enrolment = (await world.store.dossier('ann')).user?.enrolment ?? ''
    await removeUser(world.users, 'ann')
    await world.store.keepPasswordHash('ann', enrolment, Buffer.from('x'))
    expect(await world.store.exposure('ann', 'x')).toEqual({ sealedHash: null, known: false })
    expect(await world.store.users()).toEqual([])
    await world.enroll('ann')
    await world.store.keepPasswordHash('ann', enrolment, Buffer.from('x'))
    expect(await world.store.exposure('ann', 'x')).toEqual({ sealedHash: null, known: false })
  })
})

describe('the pool', () => {
  const context = (change: Partial<Desk>): Desk => ({ ...world.users, hasher, broken: (e: unknown) => world.broken.push(e), skipped: () => void (world.skipped += 1), ...change }) as Desk // prettier-ignore
  const tried = (exposure: Exposure, ip: string, secret: string) => {
    const connection = { listener: 'outside', ip, port: 1 }
    exposure.tried({ user: 'ann', connection, policy: world.policy } as Login, 'code-missing', Buffer.from(secret))
  }

  test('asks nothing before the answer has left, then one at a time', async () => {
    let running = 0
    let most = 0
    const slow: JudgeContext['hasher'] = {
      ...hasher,
      async verify(password, hashed) {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setImmediate(resolve))
        running -= 1
        return hasher.verify(password, hashed)
      },
    }
    const exposure = createExposure(context({ hasher: slow }))
    for (let i = 0; i < 5; i++) tried(exposure, `198.51.${i}.1`, `guess${i}`)
    expect(asked).toEqual([])
    await exposure.idle()
    expect([asked.length, most]).toEqual([5, 1])
  })

  test('skips and counts what is too much, from one network and in all', async () => {
    const exposure = createExposure(context({}))
    for (let i = 0; i < 10; i++) tried(exposure, '198.51.100.1', `guess${i}`)
    expect(world.skipped).toBe(10 - PASSWORD_CHECKS_PER_NETWORK_MAX)
    for (let i = 0; i < 100; i++) tried(exposure, `10.0.${i}.1`, `other${i}`)
    await exposure.idle()
    expect(asked).toHaveLength(PASSWORD_CHECKS_WAITING_MAX)
    expect(world.skipped).toBe(110 - PASSWORD_CHECKS_WAITING_MAX)
  })

  test('keeps what was proven before it looks at guesses, however many there are', async () => {
    const exposure = createExposure(context({}))
    for (let i = 0; i < 100; i++) tried(exposure, `10.0.${i}.1`, `other${i}`)
    const enrolment = (await world.store.dossier('ann')).user?.enrolment ?? ''
    // The pool holds what waits; the first of them begins a turn of the loop later.
    exposure.proven('ann', enrolment, new Secret(Buffer.from('one')))
    exposure.proven('ann', enrolment, new Secret(Buffer.from('two')))
    await exposure.idle()
    expect(asked.slice(0, 2)).toEqual(['hash one', 'hash two'])
    expect(asked[2]).toMatch(/^verify other/)
    expect(world.skipped).toBe(102 - PASSWORD_CHECKS_WAITING_MAX)
  })

  test('goes on after a check that failed', async () => {
    const exposure = createExposure(context({ hasher: { ...hasher, verify: () => Promise.reject(new Error('no memory')) } })) // prettier-ignore
    tried(exposure, '198.51.100.1', 'guess')
    tried(exposure, '198.51.101.1', 'guess')
    await exposure.idle()
    expect(world.broken.splice(0).map(String)).toEqual(['Error: no memory', 'Error: no memory'])
  })
})
