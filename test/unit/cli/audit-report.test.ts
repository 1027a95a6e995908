import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent, LoginFailure } from '../../../src/audit/events.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import { createRows } from '../../../src/audit/report-rows.ts'
import { createWatcher, DRAINED } from '../../../src/audit/report-findings.ts'
import { makeReport, type Report } from '../../../src/audit/report.ts'
import { readRecord, type Recorded } from '../../../src/audit/recorded.ts'
import { complianceOf } from '../../../src/cli/report-compliance.ts'
import { reportMarkdown } from '../../../src/cli/report-markdown.ts'
import { CONNECTION, denied, LOGIN } from '../../support/audit-events.ts'
import { auditFiles, type Written } from '../../support/audit-stream.ts'
import { good, NOW, POSTERN } from '../policy/folder.ts'

const DAY = 86_400_000
const FROM = Date.UTC(2026, 10, 19)
const GOLDEN = new URL('report.golden.txt', import.meta.url).pathname
const HOSTILE = '<img src=x onerror=alert(1)>|[a](http://x)`**\u001b[2J\u202e www.x.example\n# h'

let folder: string
let files: Written
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-'))
  files = auditFiles(folder)
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const from = (ip: string, country: string) => ({ ...CONNECTION, ip, country })
const login = (user: string, ip = '192.0.2.7', country = 'DE', change: object = {}): AuditEvent =>
  ({ ...LOGIN, user, connection: from(ip, country), ...change }) as AuditEvent
const failed = (user: string, reason: LoginFailure, ip = '192.0.2.7'): AuditEvent => {
  return { stream: 'auth', action: 'login-failed', connection: from(ip, 'DE'), user, reason }
}
const session = (user: string, retrieved: number, deleted = 0): AuditEvent => {
  const counts = { bytesToClient: 1, bytesFromClient: 1, retrieved, deleted, marked: deleted, durationMs: 5_000 }
  return {
    stream: 'session',
    action: 'session-closed',
    connection: CONNECTION,
    user,
    backend: 'old',
    counts,
    reason: 'quit',
  }
}
const foreign = (action: string, user: string, more: object): Recorded => {
  const record = readRecord(Buffer.from(bodyOf(login(user), FROM)))
  return { ...record!, action, ...more }
}

/** Two days with a little of everything, and what was usual before. */
function aDay(): void {
  for (let i = 0; i < 6; i++) {
    files.write(login('ann@example.com'), FROM - 5 * DAY + i)
    files.write(session('ann@example.com', 4), FROM - 5 * DAY + i)
  }
  files.write(login('bob@example.com'), FROM - 5 * DAY + 9)
  files.write(
    { stream: 'admin', action: 'policy-loaded', files: { 'login.yaml': 'a', 'postern.yaml': 'b' } },
    FROM - 5 * DAY,
  )
  files.rotate('auth')
  files.pack('auth')
  files.write(login('ann@example.com'), FROM)
  files.write(login('ann@example.com', '198.51.100.9', 'JP', { factor: 'trusted-device' }), FROM + 2)
  files.write(
    { stream: 'auth', action: 'device-trusted', connection: CONNECTION, user: 'ann@example.com', device: 'd' },
    FROM + 3,
  )
  files.write(login('bob@example.com', '192.0.2.8', 'DE', { factor: 'none', connection: { ...from('192.0.2.8', 'DE'), tls: { ...CONNECTION.tls, version: 'TLSv1.2' } } }), FROM + 4) // prettier-ignore
  files.write(session('ann@example.com', 400, 400), FROM + 5)
  files.write(session('bob@example.com', 40), FROM + 5)
  files.write(failed('ann@example.com', 'trust-expired'), FROM + DAY)
  files.write(failed(HOSTILE, 'unknown-user'), FROM + DAY + 1)
  for (let i = 0; i < 6; i++) files.write(failed(`guess-${i}`, 'unknown-user', '203.0.113.66'), FROM + DAY + 2 + i)
  files.write({ ...denied('203.0.113.1'), count: 90, network: '203.0.113.0/24' } as AuditEvent, FROM + DAY)
  files.write(denied('203.0.113.1'), FROM + DAY)
  files.write(
    { stream: 'admin', action: 'policy-loaded', files: { 'login.yaml': 'c', 'postern.yaml': 'b' } },
    FROM + DAY,
  )
  files.write(
    {
      stream: 'admin',
      action: 'break-glass',
      network: '192.0.2.0/24',
      until: '2026-11-20T02:00:00.000Z',
      reason: 'travel',
    },
    FROM + DAY,
  )
  files.write(login('too late'), FROM + 2 * DAY)
}

