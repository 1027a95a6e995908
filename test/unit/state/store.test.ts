import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { STAKES_MAX } from '../../../src/base/login-limits.ts'
import { Secret } from '../../../src/base/secret.ts'
import { createKeyring } from '../../../src/state/secrets.ts'
import { openStore, storeExists } from '../../../src/state/sqlite.ts'
import type { Claim, Proof, Store, Trusted } from '../../../src/state/store.ts'

const keys = createKeyring(new Secret(Buffer.alloc(32, 1)))
const T0 = 1_700_000_000_000
const STEP = 1000
let folder = ''
let store: Store

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'postern-store-')), 'state')
  store = openStore(folder, keys, T0)
})
afterEach(() => {
  store.close()
  rmSync(join(folder, '..'), { recursive: true, force: true })
})

function reopen(): void {
  store.close()
  store = openStore(folder, keys, T0)
}

function enroll(user = 'ann', enrolment = 'e1', replace = false) {
  const sealedSeed = keys.seal('seed', user, new Secret(Buffer.alloc(20, 5)))
  return store.enroll({
    user,
    enrolment,
    sealedSeed,
    recovery: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)],
    at: T0,
    replace,
  })
}

const claimOf = (change: Partial<Claim> = {}): Claim => ({
  user: 'ann',
  enrolment: 'e1',
  code: { of: 'totp', number: STEP },
  mac: Buffer.from('string'),
  device: 'home',
  ...change,
})
const step = (number: number) => ({ code: { of: 'totp' as const, number } })
const trustOf = (device: string, mac = 'string', lastUsed = T0, expires = T0 + 1000): Trusted => ({
  device,
  mac: Buffer.from(mac),
  bareMac: null,
  network: '192.0.2.0/24',
  fingerprint: 'fp',
  since: lastUsed,
  lastUsed,
  expires,
})
const proofOf = (claim: Claim, change: Partial<Proof> = {}): Proof => ({
  user: claim.user,
  enrolment: claim.enrolment,
  by: { is: 'code', claim },
  trust: null,
  login: { at: T0, ip: '192.0.2.1', factor: 'totp', listener: 'outside' },
  network: '192.0.2.0/24',
  counted: '192.0.2.0/24',
  ...change,
})

async function proven(claim: Claim, change: Partial<Proof> = {}): Promise<void> {
  expect(await store.claim(claim, T0)).toBe('claimed')
  expect(await store.prove(proofOf(claim, change), T0)).toMatchObject({ say: 'recorded' })
}

describe('the files', () => {
  test('are for their owner alone', () => {
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(readdirSync(folder).length).toBeGreaterThan(0)
    for (const name of readdirSync(folder))
      expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600])
    expect(storeExists(folder)).toBe(true)
    expect(storeExists(join(folder, 'other'))).toBe(false)
  })

  test('outlive the process without being closed', async () => {
    await enroll()
    const copy = mkdtempSync(join(tmpdir(), 'postern-copy-'))
    for (const name of readdirSync(folder)) copyFileSync(join(folder, name), join(copy, name))
    const crashed = openStore(copy, keys, T0)
    expect((await crashed.dossier('ann')).user?.state).toBe('pending')
    crashed.close()
    rmSync(copy, { recursive: true })
  })

  test('made with another master key are a clear fault', () => {
    const other = createKeyring(new Secret(Buffer.alloc(32, 2)))
    store.close()
    expect(() => openStore(folder, other, T0)).toThrow(/another master key/)
    store = openStore(folder, keys, T0)
  })

  test('of a newer postern are left alone', () => {
    store.close()
    const db = new DatabaseSync(join(folder, 'postern.sqlite'))
    db.exec('INSERT INTO migrations VALUES (99, 0)')
    db.close()
    expect(() => openStore(folder, keys, T0)).toThrow(/version 99/)
  })

  test.each([
    ['no store at all', Buffer.from('this is no database, but a text that somebody put here by mistake'.repeat(20))],
    ['zeros', Buffer.alloc(8192)],
  ])('that are %s are a clear fault', (_, bytes) => {
    store.close()
    for (const name of readdirSync(folder)) rmSync(join(folder, name))
    writeFileSync(join(folder, 'postern.sqlite'), bytes)
    expect(() => openStore(folder, keys, T0)).toThrow(/no SQLite file|damaged/)
  })

  test('behind a symbolic link are refused', () => {
    store.close()
    const path = join(folder, 'postern.sqlite')
    const real = join(folder, '..', 'real')
    copyFileSync(path, real)
    rmSync(path)
    symlinkSync(real, path)
    expect(() => openStore(folder, keys, T0)).toThrow(/not a plain file/)
  })
})

