import { describe, expect, test } from 'vitest'
import { createVisits, type Visit } from '../../../src/audit/visits.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import { readRecord } from '../../../src/audit/recorded.ts'
import type { AuditEvent, Factor } from '../../../src/audit/events.ts'
import { parseRange } from '../../../src/base/ip.ts'
import { REPLAY_ORDER_MS } from '../../../src/base/audit-limits.ts'
import { unreadable } from '../../../src/cli/audit-folder.ts'
import { createCandidate, type CandidateParts } from '../../../src/cli/replay-candidate.ts'
import { createReplay } from '../../../src/cli/replay.ts'
import { loginPolicyOf } from '../../../src/keeper/in-force.ts'
import { CONNECTION, LOGIN } from '../../support/audit-events.ts'
import { gate, OPEN } from '../gate/lists.ts'

import { good, NOW } from '../policy/folder.ts'

const at = (rule: string) => ({ file: 'login.yaml', line: 1, rule })
const PLACES = { roster: at('roster'), domains: at('domains'), required: at('required'), methods: at('methods') }

async function parts(login: string, change: Partial<CandidateParts> = {}): Promise<CandidateParts> {
  const { policies } = await good({
    'login.yaml': login,
    'lists/users.txt': 'ann@example.com ann\n',
    'lists/office.txt': '10.0.0.0/8\n',
  })
  const base = { gate: OPEN, rates: null, zones: [], login: loginPolicyOf(policies), places: PLACES, passes: [] }
  return { ...base, ...change }
}

const visit = (change: Partial<Visit> = {}): Visit => ({
  at: NOW,
  end: NOW,
  ip: '192.0.2.7',
  listener: 'outside',
  count: 1,
  network: undefined,
  session: 's',
  denied: null,
  tries: [],
  listed: [],
  timed: true,
  ...change,
})
const loggedIn = (user: string, factor: Factor) => [{ at: NOW, user, reason: null, factor, by: undefined }]

async function ruled(login: string, factor: Factor, user = 'ann@example.com', ip = '192.0.2.7') {
  const candidate = createCandidate(await parts(login))
  return candidate.judge(visit({ ip, tries: loggedIn(user, factor) })).tries[0]?.rule ?? null
}

describe('a recorded login under a candidate', () => {
  const ALL = 'second_factor: { required_for: all, not_required_from: [10.0.0.0/8] }\n'
  const SOME = 'second_factor: { required_for: enrolled }\nusers: { roster: lists/users.txt }\n'

  test('that needed no code is refused where all need one, but for the networks that do not', async () => {
    expect(await ruled(ALL, 'none')).toBe('required')
    expect(await ruled(ALL, 'none', 'ann@example.com', '10.1.2.3')).toBe(null)
    expect(await ruled(ALL, 'totp')).toBe(null)
    expect(await ruled(SOME, 'none')).toBe(null)
  })

  test('is judged under the rule that means its user and listener', async () => {
    const within = 'rules: [{ users: ["ann@*"], networks: { allow: [lists/office.txt] }, methods: [app_password] }]\n'
    expect(await ruled(within, 'app-password')).toBe('rules.networks.allow')
    expect(await ruled(within, 'app-password', 'ann@example.com', '10.1.2.3')).toBe(null)
    expect(await ruled(within, 'totp', 'ann@example.com', '10.1.2.3')).toBe('rules.methods')
    expect(await ruled(within, 'totp', 'bob@example.com')).toBe(null)
  })

  test('that a rule on methods refused is no news where one stands still', async () => {
    const tries = [{ at: NOW, user: 'ann@example.com', reason: 'rule', factor: undefined, by: at('rules.methods') }]
    const news = async (login: string) => {
      const replay = createReplay(createCandidate(await parts(login)))
      replay.take(visit({ tries }))
      return replay.result().logins.newly_judged.length
    }
    expect(await news('rules: [{ users: ["ann@*"], methods: [app_password] }]\n')).toBe(0)
    expect(await news('{}\n')).toBe(1)
  })

  test('is refused by a method that is not named, and by a roster without the name', async () => {
    expect(await ruled('second_factor: { methods: [totp] }\n', 'app-password')).toBe('methods')
    expect(await ruled('second_factor: { methods: [totp] }\n', 'trusted-device')).toBe(null)
    expect(await ruled(SOME, 'totp', 'bob@example.com')).toBe('roster')
  })
})

