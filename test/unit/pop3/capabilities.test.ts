import { expect, test } from 'vitest'
import { CAPABILITIES_MAX } from '../../../src/base/limits.ts'
import { capabilitiesBeforeLogin, capaReply, filterCapabilities } from '../../../src/pop3/capabilities.ts'

const OURS = ['USER', 'SASL PLAIN LOGIN', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING']
const DOVECOT = [
  'CAPA',
  'TOP',
  'UIDL',
  'RESP-CODES',
  'PIPELINING',
  'AUTH-RESP-CODE',
  'STLS',
  'USER',
  'SASL PLAIN LOGIN',
  'UTF8',
]

test('a server whose capabilities are not known is taken to have TOP and UIDL', () => {
  expect(capabilitiesBeforeLogin(null, 'on')).toEqual([...OURS, 'TOP', 'UIDL'])
})

test('of a server that lists its capabilities only what it lists is offered', () => {
  expect(capabilitiesBeforeLogin([], 'on')).toEqual(OURS)
  expect(capabilitiesBeforeLogin(DOVECOT, 'on')).toEqual([...OURS, 'TOP', 'UIDL'])
  expect(capabilitiesBeforeLogin(['EXPIRE 60 USER', 'LOGIN-DELAY 900', 'uidl'], 'on')).toEqual([
    ...OURS,
    'EXPIRE 60 USER',
    'LOGIN-DELAY 900',
    'uidl',
  ])
})

test('before STLS neither USER nor SASL is offered, so no program types a password in the clear', () => {
  expect(capabilitiesBeforeLogin(DOVECOT, 'off-but-stls')).toEqual([
    'STLS',
    'RESP-CODES',
    'AUTH-RESP-CODE',
    'PIPELINING',
    'TOP',
    'UIDL',
  ])
})

test.each([
  'STLS',
  'UTF8',
  'UTF8 USER',
  'APOP',
  'XCLIENT',
  'SASL SCRAM-SHA-1',
  'USER',
  'LANG',
  'IMPLEMENTATION Old-1',
  'X-FOO',
])('under TLS a server cannot make us offer %s before login', (line) => {
  expect(capabilitiesBeforeLogin([line], 'on')).toEqual(OURS)
})

test('after login the list is that of the server less what is not carried', () => {
  expect(filterCapabilities([...DOVECOT, 'LANG', 'IMPLEMENTATION Old 1.0', 'XTND', 'X-FOO', 'XCLIENT'])).toEqual([
    'TOP',
    'UIDL',
    'RESP-CODES',
    'PIPELINING',
    'AUTH-RESP-CODE',
    'LANG',
    'IMPLEMENTATION Old 1.0',
  ])
  expect(filterCapabilities([])).toEqual([])
})

test('hostile lines of a server are left out', () => {
  const bad = ['', '.', ' TOP', 'TOP\r\nSTLS', 'TOP\0', 'TOP \xe9', `TOP ${'x'.repeat(600)}`]
  expect(filterCapabilities(bad)).toEqual([])
  expect(filterCapabilities(['TOP', 'top', 'TOP x'])).toEqual(['TOP'])
  const flood = [...Array<string>(CAPABILITIES_MAX).fill('X-FOO'), 'UIDL']
  expect(filterCapabilities(flood)).toEqual([])
})

test('the reply to CAPA is multi-line and ends with a dot', () => {
  expect(capaReply(['TOP', 'UIDL'])).toBe('+OK Capability list follows\r\nTOP\r\nUIDL\r\n.\r\n')
})