describe('a claim', () => {
  beforeEach(async () => {
    await enroll()
  })

  test.each<[string, Partial<Claim>, string]>([
    ['the same again (a restart came between)', {}, 'claimed'],
    ['from another device', { device: 'away' }, 'replayed'],
    ['with another password from the same device', { mac: Buffer.from('other') }, 'replayed'],
    ['of the next step from another device', { ...step(STEP + 1), device: 'away' }, 'claimed'],
    ['under another enrolment', { enrolment: 'e0' }, 'void'],
    ['of a user who is none', { user: 'bob' }, 'void'],
  ])('is open: %s', async (_, change, answer) => {
    await store.claim(claimOf(), T0)
    reopen()
    expect(await store.claim(claimOf(change), T0)).toBe(answer)
  })

  test.each<[string, Partial<Claim>, string]>([
    ['the same again', {}, 'proven'],
    ['from another device', { device: 'away' }, 'replayed'],
    ['with another password from the same device', { mac: Buffer.from('other') }, 'replayed'],
    ['an older step from another device', { ...step(STEP - 1), device: 'away' }, 'replayed'],
    ['an older step from the same device', step(STEP - 1), 'claimed'],
    ['the next step from another device', { ...step(STEP + 1), device: 'away' }, 'claimed'],
  ])('is proven: %s', async (_, change, answer) => {
    await proven(claimOf())
    reopen()
    expect(await store.claim(claimOf(change), T0)).toBe(answer)
  })

  test.each<[string, Partial<Claim>, string]>([
    ['the same again', {}, 'burnt'],
    ['from another device', { device: 'away' }, 'replayed'],
    ['with another password from the same device', { mac: Buffer.from('other') }, 'claimed'],
  ])('is burnt: %s', async (_, change, answer) => {
    await store.claim(claimOf(), T0)
    await store.burn(claimOf())
    reopen()
    expect(await store.claim(claimOf(change), T0)).toBe(answer)
  })

  test('is freed: the code is anybody’s who has it', async () => {
    await store.claim(claimOf(), T0)
    await store.free(claimOf())
    expect(await store.claim(claimOf({ device: 'away' }), T0)).toBe('claimed')
  })

  test('that is proven or burnt can be neither freed nor changed', async () => {
    await proven(claimOf())
    await store.free(claimOf())
    await store.burn(claimOf())
    expect(await store.claim(claimOf(), T0)).toBe('proven')
    expect(await store.prove(proofOf(claimOf()), T0)).toEqual({ say: 'void' })
    const next = claimOf(step(STEP + 1))
    await store.claim(next, T0)
    await store.burn(next)
    await store.free(next)
    expect(await store.prove(proofOf(next), T0)).toEqual({ say: 'void' })
    expect(await store.claim(next, T0)).toBe('burnt')
  })

  test('that was never made proves nothing', async () => {
    expect(await store.prove(proofOf(claimOf()), T0)).toEqual({ say: 'void' })
    expect((await store.dossier('ann')).user?.state).toBe('pending')
  })

  test('of two devices at once is one device’s', async () => {
    const devices = ['a', 'b', 'c', 'd'].map((device) => store.claim(claimOf({ device }), T0))
    expect(await Promise.all(devices)).toEqual(['claimed', 'replayed', 'replayed', 'replayed'])
  })

  test('lets five passwords be tried with one code, no more', async () => {
    const answers: string[] = []
    for (const n of [1, 2, 3, 4, 5, 6]) {
      const claim = claimOf({ mac: Buffer.from(`try ${n}`) })
      answers.push(await store.claim(claim, T0))
      await store.burn(claim)
    }
    expect(answers).toEqual(['claimed', 'claimed', 'claimed', 'claimed', 'claimed', 'replayed'])
  })

  test('forgotten after ten minutes leaves the last proven step, which is worthless everywhere', async () => {
    await proven(claimOf())
    const later = T0 + 601_000
    expect(await store.claim(claimOf(step(STEP + 20)), later)).toBe('claimed')
    expect(await store.claim(claimOf(), later)).toBe('replayed')
    expect(await store.claim(claimOf({ device: 'away' }), later)).toBe('replayed')
  })

  test('that is open is not forgotten while the old server may still be thinking', async () => {
    await store.claim(claimOf(), T0)
    expect(await store.claim(claimOf(step(STEP + 1)), T0 + 3_900_000)).toBe('claimed')
    expect(await store.claim(claimOf({ device: 'away' }), T0 + 3_900_000)).toBe('replayed')
    expect(await store.prove(proofOf(claimOf()), T0 + 3_900_000)).toMatchObject({ say: 'recorded' })
  })

  test('proven late does not lower the last proven step', async () => {
    const [early, late] = [claimOf(), claimOf(step(STEP + 1))]
    await store.claim(early, T0)
    await proven(late)
    await store.prove(proofOf(early), T0)
    expect(await store.claim(claimOf({ ...step(STEP + 1), device: 'away' }), T0)).toBe('replayed')
  })

  test.each<[string, () => Promise<unknown>]>([
    ['enrolled anew', () => enroll('ann', 'e2', true)],
    ['removed', () => store.remove('ann')],
    ['frozen', () => store.freeze('ann', { at: T0, reason: 'lost phone' })],
  ])('of a user who is %s meanwhile proves nothing', async (_, act) => {
    await store.claim(claimOf(), T0)
    await act()
    expect(await store.prove(proofOf(claimOf()), T0)).toEqual({ say: 'void' })
    expect((await store.dossier('ann')).trusted).toEqual([])
    expect(await store.claim(claimOf(step(STEP + 5)), T0)).toBe('void')
  })

  test.each(['totp', 'recovery'] as const)('of a user frozen and unfrozen meanwhile proves nothing: %s', async (of) => {
    const claim = claimOf({ code: { of, number: of === 'totp' ? STEP : 1 } })
    expect(await store.claim(claim, T0)).toBe('claimed')
    await store.freeze('ann', { at: T0, reason: 'lost phone' })
    await store.freeze('ann', null)
    expect(await store.prove(proofOf(claim), T0)).toEqual({ say: 'void' })
    expect(await store.claim(claim, T0)).toBe('burnt')
  })

  test('of a recovery code is good once', async () => {
    const first = claimOf({ code: { of: 'recovery', number: 1 } })
    expect(await store.claim({ ...first, code: { of: 'recovery', number: 7 } }, T0)).toBe('replayed')
    await proven(first)
    expect((await store.dossier('ann')).recovery.map((code) => code.usedAt)).toEqual([null, T0])
    expect(await store.claim({ ...first, device: 'away', mac: Buffer.from('other') }, T0)).toBe('replayed')
    expect(await store.claim({ ...first, device: 'away', mac: Buffer.from('other') }, T0 + 601_000)).toBe('replayed')
    expect((await store.dossier('ann')).user?.state).toBe('pending')
  })
})

