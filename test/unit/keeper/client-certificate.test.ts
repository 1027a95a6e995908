import { afterEach, describe, expect, test } from 'vitest'
import type { CertificateFacts } from '../../../src/audit/events.ts'
import { readFromFront } from '../../../src/keeper/messages.ts'
import type { LoginPolicy } from '../../../src/keeper/login-policy.ts'
import { AWAY, createWorld, factorsOf, HOME, policyOf, type Place, type World } from '../../support/login-world.ts'
import { rule } from '../../support/rule.ts'

const ANN = 'ann@example.com'
const METHODS = ['totp', 'client_certificate'] as const

let world: World
afterEach(() => {
  world.end()
})

async function begin(second_factor: Partial<LoginPolicy['second_factor']> = {}, change: object = {}): Promise<void> {
  world = createWorld(policyOf({ asking: ['outside'] as never, second_factor: { methods: METHODS, ...second_factor }, ...change })) // prettier-ignore
  await world.enroll(ANN)
}
const showing = (users: string[], from: Place = HOME, verdict = 'good'): Place => {
  const certificate: CertificateFacts = { verdict, users, fingerprint: 'f'.repeat(64), serial: '0A' }
  return { ...from, certificate }
}

describe('with a certificate of the user', () => {
  test.each<[string, () => string, string, string]>([
    ['the bare password', () => 'secret', 'welcome', 'client-certificate'],
    ['password and code', () => `secret${world.code(ANN)}`, 'welcome', 'totp'],
    ['a wrong password', () => 'wrong', 'password-wrong', ''],
    ['a wrong code: that is no password', () => 'secret000000', 'password-wrong', ''],
  ])('%s', async (_, typed, expected, factor) => {
    await begin()
    expect(await world.login(ANN, typed(), showing([ANN]))).toBe(expected)
    expect(factorsOf(world).join()).toBe(factor)
  })

  test('a repeat goes on as a repeat, and elsewhere a used code stays worthless', async () => {
    await begin()
    const typed = `secret${world.code(ANN)}`
    expect(await world.login(ANN, typed, showing([ANN]))).toBe('welcome')
    expect(await world.login(ANN, typed, showing([ANN]))).toBe('welcome')
    expect(factorsOf(world)).toEqual(['totp', 'trusted-device'])
    expect(await world.login(ANN, typed, showing([ANN], AWAY))).toBe('code-replayed')
    expect(await world.login(ANN, 'secret', showing([ANN], AWAY))).toBe('welcome')
  })

  test('the audit names the certificate, and the bare password becomes good nowhere else by it', async () => {
    await begin()
    expect(await world.login(ANN, 'secret', showing([ANN]))).toBe('welcome')
    expect(world.events.find(({ action }) => action === 'login-succeeded')).toMatchObject({
      factor: 'client-certificate',
      connection: { tls: { certificate: { serial: '0A' } } },
    })
    expect(await world.login(ANN, 'secret', HOME)).toBe('code-missing')
  })

  test('a user without a code needs none; without the certificate that user is unknown', async () => {
    await begin()
    expect(await world.login('bob@example.com', 'secret', showing(['bob@example.com']))).toBe('welcome')
    expect(await world.login('bob@example.com', 'secret', HOME)).toBe('unknown-user')
  })

  test('a frozen user gets in with nothing', async () => {
    await begin()
    await world.store.freeze(ANN, { at: 0, reason: 'x' })
    expect(await world.login(ANN, 'secret', showing([ANN]))).toBe('frozen')
    expect(world.asked).toEqual([])
  })
})

describe('it is no factor', () => {
  test.each<[string, () => Place]>([
    ['when it is of somebody else', () => showing(['bob@example.com'])],
    ['when it names nobody', () => showing([])],
    ['when TLS refused it', () => showing([ANN], HOME, 'CERT_REVOKED')],
    ['when TLS said nothing', () => showing([ANN], HOME, '')],
    ['when its name only starts like the user', () => showing([`${ANN}.evil.example`, 'ann'])],
    ['when a look-alike stands in the name', () => showing(['аnn@example.com'])],
  ])('%s', async (_, from) => {
    await begin()
    expect(await world.login(ANN, 'secret', from())).toBe('code-missing')
    expect(world.asked).toEqual([])
  })

  test('on a listener that does not ask for it, whatever a front says', async () => {
    await begin({}, { asking: ['inside'] })
    expect(await world.login(ANN, 'secret', showing([ANN]))).toBe('code-missing')
  })

  test('where methods do not name it', async () => {
    await begin({ methods: ['totp'] })
    expect(await world.login(ANN, 'secret', showing([ANN]))).toBe('code-missing')
    world.policy = policyOf({ asking: ['outside'] as never, second_factor: { methods: METHODS }, rules: [rule({ methods: ['totp'] })] as never }) // prettier-ignore
    expect(await world.login(ANN, 'another', showing([ANN]), 'another')).toBe('code-missing')
  })

  test('for a user whom the roster does not name', async () => {
    await begin({}, { users: { roster: new Map([[ANN, ANN]]) } })
    expect(await world.login('bob@example.com', 'secret', showing(['bob@example.com']))).toBe('unknown-user')
    expect(world.asked).toEqual([])
  })
})

test('what a front says of a certificate is held against its shape', () => {
  const tls = { version: 'TLSv1.3', cipher: 'x', ja4: 'x', resumed: false }
  const said = (certificate: object) =>
    readFromFront({
      kind: 'secured',
      session: '0'.repeat(24),
      tls: { ...tls, certificate },
      client: 'x',
      handshakeMs: 1,
    })
  const good = { verdict: 'good', users: [ANN], fingerprint: 'f'.repeat(64), serial: '0A' }
  expect(said(good)).toMatchObject([{ tls: { certificate: good } }])
  const bad = [
    { users: Array.from({ length: 9 }, () => ANN) },
    { users: ['x'.repeat(255)] },
    { users: ANN },
    { fingerprint: 'F'.repeat(64) },
    { serial: 'x' },
    { verdict: 'x'.repeat(65) },
    { more: 1 },
  ]
  for (const change of bad) expect(said({ ...good, ...change })).toBeNull()
})

test('certificates alone: without one refused, code or not; with one the password is bare', async () => {
  await begin({ methods: ['client_certificate'] })
  for (const typed of ['secret', `secret${world.code(ANN)}`]) expect(await world.login(ANN, typed, HOME)).toBe('rule')
  expect(await world.login('nobody@example.com', 'secret', HOME)).toBe('rule')
  expect(world.asked).toEqual([])
  expect(await world.login(ANN, 'secret', showing([ANN]))).toBe('welcome')
  // Codes are no method: what looks like one is part of the password.
  expect(await world.login(ANN, `secret${world.code(ANN)}`, showing([ANN]))).toBe('password-wrong')
})

test('the name of a certificate goes through the same canonical form as the one that is typed', async () => {
  const roster = new Map([[ANN, ANN], ['a.smith@example.com', ANN]]) // prettier-ignore
  await begin({}, { users: { default_domain: 'example.com', strip_prefix: ['corp\\'], roster } })
  for (const name of ['Ann@Example.COM', 'ann', 'CORP\\ann', 'a.smith@example.com']) {
    expect(await world.login('ann', 'secret', showing(['x@y.example', name]))).toBe('welcome')
  }
})

test('where the password alone is enough, the certificate is named all the same', async () => {
  await begin({ not_required_from: () => true })
  expect(await world.login(ANN, 'secret', showing([ANN]))).toBe('welcome')
  expect(factorsOf(world)).toEqual(['client-certificate'])
})
