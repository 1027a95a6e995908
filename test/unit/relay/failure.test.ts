import { describe, expect, test } from 'vitest'
import { failureOf, outcomeOf, type Cause } from '../../../src/relay/failure.ts'
import { REFUSED, TROUBLE } from '../../../src/pop3/reply.ts'

const BUSY_ERRORS = ['\\b(maildrop|mailbox)\\b.*\\b(lock(ed)?|in use|busy)\\b']

const refused = (text: string, step: 'greeting' | 'user' | 'password' = 'password', echo = false) =>
  failureOf({ on: 'refused', step, line: Buffer.from(text, 'latin1'), echo }, BUSY_ERRORS)

describe('a refused password', () => {
  test.each([
    ['-ERR', 'refuted'],
    ['-ERR authentication failed', 'refuted'],
    ['-ERR [AUTH] no', 'refuted'],
    ['-ERR [AUTH] mailbox locked', 'refuted'],
    ['-ERR [auth] mailbox locked', 'refuted'],
    ['-ERR [UNHEARD-OF] no', 'refuted'],
    ['-ERR not busy, just wrong', 'refuted'],
    ['-ERR see [IN-USE]', 'refuted'],
    ['-ERR [IN-USE] another session', 'busy'],
    ['-ERR [in-use/x] another session', 'busy'],
    ['-ERR [LOGIN-DELAY] wait', 'busy'],
    ['-ERR Maildrop already LOCKED', 'busy'],
    ['-ERR [UNHEARD-OF] mailbox is busy', 'busy'],
    ['-ERR [SYS/TEMP] disk', 'unavailable'],
    ['-ERR [SYS/PERM] gone', 'unavailable'],
    ['-ERR [SYS/NEW] hm', 'unavailable'],
  ])('%s is %s', (line, at) => {
    expect(refused(line).at).toBe(at)
  })

  test('is answered in the one text, whatever the server said', () => {
    expect(refused('-ERR no such user').words).toBe(REFUSED)
    expect(refused('-ERR [AUTH] account disabled').words).toBe(REFUSED)
  })

  test('is never tried at another address', () => {
    for (const line of ['-ERR no', '-ERR [IN-USE] x', '-ERR [SYS/TEMP] x', '-ERR [SYS/PERM] x']) {
      expect(refused(line).retry).toBe(false)
    }
  })

  test('beyond 512 octets is not searched for busy words', () => {
    expect(refused(`-ERR ${'x'.repeat(520)} mailbox busy`).at).toBe('refuted')
  })
})

describe('a busy mailbox', () => {
  test('keeps the words and the code of the server', () => {
    expect(refused('-ERR [LOGIN-DELAY] wait 5 minutes').words).toBe('-ERR [LOGIN-DELAY] wait 5 minutes\r\n')
    expect(refused('-ERR [IN-USE] other session').words).toBe('-ERR [IN-USE] other session\r\n')
  })
  test('without a code gets [IN-USE], so that no mail program asks for the password anew', () => {
    expect(refused('-ERR maildrop locked by 4711').words).toBe('-ERR [IN-USE] maildrop locked by 4711\r\n')
  })
  test('cannot smuggle a second line or control bytes to the client', () => {
    expect(refused('-ERR [IN-USE] a\r+OK\x1b[2J\xff').words).toBe('-ERR [IN-USE] a?+OK?[2J?\r\n')
  })
  test('that talks too much is cut to a legal line', () => {
    expect(refused(`-ERR [IN-USE] ${'x'.repeat(2000)}`).words.length).toBeLessThanOrEqual(512)
  })
})