describe('trust', () => {
  beforeEach(async () => {
    await enroll()
  })

  const repeat = (device: string, mac = 'string', at = T0) =>
    store.prove(proofOf(claimOf(), { by: { is: 'repeat', device, mac: Buffer.from(mac) } }), at)

  test('is kept as it was given, across a restart', async () => {
    await proven(claimOf(), { trust: trustOf('home') })
    reopen()
    expect((await store.dossier('ann')).trusted).toEqual([trustOf('home')])
  })

  test('is new for a device without trust that still runs, and only then', async () => {
    const give = async (number: number, device: string, mac: string, at = T0) => {
      const claim = claimOf({ ...step(number), device })
      await store.claim(claim, at)
      const answer = await store.prove(proofOf(claim, { trust: trustOf(device, mac, at, at + 1000) }), at)
      return answer.say === 'recorded' && answer.deviceIsNew
    }
    expect(await give(1, 'home', 'one')).toBe(true)
    expect(await give(2, 'home', 'two')).toBe(false)
    expect(await give(3, 'away', 'three')).toBe(true)
    expect(await give(4, 'home', 'four', T0 + 5000)).toBe(true)
  })

  test('used again is used later, written once a minute, and ends no later', async () => {
    await proven(claimOf(), { trust: trustOf('home') })
    for (const [after, lastUsed] of [
      [59_999, 0],
      [60_000, 60_000],
      [119_999, 60_000],
      [130_000, 130_000],
    ] as const) {
      // prettier-ignore
      expect(await repeat('home', 'string', T0 + after)).toEqual({ say: 'recorded', deviceIsNew: false })
      expect((await store.dossier('ann')).trusted).toEqual([{ ...trustOf('home'), lastUsed: T0 + lastUsed }])
    }
  })

  test('that is not there lets nobody in', async () => {
    await proven(claimOf(), { trust: trustOf('home') })
    expect(await repeat('away')).toEqual({ say: 'void' })
    expect(await repeat('home', 'other')).toEqual({ say: 'void' })
  })

  test('has a ceiling for each device and each user; what was not used for longest goes', async () => {
    for (let n = 0; n < 70; n++) {
      const device = `device ${Math.floor(n / 7)}`
      await proven(claimOf({ ...step(n), device }), { trust: trustOf(device, `string ${n}`, T0 + n) })
    }
    const { trusted } = await store.dossier('ann')
    expect(trusted.length).toBeLessThanOrEqual(50)
    expect(trusted.filter((row) => row.device === 'device 9').map((row) => row.mac.toString())).toEqual(
      [69, 68, 67, 66, 65].map((n) => `string ${n}`),
    )
    for (let n = 70; n < 90; n++) {
      await proven(claimOf({ ...step(n), device: `single ${n}` }), {
        trust: trustOf(`single ${n}`, `string ${n}`, T0 + n),
      })
    }
    const after = (await store.dossier('ann')).trusted
    expect(after).toHaveLength(50)
    expect(after.some((row) => row.device === 'device 0')).toBe(false)
  })

  test('long past is forgotten', async () => {
    await proven(claimOf(), { trust: trustOf('home') })
    const later = T0 + 31 * 86_400_000
    const claim = claimOf({ ...step(STEP + 9), device: 'away' })
    await store.claim(claim, later)
    await store.prove(proofOf(claim, { trust: trustOf('away', 'string', later, later + 1) }), later)
    expect((await store.dossier('ann')).trusted.map((row) => row.device)).toEqual(['away'])
  })

  test('of one user is not another’s', async () => {
    await enroll('bob')
    await proven(claimOf(), { trust: trustOf('home') })
    expect((await store.dossier('bob')).trusted).toEqual([])
  })
})

