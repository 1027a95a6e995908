import { expect, test } from 'vitest'
import { chain, GENESIS } from '../../../src/audit/chain.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { frameOf } from '../../../src/forward/syslog.ts'
import { CONNECTION, everyEvent } from '../../support/audit-events.ts'
import { HOSTILE } from '../../support/hostile-names.ts'

const AT = Date.parse('2027-03-14T09:26:53.589Z')
const lineOf = (event: AuditEvent) => Buffer.from(chain(bodyOf(event, AT), GENESIS).line)
const SPEAKER = { host: 'gw.example.com', process: 42 }

/** Takes frames apart as RFC 6587 section 3.4.1 has it, and the header as RFC 5424 section 6. */
function read(frames: Buffer) {
  const [, length = ''] = /^([1-9][0-9]*) /.exec(frames.toString('latin1', 0, 12)) ?? []
  const message = frames.subarray(length.length + 1)
  const header = /^<(\d{1,3})>1 (\S{1,32}) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) - /.exec(message.toString('latin1')) ?? [] // prettier-ignore
  const text = message.subarray(header[0]?.length ?? 0).toString()
  return { whole: Number(length) === message.length, priority: Number(header[1]), fields: header.slice(2), text }
}

test('every event is one frame whose message is the line, to the octet', () => {
  for (const event of everyEvent('Jürgen')) {
    const line = lineOf(event)
    const { whole, fields, text } = read(frameOf(line, SPEAKER))
    expect(whole).toBe(true)
    expect(fields).toEqual(['2027-03-14T09:26:53.589Z', 'gw.example.com', 'postern', '42', event.action])
    expect(`${text}\n`).toBe(line.toString())
  }
})

test('failures are warnings, all else is information, of the facility that auth.log has', () => {
  const login = { stream: 'auth', connection: CONNECTION, user: 'ann' } as const
  const failed = frameOf(lineOf({ ...login, action: 'login-failed', reason: 'code-wrong' }), SPEAKER)
  const succeeded = frameOf(lineOf({ ...login, action: 'login-succeeded', factor: 'totp', backend: 'old' }), SPEAKER)
  expect([read(failed).priority, read(succeeded).priority]).toEqual([10 * 8 + 4, 10 * 8 + 6])
})

test('a machine without a good name is `-`', () => {
  const line = lineOf({ stream: 'admin', action: 'server-stopped', reason: 'x' })
  expect(read(frameOf(line, { host: ' \u2028\n', process: 1 })).fields[1]).toBe('-')
})

test.each(Object.entries(HOSTILE))('a user called %s changes neither frame nor header nor fields', (_, user) => {
  const event: AuditEvent = { stream: 'auth', action: 'login-failed', connection: CONNECTION, user, reason: 'password-wrong' } // prettier-ignore
  const { whole, priority, fields, text } = read(frameOf(lineOf(event), SPEAKER))
  expect([whole, priority, fields[4]]).toEqual([true, 84, 'login-failed'])
  expect(text).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  const parsed = JSON.parse(text) as { user: { name: string }; event: { action: string; outcome: string } }
  expect(parsed.event).toMatchObject({ action: 'login-failed', outcome: 'failure' })
  expect(parsed.user.name.length).toBeLessThanOrEqual(254)
})
