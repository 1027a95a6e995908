import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeRecoveryCodes } from '../../../src/factors/recovery.ts'
import { enrolMany, planEnrolment, type EnrolmentMade } from '../../../src/keeper/enrol-many.ts'
import { enrollUser } from '../../../src/keeper/users.ts'
import { createWorld, HOME, policyOf, START, type World } from '../../support/login-world.ts'

let world: World
beforeEach(() => {
  world = createWorld(policyOf({ users: { default_domain: 'example.com' } }))
})
afterEach(() => {
  world.end()
})

const linesOf = (...lines: string[]) => lines.map((text, i) => ({ line: i + 1, names: text.split(' ') }))
const plan = (lines: string[], replace = false) => planEnrolment(world.users, { lines: linesOf(...lines), replace })
const made = (user: string, change: Partial<EnrolmentMade> = {}): EnrolmentMade => ({
  user,
  seed: Buffer.alloc(20, user).toString('base64'),
  recovery_codes: makeRecoveryCodes(),
  ...change,
})
const enrol = (all: EnrolmentMade[], replace = false) => enrolMany(world.users, { made: all, replace })
const names = async () => (await world.store.users()).map(({ name }) => name)

describe('a plan', () => {
  test('has everybody once, in the one form of the name; who is enrolled is skipped', async () => {
    await enrollUser(world.users, 'bob')
    expect(await plan(['Ann', 'BOB@example.com', 'carl@other.example'])).toEqual({
      users: ['ann@example.com', 'carl@other.example'],
      skipped: ['bob@example.com'],
      faults: [],
    })
    expect((await plan(['ann', 'bob'], true)).users).toEqual(['ann@example.com', 'bob@example.com'])
    expect(await names()).toEqual(['bob@example.com'])
  })

  test('names every bad line', async () => {
    const { faults } = await plan(['ann', 'a@b@c', 'ANN@example.com', 'an\u200bn', 'bob carl', 'dora', 'x\u001b[31m'])
    expect(faults).toEqual([
      { line: 2, message: '`a@b@c` is no user name; see `users` in login.yaml' },
      { line: 3, message: 'ann@example.com stands in line 1 already' },
      { line: 4, message: '`an\\u{200b}n` is no user name; see `users` in login.yaml' },
      { line: 5, message: 'names more than one user: bob@example.com, carl@example.com' },
      { line: 7, message: '`x\\u{1b}[31m` is no user name; see `users` in login.yaml' },
    ])
  })

  test('takes a roster as it is, and nobody who is not on it', async () => {
    const roster = new Map([
      ['ann@example.com', 'ann@example.com'],
      ['annie@example.com', 'ann@example.com'],
    ])
    world.policy = policyOf({ users: { default_domain: 'example.com', roster } })
    expect((await plan(['ann annie', 'eve'])).faults).toEqual([
      { line: 2, message: 'the roster does not name `eve@example.com`' },
    ])
    expect((await plan(['annie'])).users).toEqual(['ann@example.com'])
  })

  test('of too many is refused', async () => {
    await expect(plan(Array.from({ length: 20_001 }, (_, i) => `u${i}`))).rejects.toThrow(/more than 20000 users/)
  })
})

describe('enrolling them', () => {
  test('works as one by one does: codes open, the audit has each', async () => {
    const ann = made('ann@example.com')
    expect(await enrol([ann, made('bob@example.com')])).toEqual({ enrolled: true, users: 2, replaced: 0 })
    expect(world.events).toEqual([
      { stream: 'admin', action: 'user-enrolled', user: 'ann@example.com', replaced: false },
      { stream: 'admin', action: 'user-enrolled', user: 'bob@example.com', replaced: false },
    ])
    expect(await world.login('ann', `secret${ann.recovery_codes[3]}`, HOME)).toBe('welcome')
    expect(await world.store.users()).toMatchObject([{ state: 'pending', enrolledAt: START }, { state: 'pending' }])
  })

  test('is all or nothing: one who is enrolled by now, one who is twice, one who is bad', async () => {
    await enrollUser(world.users, 'bob')
    const [ann, bob] = [made('ann@example.com'), made('bob@example.com')]
    expect(await enrol([ann, bob])).toEqual({
      enrolled: false,
      why: expect.stringContaining('bob@example.com') as string,
    })
    await expect(enrol([ann, made('carl@example.com'), ann])).rejects.toThrow(/twice/)
    for (const bad of [
      made('CARL@example.com'),
      made('carl'),
      made(''),
      made('carl@example.com', { seed: '' }),
      made('carl@example.com', { seed: Buffer.alloc(19).toString('base64') }),
      made('carl@example.com', { recovery_codes: ['aaaaa-aaaaa'] }),
      made('carl@example.com', { recovery_codes: Array<string>(10).fill('AAAAA-AAAAA') }),
    ])
      expect(await enrol([ann, bad])).toMatchObject({ enrolled: false })
    expect(await names()).toEqual(['bob@example.com'])
  })

  test('with replace ends what was there, and sessions with it', async () => {
    await world.enroll('ann')
    const stored = `secret${world.code('ann')}`
    expect(await world.login('ann', stored, HOME)).toBe('welcome')
    expect(await enrol([made('ann@example.com'), made('bob@example.com')], true)).toMatchObject({
      users: 2,
      replaced: 1,
    })
    expect(world.killed).toEqual(world.opened)
    expect(await world.login('ann', stored, HOME)).toBe('code-wrong')
  })
})