describe('users', () => {
  test('go from none to pending to enrolled, and a freeze covers each', async () => {
    const state = async () => (await store.dossier('ann')).user?.state
    expect(await state()).toBeUndefined()
    await store.freeze('ann', { at: T0, reason: 'x' })
    expect(await state()).toBe('frozen')
    await store.freeze('ann', null)
    expect(await state()).toBe('none')
    await enroll()
    expect(await state()).toBe('pending')
    await proven(claimOf())
    expect(await state()).toBe('enrolled')
    await store.freeze('ann', { at: T0, reason: 'x' })
    await enroll('ann', 'e2', true)
    expect(await state()).toBe('frozen')
    await store.freeze('ann', null)
    expect(await state()).toBe('pending')
  })

  test('are not enrolled twice by mistake', async () => {
    expect(await enroll()).toEqual({ say: 'enrolled', replaced: false, revoked: [], ended: [] })
    const before = await store.dossier('ann')
    expect(await enroll('ann', 'e2')).toEqual({ say: 'exists' })
    expect(await store.dossier('ann')).toEqual(before)
  })

  test('enrolled anew start from nothing', async () => {
    await enroll()
    await proven(claimOf(), { trust: trustOf('home') })
    await proven(claimOf({ code: { of: 'recovery', number: 0 } }))
    expect(await enroll('ann', 'e2', true)).toEqual({ say: 'enrolled', replaced: true, revoked: [], ended: ['home'] })
    const after = await store.dossier('ann')
    expect(after).toMatchObject({ user: { state: 'pending', enrolment: 'e2', firstUsed: null }, trusted: [] })
    expect(after.recovery.map((code) => code.usedAt)).toEqual([null, null])
    expect(await store.claim(claimOf({ enrolment: 'e2', device: 'away' }), T0)).toBe('claimed')
  })

  test('keep their last five logins, newest first', async () => {
    await enroll()
    for (let n = 0; n < 8; n++) {
      const claim = claimOf(step(n))
      await proven(claim, { login: { at: T0 + n, ip: '192.0.2.1', factor: 'totp', listener: 'outside' } })
    }
    expect((await store.logins('ann')).map((login) => login.at - T0)).toEqual([7, 6, 5, 4, 3])
    expect(await store.users()).toEqual([{ name: 'ann', state: 'enrolled', enrolledAt: T0, lastLogin: T0 + 7 }])
  })

  test('without a second factor leave their logins, and nothing else', async () => {
    const login = { at: T0, ip: '192.0.2.1', factor: 'none' as const, listener: 'outside' }
    const proof = proofOf(claimOf(), { enrolment: null, by: { is: 'password' }, login })
    expect(await store.prove(proof, T0)).toEqual({ say: 'recorded', deviceIsNew: false })
    expect(await store.logins('ann')).toEqual([login])
    expect(await store.users()).toEqual([])
  })

  test('are proven from addresses, each with its last time, the longest ago first', async () => {
    const prove = (user: string, ip: string, at: number) => {
      const login = { at, ip, factor: 'none' as const, listener: 'outside' }
      return store.prove(proofOf(claimOf({ user }), { enrolment: null, by: { is: 'password' }, login }), at)
    }
    await prove('ann', '192.0.2.1', T0 + 1)
    await prove('ann', '192.0.2.2', T0 + 2)
    await prove('bob', '192.0.2.1', T0 + 3)
    await prove('eve', '192.0.2.9', T0)
    expect(await store.provenSince(T0)).toEqual([
      { ip: '192.0.2.2', at: T0 + 2 },
      { ip: '192.0.2.1', at: T0 + 3 },
    ])
    expect(await store.provenSince(T0 + 3)).toEqual([])
  })

  test('are counted by state', async () => {
    await enroll('ann')
    await enroll('bob')
    await enroll('eve')
    await store.freeze('eve', { at: T0, reason: 'x' })
    await proven(claimOf())
    expect(await store.count()).toEqual({ none: 0, pending: 1, enrolled: 1, frozen: 1 })
  })

  test('removed leave no trace in any file, and others stay', async () => {
    await enroll('zacharias@removed.example')
    await enroll('bob')
    const claim = claimOf({ user: 'zacharias@removed.example' })
    await proven(claim, { trust: trustOf('home') })
    const traces = () =>
      readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes('zacharias@removed.example'))
    expect(traces().length).toBeGreaterThan(0)
    expect(await store.remove('zacharias@removed.example')).toBe(true)
    expect(traces()).toEqual([])
    expect(await store.remove('zacharias@removed.example')).toBe(false)
    expect((await store.dossier('bob')).user?.state).toBe('pending')
  })
})

