/** The README says what a guesser's chances are. These are its figures, computed from the defaults. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loginSchema } from '../../../src/policy/schema.ts'
import { loginPolicyOf } from '../../../src/keeper/in-force.ts'
import { createWorld, HOUR, policyOf } from '../../support/login-world.ts'
import { good, POSTERN } from './folder.ts'

const DAY = 24 * HOUR
const { failures, totp } = loginSchema({ folder: '/', keyFromEnvironment: false }).parse({})
const README = new URL('../../../README.md', import.meta.url)

/** Codes that are right at one moment, of all that there are. */
const hit = (2 * totp.window + 1) / 10 ** 6
const aDay = ({ count, per }: { count: number; per: number }) => (count * DAY) / per
const ofKnown = aDay(failures.per_user.allow)
const ofStrange = (networks: number) => Math.min(networks * ofKnown, aDay(failures.per_user_everywhere.allow))
const within = (guesses: number) => 1 - (1 - hit) ** guesses
const percent = (chance: number, digits: number) => `${(100 * chance).toFixed(digits)} %`

const rows: [string, number][] = [
  ['1 strange network', ofStrange(1)],
  ['100 strange networks', ofStrange(100)],
  ['10,000 strange networks', ofStrange(10_000)],
  ['1 network that knows the user, alone', ofKnown],
  ['10,000 strange ones and 1 that knows the user', ofStrange(10_000) + ofKnown],
]

test("the README's table of chances is what the defaults make of it", () => {
  const [, table = ''] = /<!-- odds -->\n([^]*?)<!-- \/odds -->/.exec(readFileSync(README, 'utf8')) ?? []
  const wanted = rows.map(
    ([from, guesses]) =>
      `| ${from} | ${guesses} | ${percent(within(guesses), 3)} | ${percent(within(365 * guesses), 1)} |`,
  )
  expect(table.trim().split('\n').slice(2)).toEqual(wanted)
  expect(percent(within(365 * 10), 1)).toBe('1.1 %')
})

test("the README's defaults, those of the tests, and those of the schema are the same", async () => {
  const { policies } = await good({ 'postern.yaml': POSTERN })
  expect(loginPolicyOf(policies).failures).toEqual(policyOf().failures)
  const [, yaml = ''] = /## Guessing[^]*?```yaml\n([^]*?)```/.exec(readFileSync(README, 'utf8')) ?? []
  const written = await good({ 'postern.yaml': POSTERN, 'login.yaml': yaml })
  expect(written.policies.login).toEqual(policies.login)
})

test('who guesses as fast as locks allow, in a network that knows the user, gets no more guesses judged than the table says', async () => {
  const world = createWorld()
  await world.enroll('ann')
  const at = { ip: '192.0.2.10', client: 'home' }
  await world.login('ann', `secret${world.code('ann')}`, at)
  const judged: number[] = []
  for (let quarters = 0; quarters < 4 * 30; quarters++) {
    for (let n = 0; (await world.login('ann', `guess ${quarters} ${n}`, at)) !== 'locked'; n++) judged.push(world.now())
    world.pass(HOUR / 4)
  }
  world.end()
  const most = Math.max(...judged.map((from) => judged.filter((one) => one >= from && one < from + DAY).length))
  // Three more where a day begins with ten at once, and one at the end of each of their locks.
  expect(most).toBeGreaterThan(ofKnown - 10)
  expect(most).toBeLessThanOrEqual(ofKnown + 3)
})
