import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TRAVELS_MAX } from '../../../src/base/login-limits.ts'
import { perform } from '../../../src/keeper/commands.ts'
import { gateData, takeUpCommand, type Known } from '../../../src/keeper/gate-data.ts'
import { travel, travellersOf, withTravels, type WantedTravel } from '../../../src/keeper/travel.ts'
import { showUser, type UserDetail } from '../../../src/keeper/users.ts'
import { peek } from '../../../src/state/peek.ts'
import { AWAY, createWorld, policyOf, START, type World } from '../../support/login-world.ts'
import { rule } from '../../support/rule.ts'

const DAY = 86_400_000
const ANN = 'ann@example.com'
const BY = { file: 'geofence.yaml', line: 4, rule: 'geofence.country' }
// START is 8 in the morning of the 5th.
const SIXTH = Date.UTC(2026, 0, 7)

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => {
  world.end()
})

const command = (args: Record<string, unknown>) =>
  perform(world.users, 'user.travel', { user: ANN, countries: ['JP'], until: '2026-01-06', reason: 'trip', ...args })

describe('a journey', () => {
  test('is kept until the end of its day, audited, shown, and outlives a restart', async () => {
    const until = new Date(SIXTH).toISOString()
    expect(await command({ user: 'Ann@Example.com', countries: ['JP', ' KR', 'JP'] })).toEqual({
      user: ANN,
      countries: ['JP', 'KR'],
      until,
    })
    expect(world.events).toEqual([
      { stream: 'admin', action: 'user-travel', user: ANN, countries: ['JP', 'KR'], until, reason: 'trip' },
    ])
    world.restart()
    const kept = { countries: ['JP', 'KR'], until: SIXTH, reason: 'trip' }
    expect(await world.store.travels()).toEqual([{ user: ANN, ...kept }])
    expect((await showUser(world.users, ANN)).travel).toEqual(kept)
    expect(peek(world.folder, ANN)?.travels).toEqual([{ user: ANN, ...kept }])
    world.pass(SIXTH - START)
    await world.enroll(ANN)
    expect(((await perform(world.users, 'user.show', { user: ANN })) as UserDetail).travel).toBeNull()
  })

  test('takes the place of the one before, ends by command, and goes with the user', async () => {
    await command({})
    await command({ countries: ['KR'] })
    expect(await world.store.travels()).toMatchObject([{ countries: ['KR'] }])
    expect(await command({ until: 'now', countries: [], reason: 'back' })).toEqual({
      user: ANN,
      countries: [],
      until: null,
    })
    expect(world.events.at(-1)).toMatchObject({ action: 'user-travel', until: null, reason: 'back' })
    expect(await world.store.travels()).toEqual([])
    await command({})
    await perform(world.users, 'user.remove', { user: ANN })
    expect(await world.store.travels()).toEqual([])
  })

  test.each([
    [{ countries: [] }, '--countries names none; write codes such as JP,KR'],
    [{ countries: [''] }, '--countries names none; write codes such as JP,KR'],
    [{ countries: ['UK'] }, "'UK' is no country code of ISO 3166-1; did you mean GB?"],
    [{ countries: ['Japan'] }, "'Japan' is no country code of ISO 3166-1; write it like JP"],
    [{ until: '2026-01-04' }, '--until 2026-01-04 is over; write a day to come, or now to end it'],
    [{ until: '2027-02-01' }, '--until 2027-02-01 is more than a year away; for good, use `exceptions` of login.yaml'],
    [{ until: 'soon' }, "--until 'soon' is no day; write it like 2027-01-31, or now to end it"],
    [{ until: 'now' }, `${ANN} does not travel`],
    [{ user: 'a nn' }, 'a nn is no user name: plain signs without spaces, at most one @, at most 254 octets'],
    [{ countries: 'JP' }, 'the arguments of this command are not understood'],
  ])('with %j is refused, and nothing is done', async (args, message) => {
    await expect(command(args)).rejects.toThrow(message)
    expect([await world.store.travels(), world.events]).toEqual([[], []])
  })

  test('is for users of the roster alone, by any of their names', async () => {
    world.policy = policyOf({ users: { roster: new Map([[ANN, ANN], ['a@example.com', ANN]]) } }) // prettier-ignore
    await command({ user: 'a@example.com' })
    expect(await world.store.travels()).toMatchObject([{ user: ANN }])
    await expect(command({ user: 'bob@example.com' })).rejects.toThrow('the roster does not name bob@example.com')
  })

  test('there is an end to them; those that are over do not count', async () => {
    const wanted: WantedTravel = { countries: ['JP'], until: '2026-01-06', reason: '' }
    const full = { ...world.users, store: { ...world.store, putTravel: (one: never, now: number) => world.store.putTravel(one, now, 1) } } // prettier-ignore
    await travel(full as typeof world.users, 'a', wanted)
    await expect(travel(full as typeof world.users, 'b', wanted)).rejects.toThrow(`${TRAVELS_MAX} users travel already`)
    await travel(full as typeof world.users, 'a', { ...wanted, countries: ['KR'] })
    world.pass(3 * DAY)
    await travel(full as typeof world.users, 'b', { ...wanted, until: '2026-01-09' })
    expect(await world.store.travels()).toMatchObject([{ user: 'b' }])
  })
})

describe('at login', () => {
  beforeEach(async () => {
    world.end()
    world = createWorld(policyOf({ rules: [rule({ countries: ['DE'] })] as never }), (context) => ({
      ...context,
      policy: () => withTravels(world.policy, travels),
      fenced: () => ({ country: 'JP', by: BY }),
      country: () => 'JP',
    }))
    await world.enroll(ANN)
    await world.enroll('bob@example.com')
  })
  let travels: Awaited<ReturnType<World['store']['travels']>> = []
  const logIn = (user: string) => world.login(user, `secret${world.code(user)}`, AWAY)

  test('it counts like an exception of login.yaml, for its user alone, past the countries of a rule too, and ends', async () => {
    expect(await logIn(ANN)).toBe('rule')
    await command({})
    travels = await world.store.travels()
    expect(await logIn('bob@example.com')).toBe('rule')
    expect(await logIn(ANN)).toBe('welcome')
    world.pass(SIXTH - START)
    expect(await logIn(ANN)).toBe('rule')
  })
})

test('the fronts hear of each country once, with its last day; of passes and journeys when a command changed them', async () => {
  const row = (user: string, until: number, ...countries: string[]) => ({ user, until, countries, reason: '' })
  expect(travellersOf([row('a', 5, 'JP', 'KR'), row('b', 9, 'JP'), row('c', 7, 'JP')])).toEqual([
    { country: 'JP', until: 9 },
    { country: 'KR', until: 5 },
  ])
  const tables = () => ({ country: null, asn: null })
  const held: Known & { resources: { store: World['store'] } } = { databases: { tables }, passes: [], travels: [], resources: { store: world.store } } // prettier-ignore
  const told: unknown[] = []
  await command({})
  for (const name of ['status', 'allow', 'user.travel', 'user.remove'])
    await takeUpCommand(held, name, (data) => told.push(data))
  const travellers = [{ country: 'JP', until: SIXTH }]
  expect(told).toEqual([{ passes: [] }, { travellers }, { travellers }])
  expect(gateData(held)).toEqual({ country: null, asn: null, passes: [], travellers })
})