const report = (): Promise<Report> => makeReport(folder, FROM, FROM + 2 * DAY, () => undefined)

describe('the report', () => {
  test('in Markdown is as it was agreed', async () => {
    aDay()
    const { policies } = await good({
      'postern.yaml': `${POSTERN.replace('127.0.0.1:110', '203.0.113.9:110')}audit: { keep: 90d }\nchecks: [networks, geofence]\n`,
      'geofence.yaml': 'mode: monitor\ncountries: { deny: [KP] }\n',
      'login.yaml': 'second_factor: { not_required_from: [10.0.0.0/8] }\n',
    })
    const made = await report()
    const text = reportMarkdown(made, await complianceOf(policies, made, NOW))
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, text)
    expect(text).toBe(readFileSync(GOLDEN, 'utf8'))
  })

  test('lets no name out of its cell: no HTML, link, table, heading or terminal escape', async () => {
    aDay()
    const text = reportMarkdown(await report(), [])
    const spans = text.replace(/`[^`\n|]*`/g, '')
    expect(text).toContain('<img')
    expect(spans).not.toMatch(/<|>|onerror|www\.|http|\]\(/)
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
    for (const line of text.split('\n').filter((one) => one.startsWith('| 2026-11-20 | `<img')))
      expect(line.split('|')).toHaveLength(9)
  })

  test('finds what somebody ought to look at, by what was usual before', async () => {
    aDay()
    const { look_at: found, running, lines, reaches_back } = await report()
    expect(reaches_back).toBe('2026-11-14T00:00:00.000Z')
    expect(lines).toBe(18)
    expect(found.first_countries.list).toEqual([
      { user: 'ann@example.com', country: 'JP', at: '2026-11-19T00:00:00.002Z', ip: '198.51.100.9', before: ['DE'] },
    ])
    expect(found.drained.list).toMatchObject([{ user: 'ann@example.com', retrieved: 400, usual: 4 }])
    expect(found.trust_expired.list).toMatchObject([{ user: 'ann@example.com', times: 1 }])
    expect(found.addresses.list).toEqual([{ ip: '203.0.113.66', country: 'DE', users: 6, logged_in: 0, refused: 6 }])
    expect(running.without_factor.list).toEqual(['bob@example.com'])
    expect(running.policy_changes.list).toEqual([{ at: '2026-11-20T00:00:00.000Z', files: ['login.yaml'] }])
    expect(running.tls).toEqual({ '1.3': 2, '1.2': 1 })
  })

  test('knows exposed passwords and locks', () => {
    const watcher = createWatcher()
    for (let i = 0; i < 3; i++)
      watcher.take(foreign('password-exposed', 'ann', { reason: 'code-missing', at: FROM + i }))
    watcher.take(foreign('user-locked', 'bob', { reason: 'failures' }))
    const { exposed, locks } = watcher.findings()
    expect(exposed.list).toMatchObject([
      { user: 'ann', times: 3, last: '2026-11-19T00:00:00.002Z', reason: 'code-missing' },
    ])
    expect(locks.list).toMatchObject([{ action: 'user-locked', user: 'bob', reason: 'failures' }])
  })

  test('names every lock and every guessing that the audit tells of, with where it was and what was done', () => {
    const watcher = createWatcher()
    const until = '2026-11-19T00:15:00.000Z'
    const told: AuditEvent[] = [
      { stream: 'auth', action: 'user-locked', user: 'ann', network: '192.0.2.0/24', until },
      { stream: 'auth', action: 'network-locked', network: '198.51.100.0/24', until },
      { stream: 'auth', action: 'spraying', network: '198.51.100.7', users: 12, act: 'locked', until },
      { stream: 'auth', action: 'guessing-spread', user: 'bob', networks: 11, act: 'reported', until: null },
    ]
    for (const event of told) watcher.take(readRecord(Buffer.from(bodyOf(event, FROM)))!)
    const rows = watcher
      .findings()
      .locks.list.map(({ action, user, network, reason }) => [action, user, network, reason])
    expect(rows).toEqual([
      ['user-locked', 'ann', '192.0.2.0/24', `until ${until}`],
      ['network-locked', '', '198.51.100.0/24', `until ${until}`],
      ['spraying', '', '198.51.100.7', `12 users, locked, until ${until}`],
      ['guessing-spread', 'bob', null, '11 networks, reported'],
    ])
  })

  test('calls nothing usual of a user it has not seen often', () => {
    const watcher = createWatcher()
    const close = (user: string, retrieved: number) => {
      watcher.take(foreign('session-closed', user, { detail: { messages: { retrieved, deleted: 0 } } }))
    }
    close('new', DRAINED.unknown - 1)
    close('new', DRAINED.unknown)
    for (let i = 0; i < 5; i++) close('old', 1)
    close('old', DRAINED.least - 1)
    close('old', DRAINED.least * DRAINED.times)
    expect(watcher.findings().drained.list.map(({ user, retrieved }) => [user, retrieved])).toEqual([
      ['new', 500],
      ['old', 500],
    ])
  })

  test('says of a damaged audit what is missing', async () => {
    aDay()
    rmSync(join(folder, 'auth.000000000000001.jsonl.gz'))
    writeFileSync(join(folder, 'session.jsonl'), 'rubbish\n', { flag: 'a' })
    const found = await report()
    expect(found.unread).toBe(1)
    const [item] = (await complianceOf(null, found, NOW)).filter((one) => one.item.startsWith('Audit complete'))
    expect(item?.state).toBe('act')
    expect(item?.finding).toContain('1 lines not understood')
  })
})