describe('trouble of the old server', () => {
  test('keeps its code and words', () => {
    expect(refused('-ERR [SYS/PERM] mailbox moved').words).toBe('-ERR [SYS/PERM] mailbox moved\r\n')
    expect(refused('-ERR [SYS/TEMP] disk full').words).toBe('-ERR [SYS/TEMP] disk full\r\n')
    expect(refused('-ERR [SYS/TEMP]').words).toBe('-ERR [SYS/TEMP]\r\n')
  })
  test('that wants a human is logged as an error', () => {
    expect(refused('-ERR [SYS/PERM] mailbox moved').level).toBe('error')
    expect(refused('-ERR [SYS/TEMP] disk full').level).toBe('warn')
  })
  test.each<Cause>([
    { on: 'unreachable', why: 'ECONNREFUSED' },
    { on: 'late', step: 'greeting' },
    { on: 'closed', step: 'user' },
    { on: 'garbled', step: 'greeting' },
  ])('before the password was sent lets another address be tried: $on', (cause) => {
    const failure = failureOf(cause, [])
    expect([failure.at, failure.retry, failure.words]).toEqual(['unavailable', true, TROUBLE])
  })
  test.each<Cause>([
    { on: 'late', step: 'password' },
    { on: 'closed', step: 'password' },
    { on: 'garbled', step: 'password' },
  ])('after the password was sent does not: $on', (cause) => {
    const failure = failureOf(cause, [])
    expect([failure.at, failure.retry]).toEqual(['unavailable', false])
  })
})

describe('a refusal at the greeting', () => {
  test('judges no password, whatever code it has', () => {
    expect(refused('-ERR [AUTH] go away', 'greeting').at).toBe('unavailable')
    expect(refused('-ERR mailbox busy', 'greeting').at).toBe('unavailable')
    expect(refused('-ERR too many connections', 'greeting').retry).toBe(true)
  })
  test('is busy if its code says so', () => {
    expect(refused('-ERR [LOGIN-DELAY] later', 'greeting').at).toBe('busy')
  })
})

test('a refused USER is a refused login, unless code or words say otherwise', () => {
  expect(refused('-ERR no such user', 'user').at).toBe('refuted')
  expect(refused('-ERR mailbox busy', 'user').at).toBe('busy')
  expect(refused('-ERR [SYS/TEMP] later', 'user')).toMatchObject({ at: 'unavailable', retry: true })
})

test('words of a server that repeats the password reach neither the client nor the log', () => {
  for (const line of [
    '-ERR bad command PASS hunter2',
    '-ERR [IN-USE] hunter2',
    '-ERR [SYS/TEMP] hunter2',
    '-ERR mailbox busy hunter2',
  ]) {
    const failure = refused(line, 'password', true)
    expect(failure.words + failure.detail).not.toContain('hunter2')
    expect(failure.at).toBe(refused(line).at)
  }
})

test('a name or password that cannot be sent is refused like a wrong one', () => {
  expect(failureOf({ on: 'unsendable' }, [])).toMatchObject({ at: 'refuted', words: REFUSED, retry: false })
})

test('an address is not changed for want of APOP, and the client going away is no news', () => {
  expect(failureOf({ on: 'no-apop' }, [])).toMatchObject({ at: 'unavailable', retry: false, level: 'error' })
  expect(failureOf({ on: 'aborted' }, [])).toMatchObject({ at: 'unavailable', retry: false, level: 'debug' })
})

test('the keeper is told the judgement in its own shape', () => {
  expect(outcomeOf({ at: 'proven', tookMs: 5 })).toEqual({ at: 'proven', tookMs: 5 })
  expect(outcomeOf({ ...refused('-ERR no'), tookMs: 7 })).toEqual({ at: 'refuted', tookMs: 7 })
  expect(outcomeOf({ ...refused('-ERR [IN-USE] other'), tookMs: 7 })).toEqual({
    at: 'busy',
    detail: 'password: [IN-USE] other',
  })
  expect(outcomeOf({ ...refused(`-ERR [SYS/TEMP] ${'x'.repeat(2000)}`), tookMs: 7 })).toMatchObject({
    at: 'unavailable',
  })
  const long = outcomeOf({ ...refused(`-ERR [SYS/TEMP] ${'x'.repeat(2000)}`), tookMs: 7 }) as { detail: string }
  expect(long.detail.length).toBeLessThanOrEqual(300)
})
