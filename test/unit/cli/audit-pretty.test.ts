import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { chain, GENESIS } from '../../../src/audit/chain.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import { printableJson } from '../../../src/base/printable.ts'
import { prettyLine } from '../../../src/cli/audit-pretty.ts'
import { CONNECTION, everyEvent, LOGIN } from '../../support/audit-events.ts'

const NOON = Date.UTC(2026, 10, 21, 12)
const pretty = (event: AuditEvent) => prettyLine(Buffer.from(chain(bodyOf(event, NOON), GENESIS).line.trimEnd()))

const HOSTILE = '\u001b[2J\u009b31m\u202eevil\u2028\u0007\u200b\ud800'
const HARM = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/

describe('a line for people', () => {
  test('says when, what, who, from where and why', () => {
    expect(pretty({ ...LOGIN, connection: { ...CONNECTION, country: 'DE' } } as AuditEvent)).toBe(
      '2026-11-21 12:00:00.000Z auth    login-succeeded    ann@example.com  192.0.2.7 DE  at outside  totp  backend old-mail',
    )
    const by = { file: 'lists/denied.txt', line: 12, rule: 'networks.deny' }
    expect(
      pretty({
        stream: 'access',
        action: 'connection-denied',
        connection: CONNECTION,
        by,
        count: 30,
        network: '192.0.2.0/24',
      }),
    ).toBe(
      '2026-11-21 12:00:00.000Z access  connection-denied  192.0.2.7  at outside  networks.deny lists/denied.txt:12  in 192.0.2.0/24  30 times',
    )
    const counts = { bytesToClient: 1, bytesFromClient: 2, retrieved: 3, deleted: 4, marked: 4, durationMs: 6_000 }
    expect(
      pretty({
        stream: 'session',
        action: 'session-closed',
        connection: CONNECTION,
        user: 'ann',
        backend: 'old',
        counts,
        reason: 'quit',
      }),
    ).toBe(
      '2026-11-21 12:00:00.000Z session session-closed     ann  192.0.2.7  at outside  quit  backend old  3 retrieved, 4 deleted  6 s',
    )
  })

  test.each<[AuditEvent, string]>([
    [{ stream: 'auth', action: 'spraying', network: '192.0.2.7', users: 12, act: 'locked', until: 'T' }, 'in 192.0.2.7  act locked  until T  users 12'],
    [{ stream: 'auth', action: 'guessing-spread', user: 'ann', networks: 11, act: 'reported', until: null }, 'ann  act reported  networks 11'],
    [{ stream: 'admin', action: 'forward-lost', forward: 'syslog+tcp://h:1', file: 'auth.jsonl', lines: 7 }, 'forward syslog+tcp://h:1  file auth.jsonl  lines 7'],
    [{ stream: 'admin', action: 'user-travel', user: 'ann', countries: ['JP', 'KR'], until: 'T', reason: 'fair' }, 'ann  fair  until T  JP  KR'],
    [{ stream: 'auth', action: 'login-failed', connection: CONNECTION, user: 'ann', reason: 'code-clock-skew', skewSeconds: -90 }, 'code-clock-skew  skew_seconds -90'],
    [{ stream: 'session', action: 'message-retrieved', connection: CONNECTION, user: 'ann', backend: 'old', count: 3, numbers: '1-3' }, '3 times  backend old  messages 1-3'],
  ])('says what only this event has: %j', (event, words) => {
    expect(pretty(event)).toContain(words)
  }) // prettier-ignore

  test.each(everyEvent(HOSTILE).map((event) => [event.action, event] as const))(
    '%s lets no terminal escape through',
    (_, event) => {
      const said = pretty(event)
      expect(said).toContain('2026-11-21 12:00')
      expect(said).not.toMatch(HARM)
    },
  )

  test('neither does a file that somebody altered, whether or not it still is JSON', () => {
    const line = (name: string) =>
      JSON.stringify({ '@timestamp': new Date(NOON).toISOString(), event: { action: name }, user: { name } })
    for (const text of [line(HOSTILE), HOSTILE, '{', 'null', '[]', '7', '{"event":7}']) {
      expect(prettyLine(Buffer.from(text))).not.toMatch(HARM)
      expect(printableJson(text)).not.toMatch(HARM)
    }
    expect(JSON.parse(printableJson(line(HOSTILE)))).toEqual(JSON.parse(line(HOSTILE)))
  })

  test('a text that was cleaned before is shown as it stands in the audit', () => {
    expect(pretty({ ...LOGIN, user: 'a\u001bb' } as AuditEvent)).toContain('a\\u{1b}b  ')
  })
})