test.each([999, 1_000, 1_001, 5_000])('%i users are listed and counted in slices, each of them once', async (many) => {
  const made = Array.from({ length: many }, (_, n) => ({
    user: `u${String(n).padStart(5, '0')}`,
    enrolment: 'e1',
    sealedSeed: Buffer.alloc(40),
    recovery: [],
    at: T0,
    replace: false,
  }))
  await store.enrollMany(made)
  let turns = 0
  const turn = () => {
    turns++
    next = setImmediate(turn)
  }
  let next = setImmediate(turn)
  expect((await store.users()).map(({ name }) => name)).toEqual(made.map(({ user }) => user))
  const ofUsers = turns
  expect((await store.known()).map(({ name }) => name)).toEqual(made.map(({ user }) => user))
  const ofKnown = turns - ofUsers
  expect(await store.count()).toEqual({ none: 0, pending: many, enrolled: 0, frozen: 0 })
  clearImmediate(next)
  expect([ofUsers, ofKnown]).toEqual([Math.floor(many / 500), Math.floor(many / 500)])
  expect(turns - ofUsers - ofKnown).toBeGreaterThanOrEqual(1)
})

test('a store that can be read and not written says so when it is tried', async () => {
  const other = new DatabaseSync(join(folder, 'postern.sqlite'))
  other.exec('BEGIN IMMEDIATE')
  await expect(store.count()).resolves.toMatchObject({ enrolled: 0 })
  await expect(store.tryWrite(T0)).rejects.toMatchObject({ kind: 'busy' })
  other.exec('ROLLBACK')
  other.close()
  await store.tryWrite(T0)
  await store.tryWrite(T0 + 1)
})

