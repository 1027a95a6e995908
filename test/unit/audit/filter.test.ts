import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { createFilter, type Wanted } from '../../../src/audit/filter.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import { parseRange } from '../../../src/base/ip.ts'
import { CONNECTION, LOGIN } from '../../support/audit-events.ts'

const NOON = Date.UTC(2026, 10, 21, 12)
const line = (event: AuditEvent, at = NOON) => Buffer.from(bodyOf(event, at))
const login = (user: string, ip = '192.0.2.7'): AuditEvent =>
  ({ ...LOGIN, user, connection: { ...CONNECTION, ip } }) as AuditEvent
const network = (text: string) => {
  const range = parseRange(text)
  if (!range.ok) throw new Error(text)
  return range.value
}
const passes = (wanted: Wanted, event: AuditEvent, at = NOON) => createFilter(wanted)(line(event, at))

describe('a filter', () => {
  test('without wishes takes every line, also one that is none', () => {
    expect(createFilter({})(Buffer.from('rubbish'))).toBe(true)
  })

  test('by time takes from the first moment, up to the last', () => {
    const wanted = { since: NOON, until: NOON + 10 }
    expect([-1, 0, 9, 10].map((ms) => passes(wanted, LOGIN, NOON + ms))).toEqual([false, true, true, false])
    expect(createFilter(wanted)(Buffer.from('rubbish'))).toBe(true)
    expect(createFilter({ ...wanted, user: 'ann' })(Buffer.from('rubbish'))).toBe(false)
  })

  test('by user takes that user, however the name was typed, and nobody whose other fields hold the name', () => {
    expect(passes({ user: 'Ann@Example.com' }, login('ann@example.com'))).toBe(true)
    expect(passes({ user: 'ann@example.com' }, login('ann@example.com.evil'))).toBe(false)
    const posing = { ...LOGIN, user: 'bob', backend: 'ann@example.com' } as AuditEvent
    expect(passes({ user: 'ann@example.com' }, posing)).toBe(false)
    const rule = { stream: 'auth', action: 'login-failed', connection: CONNECTION, user: 'bob', reason: 'rule', by: { file: 'x', line: 1, rule: 'ann' } } as AuditEvent // prettier-ignore
    expect(passes({ user: 'ann' }, rule)).toBe(false)
  })

  test.each(['a"b', 'Jürgen', 'x\u202ey', 'a\nb', '\\u{a}'])('finds a user called %j', (name) => {
    expect(passes({ user: name }, login(name))).toBe(true)
    expect(passes({ user: name }, login(`${name}x`))).toBe(false)
  })

  test('by address or network takes all forms of an address, and sums of a network that holds it', () => {
    expect(passes({ network: network('192.0.2.7') }, login('ann'))).toBe(true)
    expect(passes({ network: network('::ffff:192.0.2.7') }, login('ann'))).toBe(true)
    expect(passes({ network: network('192.0.2.0/29') }, login('ann'))).toBe(true)
    expect(passes({ network: network('192.0.2.8/29') }, login('ann'))).toBe(false)
    const sum = { stream: 'access', action: 'connection-closed', connection: CONNECTION, reason: 'quit', count: 9, network: '192.0.2.0/24' } as AuditEvent // prettier-ignore
    expect(passes({ network: network('192.0.2.99') }, sum)).toBe(true)
    expect(passes({ network: network('198.51.100.1') }, sum)).toBe(false)
  })

  test('for people leaves signatures out, and nobody can pose as one', () => {
    const seal = Buffer.from('{"event":{"action":"audit-sealed"}}')
    expect([true, false].map((withoutSeals) => createFilter({ withoutSeals })(seal))).toEqual([false, true])
    expect(passes({ withoutSeals: true }, login('"action":"audit-sealed"'))).toBe(true)
  })

  test('by fingerprint, and by all together', () => {
    const ja4 = CONNECTION.tls?.ja4
    expect(passes({ ja4 }, login('ann'))).toBe(true)
    expect(passes({ ja4: 't13d' }, login('ann'))).toBe(false)
    expect(passes({ ja4, user: 'ann', network: network('192.0.2.7') }, login('ann'))).toBe(true)
    expect(passes({ ja4, user: 'bob', network: network('192.0.2.7') }, login('ann'))).toBe(false)
  })
})
