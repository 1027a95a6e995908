/**
 * Logins in any order, from several devices, with restarts, lost connections and an old server that answers as it likes.
 * A small model that knows nothing of the implementation looks at who was let in, and asks why.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeOf, stepAt } from '../../src/factors/totp.ts'
import {
  AWAY,
  backend,
  createWorld,
  HOME,
  HOUR,
  OFFICE,
  policyOf,
  type Place,
  type Tried,
  type World,
} from '../support/login-world.ts'
import type { Outcome } from '../../src/keeper/messages.ts'
import type { Secret } from '../../src/base/secret.ts'

const DEVICES: Place[] = [HOME, AWAY, OFFICE]
const PASSWORDS = ['secret', 'other']
const OUTCOMES: Outcome['at'][] = ['proven', 'proven', 'proven', 'proven', 'refuted', 'busy', 'unavailable']

type Step =
  | { do: 'type'; device: number; password: number; away: number; junk: boolean }
  | { do: 'again'; device: number; which: number }
  | { do: 'settle'; which: number; outcome: number }
  | { do: 'drop'; which: number }
  | { do: 'pass'; ms: number }
  | { do: 'restart' }
  | { do: 'turn' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('type' as const),
      device: fc.nat(2),
      password: fc.nat(1),
      away: fc.integer({ min: -3, max: 2 }),
      junk: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('again' as const), device: fc.nat(2), which: fc.nat(9) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(5), outcome: fc.nat(6) }) },
  { weight: 3, arbitrary: fc.constant({ do: 'turn' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), which: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(1000, 30_000, 60_000, HOUR, 12 * HOUR),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
)

type Try = { device: number; typed: string; at: number; tried: Tried | null; over: boolean }

/** Why somebody may be let in, said once more and otherwise. */
function createModel(seed: Secret) {
  const firsts: { device: number; typed: string; at: number }[] = []
  const owners = new Map<number, { device: number; typed: string }>()
  const burnt: { device: number; step: number }[] = []
  const stepOf = ({ typed, at }: Try): number | undefined =>
    [1, 0, -1]
      .map((away) => stepAt(at) + away)
      .find((one) => PASSWORDS.some((word) => typed === `${word}${codeOf(seed, one).toString()}`))

  return {
    letIn(login: Try, now: number): string {
      const { device, typed, at } = login
      if (firsts.some((one) => one.device === device && one.typed === typed && at < one.at + 12 * HOUR))
        return 'a repeat'
      const code = stepOf(login)
      if (code === undefined) return 'NO MATCHING CODE'
      const owner = owners.get(code)
      if (owner !== undefined) return owner.device === device ? 'CODE USED TWICE' : 'CODE USED BY TWO DEVICES'
      if (burnt.some((one) => one.step === code && one.device !== device)) return 'CODE BURNT ELSEWHERE'
      owners.set(code, { device, typed })
      firsts.push({ device, typed, at: now })
      return 'a fresh code'
    },
    refused(login: Try): void {
      const code = stepOf(login)
      if (code !== undefined) burnt.push({ device: login.device, step: code })
    },
  }
}

const turn = async () => {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve))
}

async function run(world: World, user: string, steps: Step[]): Promise<string[]> {
  await world.enroll(user)
  const sealed = (await world.store.dossier(user)).user?.sealedSeed ?? Buffer.alloc(0)
  const model = createModel(world.keys.open('seed', user, sealed))
  const reasons: string[] = []
  const strings: string[] = []
  let tries: Try[] = []
  const typeIn = (device: number, typed: string) => {
    const one: Try = { device, typed, at: world.now(), tried: null, over: false }
    tries.push(one)
    strings.push(typed)
    void world.authenticate(user, typed, DEVICES[device] ?? HOME).then((tried) => (one.tried = tried))
  }
  const settle = async (which: number, outcome: number) => {
    const isOpen = (one: Try) => !one.over && one.tried?.answer.say === 'proceed'
    if (!tries.some(isOpen)) await turn()
    const open = tries.filter(isOpen)
    const one = open[which % Math.max(1, open.length)]
    if (one === undefined || one.tried === null) return
    one.over = true
    const at = OUTCOMES[outcome] ?? 'busy'
    const answer = await world.settle(one.tried, at)
    if (answer.say === 'welcome')
      reasons.push(at === 'proven' ? model.letIn(one, world.now()) : 'THE OLD SERVER DID NOT SAY SO')
    if (answer.say === 'refuse') model.refused(one)
  }
  const act = async (next: Step) => {
    if (next.do === 'type')
      typeIn(next.device, `${PASSWORDS[next.password]}${next.junk ? '000000' : world.code(user, next.away)}`)
    if (next.do === 'again') typeIn(next.device, strings.at(-1 - (next.which % 4)) ?? 'secret')
    if (next.do === 'settle') await settle(next.which, next.outcome)
    if (next.do === 'turn') await turn()
    if (next.do === 'drop') drop(world, tries, next.which)
    if (next.do === 'pass') {
      // What was typed is judged first: the model reads the clock when it is typed.
      await turn()
      world.pass(next.ms)
    }
    if (next.do === 'restart') {
      world.restart()
      tries = []
    }
  }
  for (const next of steps) await act(next)
  for (const one of tries) if (one.tried !== null) world.judge.release(one.tried.session)
  await turn()
  return reasons
}

function drop(world: World, tries: Try[], which: number): void {
  const open = tries.filter((one) => !one.over && one.tried !== null)
  const one = open[which % Math.max(1, open.length)]
  if (one === undefined || one.tried === null) return
  one.over = true
  world.judge.release(one.tried.session)
}

test('nobody is let in without a matching check, and no code lets two devices in', async () => {
  const seen = new Map<string, number>()
  // Refused passwords are not remembered here: every question is about codes.
  const world = createWorld(policyOf({ backends: [backend({ remember_refused: 0 })] }))
  let users = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
      for (const reason of await run(world, `user${users++}`, steps)) {
        seen.set(reason, (seen.get(reason) ?? 0) + 1)
        expect(reason).toMatch(/^a (repeat|fresh code)$/)
      }
    }),
    { numRuns: 120 },
  )
  world.end()
  // The property says nothing when hardly anybody was let in.
  expect(seen.get('a fresh code')).toBeGreaterThan(50)
  expect(seen.get('a repeat')).toBeGreaterThan(5)
}, 60_000)
