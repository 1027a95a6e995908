import { expect, test } from 'vitest'
import { reveal } from '../../../src/base/secret.ts'
import { decodeBase64, decodeInitial, readLoginPassword, readLoginUser, readPlain } from '../../../src/pop3/sasl.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const plain = (text: string) => {
  const found = readPlain(bytes(text))
  return found === null
    ? null
    : { user: found.user.toString('latin1'), password: reveal(found.password).toString('latin1') }
}

test.each([
  ['', ''],
  ['Zg==', 'f'],
  ['Zm8=', 'fo'],
  ['Zm9v', 'foo'],
  ['Zm9vYmFy', 'foobar'],
  ['+/+/', '\xfb\xff\xbf'],
])('%j is base64', (text, meaning) => {
  expect(decodeBase64(bytes(text))).toEqual(bytes(meaning))
})

test.each([
  'Zg',
  'Zg=',
  'Zg===',
  'Zh==',
  'Zm9=',
  'Zm9v=',
  '=',
  '====',
  'Zm 9v',
  'Zm9v ',
  ' Zm9v',
  'Zm\r\n9v',
  'Zm9v\r',
  'Zg==Zg==',
  '-_-_',
  'Zm9\xff',
  'Z\0m9v',
  '*',
])('%j is not: one message has one spelling', (text) => {
  expect(decodeBase64(bytes(text))).toBeNull()
})

test('an equals sign alone is an empty first response', () => {
  expect(decodeInitial(bytes('='))).toEqual(Buffer.alloc(0))
  expect(decodeInitial(bytes('Zg=='))).toEqual(bytes('f'))
  expect(decodeInitial(bytes('=='))).toBeNull()
})

test('PLAIN gives user and password, with an authzid that is the same or none', () => {
  expect(plain('\0bob\0pass word ')).toEqual({ user: 'bob', password: 'pass word ' })
  expect(plain('bob\0bob\0x')).toEqual({ user: 'bob', password: 'x' })
})

test('PLAIN for somebody else is refused', () => {
  expect(plain('admin\0bob\0x')).toBeNull()
  expect(plain('BOB\0bob\0x')).toBeNull()
})

test.each(['', 'bob', '\0bob', 'bob\0x', '\0\0x', '\0bob\0', '\0bob\0x\0y', '\0bob\0x\0', '\0b b\0x'])(
  'PLAIN of another shape is refused: %j',
  (message) => {
    expect(plain(message)).toBeNull()
  },
)

test.each(['\0bob\r\nDELE 1\0x', '\0bob\0x\r\nDELE 1', '\0bob\0x\ry', '\0bob\0x\ny', '\0b\nb\0x'])(
  'a command hidden in base64 does not reach the old server: %j',
  (message) => {
    expect(plain(message)).toBeNull()
  },
)

test('LOGIN takes a name and a password, and refuses empty ones and hidden line ends', () => {
  expect(readLoginUser(bytes('bob'))).toEqual(bytes('bob'))
  for (const bad of ['', 'a b', 'b\0', 'b\r\nQUIT']) expect(readLoginUser(bytes(bad))).toBeNull()
  const password = readLoginPassword(bytes(' x '))
  expect(password === null ? null : reveal(password)).toEqual(bytes(' x '))
  for (const bad of ['', 'b\0', 'b\r', 'b\n']) expect(readLoginPassword(bytes(bad))).toBeNull()
})
