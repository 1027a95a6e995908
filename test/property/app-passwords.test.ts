/** App passwords in any order of what people, operators, time and the old server do. A small model says who may get in. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addAppPassword, listAppPasswords, revokeAppPassword } from '../../src/keeper/app-passwords.ts'
import { enrollUser } from '../../src/keeper/users.ts'
import { AWAY, createWorld, HOME, HOME_NEIGHBOUR, HOUR, OFFICE, policyOf, type World } from '../support/login-world.ts'

const PLACES = [HOME, HOME_NEIGHBOUR, AWAY, OFFICE]
const NETWORK_OF = ['home', 'home', 'away', 'office']
const PASSWORDS = ['secret', 'changed']
const NETWORKS = ['any', 'learn', '192.0.2.0/24', '192.0.2.10,203.0.113.0/24']
const FROM: Record<string, number[]> = {
  any: [0, 1, 2, 3],
  '192.0.2.0/24': [0, 1],
  '192.0.2.10,203.0.113.0/24': [0, 3],
}

type Made = { name: string; text: string; networks: string; learnt: string | null; until: number; holds: string | null; ended: boolean } // prettier-ignore
type Model = { made: Made[]; password: string; frozen: boolean }
type Step =
  | { do: 'add'; networks: number; password: number; days: number }
  | { do: 'use'; which: number; place: number }
  | { do: 'code'; password: number }
  | { do: 'revoke'; which: number }
  | { do: 'pass'; ms: number }
  | { do: 'change'; password: number }
  | { do: 'freeze' | 'replace' | 'restart' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), networks: fc.nat(3), password: fc.nat(2), days: fc.nat(1) }) }, // prettier-ignore
  { weight: 8, arbitrary: fc.record({ do: fc.constant('use' as const), which: fc.nat(5), place: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('code' as const), password: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1000, HOUR, 24 * HOUR) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('change' as const), password: fc.nat(1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('freeze' as const, 'replace' as const, 'restart' as const) }),
  },
)

/** Why it must be refused, or null when it must get in. */
function barred({ frozen, password }: Model, made: Made, place: number, now: number): string | null {
  if (frozen) return 'frozen'
  if (made.ended) return 'ended'
  if (now >= made.until) return 'expired'
  const network = NETWORK_OF[place]
  if (made.networks === 'learn' ? made.learnt !== null && made.learnt !== network : !FROM[made.networks]?.includes(place)) return 'network' // prettier-ignore
  if (made.holds === null) return 'pending'
  return made.holds === password ? null : 'stale'
}

const alive = (model: Model) => model.made.filter(({ ended }) => !ended)

async function add(
  world: World,
  model: Model,
  { networks, password, days }: Extract<Step, { do: 'add' }>,
): Promise<void> {
  if (alive(model).length >= 20) return
  const name = `n${model.made.length}`
  const holds = PASSWORDS[password] ?? null
  const wanted = { user: 'ann', name, networks: NETWORKS[networks] ?? 'any', expires: days === 0 ? null : '1d' }
  const base64 = holds === null ? null : Buffer.from(holds).toString('base64')
  const { app_password: text } = await addAppPassword(world.users, { ...wanted, password: base64 })
  const until = days === 0 ? Infinity : world.now() + 24 * HOUR
  model.made.push({ name, text, networks: wanted.networks, learnt: null, until, holds, ended: false })
}

async function use(world: World, model: Model, made: Made, place: number): Promise<void> {
  const at = PLACES[place] ?? HOME
  const wanted = barred(model, made, place, world.now())
  const got = await world.login('ann', made.text, at, model.password)
  // A password that the old server refused minutes ago, and takes again, is not asked for at once.
  if (wanted === null && got === 'app-password-stale') return
  expect([made.name, wanted, got === 'welcome']).toEqual([made.name, wanted, wanted === null])
  if (got === 'welcome' && made.networks === 'learn') made.learnt ??= NETWORK_OF[place] ?? null
}

async function typeCode(world: World, model: Model, password: string): Promise<void> {
  world.pass(120_000)
  const got = await world.login('ann', `${password}${world.code('ann')}`, OFFICE, model.password)
  expect(got === 'welcome' && (model.frozen || password !== model.password)).toBe(false)
  if (got === 'welcome') for (const made of alive(model)) made.holds = password
}

async function perform(world: World, model: Model, one: Step): Promise<void> {
  const made = 'which' in one ? model.made[one.which % Math.max(1, model.made.length)] : undefined
  switch (one.do) {
    case 'add':
      return add(world, model, one)
    case 'use':
      return made === undefined ? undefined : use(world, model, made, one.place)
    case 'code':
      return typeCode(world, model, PASSWORDS[one.password] ?? '')
    case 'revoke':
      if (made === undefined || made.ended) return
      made.ended = true
      return void (await revokeAppPassword(world.users, 'ann', made.name))
    case 'pass':
      return world.pass(one.ms)
    case 'change':
      model.password = PASSWORDS[one.password] ?? ''
      return
    case 'freeze':
      model.frozen = !model.frozen
      return void (await world.store.freeze('ann', model.frozen ? { at: world.now(), reason: 'x' } : null))
    case 'replace':
      for (const one of model.made) one.ended = true
      return void (await enrollUser(world.users, 'ann', { replace: true }).then(() => world.enroll('ann')))
    case 'restart':
      return world.restart()
  }
}

/** What every run begins with: so each of them sees one get in. */
const FIRST: Step[] = [
  { do: 'add', networks: 0, password: 0, days: 0 },
  { do: 'use', which: 0, place: 0 },
]

test('an app password gets in exactly when it may', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 30 }), async (steps) => {
      const world = createWorld(policyOf({ second_factor: { methods: ['totp', 'app_password'] } }))
      try {
        await world.enroll('ann')
        const model: Model = { made: [], password: 'secret', frozen: false }
        for (const one of [...FIRST, ...steps]) await perform(world, model, one)
        const listed = (await listAppPasswords(world.users, 'ann')).map(({ name }) => name)
        expect(listed.toSorted()).toEqual(alive(model).map(({ name }) => name).toSorted()) // prettier-ignore
        expect(world.broken).toEqual([])
        expect(world.opened.length).toBeGreaterThan(0)
      } finally {
        world.end()
      }
    }),
    { numRuns: 12 },
  )
})
