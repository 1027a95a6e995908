import { afterEach, describe, expect, test } from 'vitest'
import { barredByRule, policyUnder, ruleFor } from '../../../src/keeper/rules.ts'
import type { LoginPolicy } from '../../../src/keeper/login-policy.ts'
import { AWAY, createWorld, factorsOf, HOME, policyOf, START, type World } from '../../support/login-world.ts'
import { rule } from '../../support/rule.ts'
import { address, list } from '../gate/lists.ts'

const DAY = 86_400_000
const USER = 'ann@example.com'

let world: World
afterEach(() => {
  world.end()
})

/** `country`: of AWAY; HOME is of none that is known. */
async function begin(rules: LoginPolicy['rules'], change: Parameters<typeof policyOf>[0] = {}, country = 'JP') {
  world = createWorld(policyOf({ rules, ...change }), (context) => ({
    ...context,
    country: (ip) => (ip === AWAY.ip ? country : null),
  }))
  await world.enroll(USER)
}
const logIn = (from = HOME) => world.login(USER, `secret${world.code(USER)}`, from)
const lastRule = () => {
  const event = world.events.at(-1)
  return event?.action === 'login-failed' ? event.by : null
}

describe('a rule', () => {
  test('shuts out by its lists and countries, with file and line; the old server hears nothing and no code is spent', async () => {
    const deny = list('192.0.2.0/24')
    await begin([rule({ networks: { allow: null, deny } })])
    expect(await logIn()).toBe('rule')
    expect(lastRule()).toEqual({ file: 'lists/a.txt', line: 1, rule: 'rules.networks.deny' })
    expect(world.asked).toEqual([])
    expect(await logIn(AWAY)).toBe('welcome')
  })

  test('refuses in the words and time of a wrong code, and for users who do not exist alike', async () => {
    await begin([rule({ countries: ['DE'] })])
    for (const user of [USER, 'nobody@example.com']) {
      expect((await world.authenticate(user, 'secret', AWAY)).answer).toEqual({ say: 'refuse', holdMs: 3_000 })
      expect(lastRule()).toEqual({ file: 'login.yaml', line: 5, rule: 'rules.countries.allow' })
    }
  })

  test('is for its users and listeners alone', async () => {
    const shut = { networks: { allow: { list: list('10.0.0.0/8'), by: rule().by }, deny: null } }
    await begin([rule({ users: ['bob@*'], ...shut }), rule({ listeners: ['inside'], ...shut })])
    expect(await logIn()).toBe('welcome')
  })

  test('means every spelling of a user: it is held against the canonical name', async () => {
    await begin([rule({ users: [USER], countries: ['DE'] })], { users: { strip_prefix: ['corp\\'] } })
    expect(await world.login('CORP\\Ann@EXAMPLE.com', 'secret', AWAY)).toBe('rule')
  })

  test('that needs a country when no database is loaded is our trouble, and lets nobody in', async () => {
    world = createWorld(policyOf({ rules: [rule({ countries: ['DE'] })] }), (context) => ({
      ...context,
      country: () => {
        throw new Error('no database')
      },
    }))
    await world.enroll(USER)
    expect(await logIn()).toBe('trouble')
    expect(world.asked).toEqual([])
  })
})

describe('countries of a rule', () => {
  const trip = { users: [USER], countries: ['JP'], until: START + DAY }

  test.each([
    ['allow', 'JP', 'welcome', 'rule'],
    ['deny', 'JP', 'rule', 'welcome'],
    ['deny', 'KP', 'welcome', 'welcome'],
  ] as const)('%s %s: from JP %s, from no known country %s', async (key, code, known, unknown) => {
    await begin([rule(key === 'allow' ? { countries: [code] } : { denied: [code] })])
    expect(await logIn(AWAY)).toBe(known)
    world.pass(60_000)
    expect(await logIn(HOME)).toBe(unknown)
  })

  test('let a traveller in, for as long as the exception lasts', async () => {
    for (const shut of [rule({ countries: ['DE'] }), rule({ denied: ['JP'] })]) {
      await begin([shut], { exceptions: [trip] as never })
      expect(await logIn(AWAY)).toBe('welcome')
      world.pass(DAY)
      expect(await logIn(AWAY)).toBe('rule')
      world.end()
    }
    await begin([])
  })

  test('let a traveller in past nothing else: networks and methods of the rule hold', async () => {
    await begin([rule({ countries: ['DE'], networks: { allow: null, deny: list(AWAY.ip) } })], { exceptions: [trip] as never }) // prettier-ignore
    expect(await logIn(AWAY)).toBe('rule')
  })
})

describe('methods of a rule', () => {
  test('without totp: no code, no recovery code and no trusted device counts, and the audit has the line', async () => {
    await begin([])
    const typed = `secret${world.code(USER)}`
    expect(await world.login(USER, typed, HOME)).toBe('welcome')
    const { recovery_codes: codes } = await world.enroll(USER)
    world.policy = policyOf({ rules: [rule({ methods: ['app_password'] })] as never })
    for (const string of [typed, `secret${world.code(USER)}`, `secret${codes[0] ?? ''}`, 'secret']) {
      expect(await world.login(USER, string, HOME)).toBe('rule')
      expect(lastRule()).toEqual({ file: 'login.yaml', line: 3, rule: 'rules.methods' })
    }
    expect(world.asked).toHaveLength(1)
  })

  test('take the place of the general ones, both ways', async () => {
    await begin([rule({ methods: ['totp'] })], { second_factor: { methods: ['app_password'] } })
    expect(await logIn()).toBe('welcome')
    world.policy = policyOf({ second_factor: { methods: ['app_password'], by: { file: 'login.yaml', line: 9, rule: 'second_factor.methods' } } }) // prettier-ignore
    expect(await logIn()).toBe('rule')
    expect(lastRule()).toMatchObject({ line: 9 })
  })

  test('where the password alone is enough, it is', async () => {
    await begin([rule({ methods: ['app_password'] })], { second_factor: { not_required_from: () => true } })
    expect(await world.login(USER, 'secret', HOME)).toBe('welcome')
    expect(factorsOf(world)).toEqual(['none'])
  })
})

test('what a rule leaves out is as everywhere', async () => {
  await begin([])
  const policy = policyOf()
  expect(policyUnder(policy, null)).toBe(policy)
  expect(policyUnder(policy, rule())).toBe(policy)
  expect(ruleFor([rule()], USER, 'outside')).not.toBeNull()
  const nowhere = { address: address('192.0.2.1'), country: () => 'XX', isTraveller: () => false }
  expect(barredByRule(rule(), nowhere, START)).toBeNull()
})
