import { afterEach, expect, test } from 'vitest'
import type { LoginPolicy } from '../../../src/keeper/login-policy.ts'
import { AWAY, createWorld, HOME, policyOf, START, type World } from '../../support/login-world.ts'

const DAY = 86_400_000
const BY = { file: 'geofence.yaml', line: 4, rule: 'geofence.country' }

let world: World
afterEach(() => {
  world.end()
})

/** The geofence shuts out JP, where AWAY is, and an address of no known country. */
async function travel(exceptions: LoginPolicy['exceptions'], country: string | null = 'JP'): Promise<void> {
  world = createWorld(policyOf({ exceptions }), (context) => ({
    ...context,
    fenced: (ip) => (ip === AWAY.ip ? { country, by: BY } : null),
  }))
  await world.enroll('ann@example.com')
  await world.enroll('bob@example.com')
}
const logIn = (user: string, from = AWAY) => world.login(user, `secret${world.code(user)}`, from)

const TRIP = { users: ['ann@example.com'], countries: ['JP', 'KR'], until: START + DAY }

test('the user that an exception names gets in from its country, with a code as always', async () => {
  await travel([TRIP])
  expect(await world.login('ann@example.com', 'secret', AWAY)).toBe('code-missing')
  expect(await logIn('ann@example.com')).toBe('welcome')
})

test('all others are refused by the rule that shuts their country out, and the old server hears nothing', async () => {
  await travel([TRIP])
  expect(await logIn('bob@example.com')).toBe('rule')
  expect(world.asked).toEqual([])
  expect(world.events.at(-1)).toMatchObject({ action: 'login-failed', reason: 'rule', by: BY })
  // A code that was typed in vain is not spent.
  expect(await logIn('bob@example.com', HOME)).toBe('welcome')
})

test('the refusal is that of a wrong password, in words and time', async () => {
  await travel([TRIP])
  const { answer } = await world.authenticate('bob@example.com', 'secret', AWAY)
  expect(answer).toEqual({ say: 'refuse', holdMs: 3_000 })
})

test('an exception ends', async () => {
  await travel([TRIP])
  world.pass(DAY)
  expect(await logIn('ann@example.com')).toBe('rule')
})

test('an exception is for its countries alone, and for no unknown one', async () => {
  await travel([TRIP], 'KP')
  expect(await logIn('ann@example.com')).toBe('rule')
  world.end()
  await travel([TRIP], null)
  expect(await logIn('ann@example.com')).toBe('rule')
})

test('users may be a pattern', async () => {
  await travel([{ ...TRIP, users: ['*@example.com'] }])
  expect(await logIn('bob@example.com')).toBe('welcome')
})
