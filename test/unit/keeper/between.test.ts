/** What falls between the parts of a login that were made apart: each factor with each lock, rule and table. */
import { afterEach, describe, expect, test } from 'vitest'
import type { CertificateFacts } from '../../../src/audit/events.ts'
import { addAppPassword, revokeAppPassword } from '../../../src/keeper/app-passwords.ts'
import type { JudgeContext } from '../../../src/keeper/desk.ts'
import { AWAY, createWorld, HOME, policyOf, type Place, type World } from '../../support/login-world.ts'
import { rule } from '../../support/rule.ts'

const ANN = 'ann@example.com'
const certificate: CertificateFacts = { verdict: 'good', users: [ANN], fingerprint: 'f'.repeat(64), serial: '0A' }

let world: World
afterEach(() => {
  expect(world.broken).toEqual([])
  world.end()
})

describe('a certificate', () => {
  const withCertificate = (from: Place): Place => ({ ...from, certificate })
  const begin = async () => {
    world = createWorld(
      policyOf({ asking: ['outside'] as never, second_factor: { methods: ['totp', 'client_certificate'] } }),
    )
    await world.enroll(ANN)
  }

  test('that was forgotten at the first try makes the same password good at the next', async () => {
    await begin()
    expect(await world.login(ANN, 'secret', HOME)).toBe('code-missing')
    expect(await world.login(ANN, 'secret', withCertificate(HOME))).toBe('welcome')
  })

  test('does not make a password that the old server refused worth a second look', async () => {
    await begin()
    expect(await world.login(ANN, 'wrong', withCertificate(HOME))).toBe('password-wrong')
    world.pass(1_000_000)
    expect(await world.login(ANN, 'wrong', withCertificate(HOME))).toBe('stale-repeat')
    expect(world.asked).toHaveLength(1)
  })
})

describe('who hangs up before the old server says no', () => {
  test('is counted with a right code too: one code is not good for a thousand passwords', async () => {
    world = createWorld()
    await world.enroll(ANN)
    const hangUp = async (n: number) => {
      const tried = await world.authenticate(ANN, `guess${n}${world.code(ANN)}`, AWAY)
      world.judge.release(tried.session)
      await new Promise((resolve) => setTimeout(resolve, 1))
      return tried.answer.say
    }
    const answers: string[] = []
    for (let n = 0; n < 11; n++) answers.push(await hangUp(n))
    expect(answers.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 'proceed'))
    expect(answers[10]).toBe('refuse')
  })
})

describe('an app password', () => {
  const add = async (name: string) => {
    const wanted = {
      user: ANN,
      name,
      networks: 'any',
      expires: null,
      password: Buffer.from('secret').toString('base64'),
    }
    return (await addAppPassword(world.users, wanted)).app_password
  }
  test('that is revoked takes the sessions that it opened with it, and no others', async () => {
    world = createWorld(policyOf({ second_factor: { methods: ['totp', 'app_password'] } }))
    await world.enroll(ANN)
    const [stolen, other] = [await add('phone'), await add('scanner')]
    expect(await world.login(ANN, other, HOME)).toBe('welcome')
    expect(await world.login(ANN, stolen, AWAY)).toBe('welcome')
    expect(await world.login(ANN, `secret${world.code(ANN)}`, HOME)).toBe('welcome')
    const underWay = await world.authenticate(ANN, stolen, AWAY)
    expect(await revokeAppPassword(world.users, ANN, 'phone')).toEqual({ user: ANN, sessions: 1 })
    expect(world.killed).toEqual([world.opened[1]])
    expect(await world.settle(underWay, 'proven')).toEqual({ say: 'trouble' })
    expect(world.opened).toHaveLength(3)
  })
})

test('while no database can tell a country, a rule on countries tells nobody which names the roster holds', async () => {
  const rules = [rule({ countries: ['DE'] })]
  const withoutDatabase = (context: JudgeContext) => ({
    ...context,
    country: () => {
      throw new Error('no database of countries')
    },
  })
  world = createWorld(policyOf({ users: { roster: new Map([[ANN, ANN]]) }, rules: rules as never }), withoutDatabase)
  await world.enroll(ANN)
  expect(await world.login(ANN, 'secret', HOME)).toBe('trouble')
  expect(await world.login('bob@example.com', 'secret', HOME)).toBe('trouble')
  expect(world.broken.splice(0)).toHaveLength(2)
})
