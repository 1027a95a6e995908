import { expect, test } from 'vitest'
import { REPLY_LINE_MAX } from '../../../src/base/limits.ts'
import * as reply from '../../../src/pop3/reply.ts'

const texts = Object.entries(reply).flatMap(([name, text]): [string, string][] =>
  typeof text === 'string' ? [[name, text]] : [],
)

test('there are texts to look at', () => {
  expect(texts.length).toBeGreaterThan(20)
})

test.each(texts)('%s is one line of printable ASCII, not longer than RFC 2449 allows', (_, text) => {
  expect(text).toMatch(/^(\+OK|-ERR|\+ )[\x20-\x7e]*\r\n$/)
  expect(text.length).toBeLessThanOrEqual(REPLY_LINE_MAX)
})

test.each(texts)('%s names no product and holds no APOP timestamp', (_, text) => {
  expect(text).not.toMatch(/postern|node|<.*>/i)
})

test('the refusal of a login is the one the contract words', () => {
  expect(reply.REFUSED).toBe(
    '-ERR [AUTH] Authentication failed. If this account uses codes, type the current code right behind your password.\r\n',
  )
})

test('challenges are those that programs wait for', () => {
  expect(reply.CHALLENGE_PLAIN).toBe('+ \r\n')
  expect(reply.CHALLENGE_USER).toBe('+ VXNlcm5hbWU6\r\n')
  expect(reply.CHALLENGE_PASSWORD).toBe('+ UGFzc3dvcmQ6\r\n')
})

test('welcome carries the words of the old server', () => {
  expect(reply.welcome('2 messages (320 octets)')).toBe('+OK 2 messages (320 octets)\r\n')
  expect(reply.welcome('')).toBe('+OK\r\n')
})

test('words of an old server cannot make a second reply or a long line', () => {
  expect(reply.welcome('hi\r\n+OK more\0\x1b[2J\xe9')).toBe('+OK hi??+OK more??[2J?\r\n')
  for (const text of [
    reply.welcome('x'.repeat(9999)),
    reply.busy('x'.repeat(9999)),
    reply.multiLine('x'.repeat(999), []),
  ]) {
    expect(text.indexOf('\n') + 1).toBe(REPLY_LINE_MAX)
  }
})

test('a busy maildrop keeps the words of the old server behind a code that programs know', () => {
  expect(reply.busy('maildrop is locked')).toBe('-ERR [IN-USE] maildrop is locked\r\n')
  expect(reply.busy('[in-use] locked')).toBe('-ERR [IN-USE] locked\r\n')
  expect(reply.busy('[LOGIN-DELAY] wait')).toBe('-ERR [LOGIN-DELAY] wait\r\n')
  expect(reply.busy('[AUTH] locked')).toBe('-ERR [IN-USE] locked\r\n')
  expect(reply.busy('')).toBe('-ERR [IN-USE]\r\n')
})

test('a multi-line reply doubles leading dots and ends with a dot', () => {
  expect(reply.multiLine('Follows', ['TOP', '.', '.x'])).toBe('+OK Follows\r\nTOP\r\n..\r\n..x\r\n.\r\n')
})

const status = (text: string) => reply.readStatus(Buffer.from(text, 'latin1'))

test('a status line is read with its response code', () => {
  expect(status('+OK')).toEqual({ ok: true, code: null, text: '', words: '' })
  expect(status('+OK hello')).toEqual({ ok: true, code: null, text: 'hello', words: 'hello' })
  expect(status('-ERR [in-use] Try later')).toEqual({
    ok: false,
    code: 'IN-USE',
    text: 'Try later',
    words: '[in-use] Try later',
  })
  expect(status('-ERR [SYS/TEMP]')).toMatchObject({ ok: false, code: 'SYS/TEMP', text: '' })
})

test('a response code counts at the start of the text only', () => {
  expect(status('-ERR sorry [IN-USE]')).toMatchObject({ code: null, text: 'sorry [IN-USE]' })
  expect(status('-ERR  [IN-USE] x')).toMatchObject({ code: null })
  expect(status('-ERR [not a code] x')).toMatchObject({ code: null, text: '[not a code] x' })
  expect(status('-ERR [IN-USE]x')).toMatchObject({ code: null })
})

test.each(['', '+', '+ok', '+OKAY', 'OK', ' +OK', '* OK', '220 smtp', '-err x', '-ERRx', '+OK\tx', '\0+OK'])(
  'what is not +OK or -ERR is not taken for one: %j',
  (text) => {
    expect(status(text)).toBeNull()
  },
)
