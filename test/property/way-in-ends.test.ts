/**
 * Logins of one user in any order and at any moment, while an operator freezes, enrols anew and removes that user. Whoever began to log in
 * before such an act has no session after it.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { freezeUser, makeTempCode, unfreezeUser } from '../../src/keeper/helpdesk.ts'
import { removeUser } from '../../src/keeper/users.ts'
import { AWAY, createWorld, HOME, policyOf, type Tried, type World } from '../support/login-world.ts'

type Step =
  | { do: 'type'; device: number; what: number }
  | { do: 'settle'; which: number }
  | { do: 'end'; how: number }
  | { do: 'turn'; turns: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('type' as const), device: fc.nat(1), what: fc.nat(3) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), how: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turn' as const), turns: fc.nat(6) }) },
)

const ENDS: ((world: World, user: string) => Promise<unknown>)[] = [
  (world, user) => freezeUser(world.users, user, 'x').then(() => unfreezeUser(world.users, user)),
  (world, user) => world.enroll(user),
  (world, user) => removeUser(world.users, user).then(() => world.enroll(user)),
]

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Gives how many sessions were opened, and how many of them outlived what should have ended them. */
async function run(world: World, user: string, steps: Step[]): Promise<{ opened: number; outlived: number }> {
  const { recovery_codes: recovery } = await world.enroll(user)
  const { code: temp } = await makeTempCode(world.users, user, '1h')
  const begun = new Map<string, number>()
  const open: Tried[] = []
  const under: Promise<unknown>[] = []
  const ends: number[] = []
  const first = `secret${world.code(user)}`
  const typed = () => [first, `secret${world.code(user, 1)}`, `secret${temp}`, `secret${recovery[begun.size % 10] ?? ''}`] // prettier-ignore
  let ending: Promise<unknown> = Promise.resolve()
  for (const [at, next] of steps.entries()) {
    if (next.do === 'type') {
      const session = `${user}.${at}`
      begun.set(session, at)
      const tried = world.authenticate(user, typed()[next.what] ?? '', next.device === 0 ? HOME : AWAY, session)
      under.push(tried.then((one) => (one.answer.say === 'proceed' ? open.push(one) : 0)))
    }
    if (next.do === 'settle') {
      const [one] = open.splice(next.which % Math.max(1, open.length), 1)
      if (one !== undefined) under.push(world.settle(one, 'proven'))
    }
    if (next.do === 'end') {
      // One operator: the next act waits for the one before.
      ends.push(at)
      ending = ending.then(() => ENDS[next.how]?.(world, user))
      under.push(ending)
    }
    if (next.do === 'turn') for (let n = 0; n < next.turns; n++) await (n % 3 === 2 ? turn() : null)
  }
  // Who waits for a code goes on when the login before it is settled.
  let isOver = false
  for (let waited = under.length; !isOver; waited = under.length) {
    for (const one of open.splice(0)) under.push(world.settle(one, 'proven'))
    await Promise.race([Promise.all(under).then(() => (isOver = under.length === waited && open.length === 0)), turn()])
  }
  const last = Math.max(-1, ...ends)
  const opened = world.opened.filter((session) => begun.has(session))
  const outlived = opened.filter((session) => (begun.get(session) ?? 0) < last && !world.killed.includes(session))
  for (const session of begun.keys()) world.judge.release(session)
  return { opened: opened.length, outlived: outlived.length }
}

test('nobody who began to log in before a freeze, a new enrolment or a removal has a session after it', async () => {
  const world = createWorld(policyOf())
  let users = 0
  let opened = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 50, size: 'max' }), async (steps) => {
      const seen = await run(world, `user${users++}`, steps)
      opened += seen.opened
      expect(seen.outlived).toBe(0)
    }),
    { numRuns: 30 },
  )
  world.end()
  // The property says nothing when hardly anybody was let in.
  expect(opened).toBeGreaterThan(5)
}, 60_000)