describe('a flood', () => {
  const max = { rows: 100, strangers: 20 }

  test('of names of strangers leaves the users in the table, and is counted', () => {
    const rows = createRows(max)
    const record = foreign('login-failed', '', { reason: 'unknown-user' })
    rows.take({ ...record, action: 'login-succeeded', user: 'ann' })
    for (let i = 0; i < max.strangers + 500; i++) rows.take({ ...record, user: `x${i}` })
    rows.take({ ...record, user: 'ann', reason: 'code-wrong' })
    const users = rows.users()
    expect(users).toHaveLength(max.strangers + 2)
    expect(users[0]).toMatchObject({ user: 'ann', logins: 1, refused: { 'code-wrong': 1 } })
    expect(users.find(({ user }) => user === '(others)')).toMatchObject({ refused: { 'unknown-user': 500 } })
    expect(rows.days()[0]?.refused).toEqual({ 'unknown-user': max.strangers + 500, 'code-wrong': 1 })
  })

  test('of users makes no more rows than the ceiling, and no login is lost', () => {
    const rows = createRows(max)
    const record = foreign('login-succeeded', '', {})
    for (let i = 0; i < 500; i++) rows.take({ ...record, user: `u${i % 80}`, at: FROM + (i < 80 ? 0 : DAY) })
    // Each day has a row for others.
    expect(rows.users().length).toBe(max.rows + 1)
    expect(rows.users().reduce((sum, { logins }) => sum + logins, 0)).toBe(500)
    expect(rows.days().reduce((sum, { logins }) => sum + logins, 0)).toBe(500)
  })

  test('of addresses does not push out one with many users', () => {
    const watcher = createWatcher(50)
    const record = foreign('login-failed', '', { reason: 'unknown-user' })
    for (let i = 0; i < 5; i++) watcher.take({ ...record, ip: 'crowd', user: `u${i}` })
    for (let i = 0; i < 500; i++) watcher.take({ ...record, ip: `a${i}`, user: 'x' })
    expect(watcher.findings().addresses.list).toMatchObject([{ ip: 'crowd', users: 5 }])
  })
})