describe('DNS lists', () => {
  const zone = { zone: 'zen.example', mode: 'enforce', denyOn: [range('127.0.0.2')], resolver: { host: '127.0.0.1', port: 53 }, timeout: 1, cache: 1, onError: 'allow', file: 'reputation.yaml', line: 3 } as const // prettier-ignore
  const by = { file: 'reputation.yaml', line: 9, rule: 'dnsbl.zen.example' }
  const listed = (denied: boolean, answer = '127.0.0.2') =>
    visit({ listed: [{ zone: 'zen.example', answer, denied, by }] })
  const compare = async (one: Visit, change: Partial<CandidateParts>) => {
    const replay = createReplay(
      createCandidate(await parts('{}\n', { zones: [{ ...zone, denyOn: [...zone.denyOn] }], ...change })),
    )
    replay.take(one)
    const { newly_denied, newly_admitted } = replay.result().connections
    return [newly_denied.map(({ line }) => line), newly_admitted.map(({ line }) => line)]
  }

  test('count by what they said then', async () => {
    expect(await compare(listed(true), {})).toEqual([[], []])
    expect(await compare(listed(true), { zones: [] })).toEqual([[], [9]])
    expect(await compare(listed(true, '127.0.0.9'), {})).toEqual([[], [9]])
    expect(await compare(listed(false), {})).toEqual([[3], []])
    expect(await compare(listed(false), { zones: [{ ...zone, denyOn: [...zone.denyOn], mode: 'monitor' }] })).toEqual([
      [],
      [],
    ])
  })

  test('do not count for whom the candidate spares', async () => {
    expect(await compare(listed(true), { gate: gate('enforce', ['192.0.2.0/24'], []) })).toEqual([[], [9]])
    const passes = [{ at: NOW - 1, network: '192.0.2.0/24', until: NOW + 1, reason: 'x' }]
    expect(await compare(listed(true), { passes })).toEqual([[], [9]])
  })
})

test('break-glass passes count from when they were given to when they ended', async () => {
  const passes = [
    { at: NOW, network: '192.0.2.0/24', until: NOW + 100, reason: 'x' },
    { at: NOW + 200, network: '192.0.2.0/24', until: NOW + 900, reason: 'x' },
    { at: NOW + 300, network: '192.0.2.0/24', until: null, reason: 'x' },
  ]
  const candidate = createCandidate(await parts('{}\n', { gate: gate('enforce', [], ['192.0.2.7']), passes }))
  const denied = [-1, 0, 99, 100, 200, 299, 300].map((ms) => candidate.judge(visit({ at: NOW + ms })).gate !== null)
  expect(denied).toEqual([true, false, false, true, false, false, true])
})

test('ceilings and listeners are left out, as no policy of the gate says what they would have done', async () => {
  const replay = createReplay(createCandidate(await parts('{}\n')))
  replay.take(visit({ denied: { file: 'postern.yaml', line: 0, rule: 'limits.connections' } }))
  expect(replay.result().connections).toMatchObject({ judged: 0, left_out: 1, newly_admitted: [] })
})

describe('visits', () => {
  const record = (event: AuditEvent, time: number) => {
    const read = readRecord(Buffer.from(bodyOf(event, time)))
    if (read === null) throw new Error('no record')
    return read
  }
  const of = (session: string, connected: number, change: object = {}): AuditEvent =>
    ({ ...LOGIN, ...change, connection: { ...CONNECTION, session, connected } }) as AuditEvent

  test('are one for each session, in the order of their arrival, whatever order their lines have', () => {
    const visits = createVisits()
    const given = [
      ...visits.take(record(of('late', NOW + 500), NOW + 600)),
      ...visits.take(record(of('early', NOW, { action: 'login-failed', reason: 'code-wrong' }), NOW + 700)),
      ...visits.take(record(of('early', NOW), NOW + 800)),
      ...visits.take(record(of('last', NOW + REPLAY_ORDER_MS + 501), NOW + REPLAY_ORDER_MS + 502)),
    ]
    expect(given.map(({ session, tries, end }) => [session, tries.length, end - NOW])).toEqual([
      ['early', 2, 800],
      ['late', 1, 600],
    ])
    visits.take(record(of('early', NOW), NOW + REPLAY_ORDER_MS + 600))
    expect(visits.late()).toBe(1)
    expect(visits.end().map(({ session }) => session)).toEqual(['last'])
  })
})

test.each([
  ['EACCES', /may not be read by you; run this as root, or join the group/],
  ['ENOENT', /is not there; does audit.path name the right folder/],
])('%s is told in words that say what to do', (code, words) => {
  const error = Object.assign(new Error(code), { code, path: '/x/auth.jsonl' })
  expect((unreadable(error, '/x') as Error).message).toMatch(words)
})

function range(text: string) {
  const read = parseRange(text)
  if (!read.ok) throw new Error(text)
  return read.value
}