test('a user has no more than a hundred networks and two hundred places; those of the latest logins stay', async () => {
  await enroll()
  const device = claimOf().device
  await proven(claimOf(), { trust: trustOf(device) })
  for (let n = 0; n < 110; n++) {
    const [network, at] = [`10.0.${n}.0/24`, T0 + 1 + n]
    const login = { at, ip: `10.0.${n}.1`, factor: 'trusted-device' as const, listener: 'outside' }
    const by = { is: 'repeat' as const, device, mac: Buffer.from('string') }
    await store.prove(proofOf(claimOf(), { by, login, network, counted: network }), at)
  }
  const db = new DatabaseSync(join(folder, 'postern.sqlite'), { readOnly: true })
  const first = (sql: string) => Object.values(db.prepare(sql).get() ?? {})
  expect(first('SELECT count(*), min(last) FROM networks')).toEqual([100, T0 + 11])
  expect(first('SELECT count(*), min(last) FROM proven')).toEqual([200, T0 + 11])
  db.close()
})

describe('a place where more users were proven than anybody asks for', () => {
  const place = '192.0.2.0/24'
  const one = { kind: 'network' as const, user: '', place, allow: 100, per: 3_600_000, lock: 900_000, grows: true }
  const room = async (at: number) =>
    (await store.standing({ counts: [one], enough: [STAKES_MAX], pool: { user: '', place }, marks: [], home: null, now: at })).room[0] // prettier-ignore
  const fail = async (times: number) => {
    const tries = Array.from({ length: times }, () =>
      store.fail({ counts: [one], pool: { user: '', place }, mark: null, who: 1, at: T0 }),
    )
    return (await Promise.all(tries)).flatMap(({ locks }) => locks)
  }

  test('has room for as many as may be undecided at once, and is locked at its own number and not before', async () => {
    for (let n = 0; n < 300; n++) {
      const user = `user${n}`
      await enroll(user)
      const login = { at: T0, ip: `198.51.100.${n % 250}`, factor: 'none' as const, listener: 'outside' }
      const proof: Proof = { user, enrolment: 'e1', by: { is: 'password' }, resealed: [], trust: null, login, network: place, counted: place } // prettier-ignore
      expect((await store.prove(proof, T0)).say).toBe('recorded')
    }
    expect([await room(T0), await room(T0 + 1)]).toEqual([STAKES_MAX, STAKES_MAX])
    expect(await fail(399)).toEqual([])
    expect(await room(T0)).toBe(1)
    expect(await fail(1)).toMatchObject([{ kind: 'network', place }])
  })
})
