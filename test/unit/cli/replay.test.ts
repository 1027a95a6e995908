import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadCandidate, replayOver } from '../../../src/cli/replay-load.ts'
import type { CandidateParts } from '../../../src/cli/replay-candidate.ts'
import type { Comparison, Row } from '../../../src/cli/replay.ts'
import { auditFiles } from '../../support/audit-stream.ts'
import { runLive, type Arrival, type Outcome } from '../../support/live-gate.ts'
import { mmdb } from '../../support/mmdb.ts'
import { folderOf, NOW, POSTERN } from '../policy/folder.ts'

const DAY = 86_400_000
const MINUTE = 60_000
const FROM = NOW - 8 * DAY

const database = mmdb([
  ['192.0.2.0/24', { country_code: 'DE' }],
  ['198.51.100.0/24', { country_code: 'JP' }],
  ['203.0.113.0/24', { country_code: 'KP' }],
])
const BASE = {
  'c.mmdb': database,
  'postern.yaml': `${POSTERN}checks: [networks, geofence, rates]\n`,
  'rates.yaml': '{}\n',
}
const FENCE = 'country_database: c.mmdb\n'

const OPEN = { ...BASE, 'geofence.yaml': FENCE, 'lists/denied.txt': '' }
const OLD = {
  ...BASE,
  'networks.yaml': 'deny: [lists/denied.txt]\n',
  'lists/denied.txt': '192.0.2.0/28\n203.0.113.7\n',
  'geofence.yaml': `${FENCE}countries: { deny: [JP] }\n`,
  'login.yaml': 'exceptions:\n  - { users: [ann], countries: [JP], until: 2099-01-01, reason: trip }\n',
}
const NEW = {
  ...BASE,
  'networks.yaml': 'allow: [lists/office.txt]\ndeny: [lists/denied.txt]\n',
  'lists/office.txt': '203.0.113.64/26\n',
  'lists/denied.txt': '# fewer, and others\n192.0.2.128/25\n203.0.113.7\n',
  'geofence.yaml': `${FENCE}countries: { deny: [KP, JP] }\n`,
  'login.yaml': 'exceptions:\n  - { users: [bob, dan], countries: [JP], until: 2099-01-01, reason: trip }\n',
}

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

async function policies(files: Record<string, string | Buffer>): Promise<CandidateParts> {
  const folder = await folderOf(files)
  return (await loadCandidate(folder, join(folder, 'postern.yaml'), NOW)).parts
}

/** Numbers that look thrown, the same at each run (mulberry32). */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % sides
  }
}

const NETWORKS = ['192.0.2', '198.51.100', '203.0.113']
const USERS = ['ann', 'bob', 'cid', 'dan', null]

/** A week: people who come and go, and a flood from one address. */
function week(seed: number): Arrival[] {
  const roll = dice(seed)
  const people = Array.from({ length: 600 }, (): Arrival => {
    const ip = `${NETWORKS[roll(3)]}.${roll(256)}`
    return {
      at: FROM + DAY + roll(6 * DAY),
      ip,
      user: USERS[roll(5)] ?? null,
      after: 100 + roll(5_000),
      stays: 6_000 + roll(DAY / 24),
    }
  })
  const start = FROM + 3 * DAY
  const flood = Array.from({ length: 100 }, (_, i): Arrival => {
    return { at: start + i * 400, ip: '192.0.2.3', user: null, after: 0, stays: 10 }
  })
  return [...people, ...flood].sort((a, b) => a.at - b.at)
}

/** What differs between two runs, in the words of a comparison: how many, by which rule, file and line. */
function differences(before: Outcome[], after: Outcome[]) {
  const count = (name: (a: Outcome, b: Outcome) => Outcome['gate'] | undefined) => {
    const sums: Record<string, number> = {}
    for (const [i, a] of before.entries()) {
      const b = after[i]
      const by = b === undefined ? null : name(a, b)
      if (by) sums[`${by.rule} ${by.file}:${by.line}`] = (sums[`${by.rule} ${by.file}:${by.line}`] ?? 0) + 1
    }
    return sums
  }
  return {
    newly_denied: count((a, b) => (a.gate === null ? b.gate : null)),
    newly_admitted: count((a, b) => (b.gate === null ? a.gate : null)),
    newly_refused: count((a, b) => (a.login === null && b.gate === null ? b.login : null)),
    newly_judged: count((a, b) => (b.login === null && a.gate === null ? a.login : null)),
  }
}

const sums = (rows: Row[]) =>
  Object.fromEntries(rows.map(({ rule, file, line, count }) => [`${rule} ${file}:${line}`, count]))
const told = ({ connections, logins }: Comparison) => ({
  newly_denied: sums(connections.newly_denied),
  newly_admitted: sums(connections.newly_admitted),
  newly_refused: sums(logins.newly_refused),
  newly_judged: sums(logins.newly_judged),
})

async function recordAndReplay(before: CandidateParts, after: CandidateParts, arrivals: Arrival[]) {
  const folder = mkdtempSync(join(tmpdir(), 'postern-'))
  folders.push(folder)
  const files = auditFiles(folder)
  let lines = 0
  const was = runLive(before, arrivals, (event, at) => {
    files.write(event, at)
    if (++lines % 500 === 0) files.rotate(event.stream)
  })
  const is = runLive(after, arrivals, () => undefined)
  const trouble: string[] = []
  const replayed = await replayOver(folder, { since: FROM, until: null }, after, (file, what) =>
    trouble.push(`${file} ${what}`),
  )
  expect(trouble).toEqual([])
  expect(replayed.late).toBe(0)
  return { live: differences(was, is), replayed: replayed.comparison, was, is }
}

describe('a policy change over a recorded week', () => {
  let before: CandidateParts
  let after: CandidateParts
  beforeAll(async () => {
    before = { ...(await policies(OLD)), rates: null }
    after = { ...(await policies(NEW)), rates: null }
  })

  test.each([1, 2])(
    'gives exactly the differences that running it live gives: networks, countries, exceptions (%i)',
    async (seed) => {
      const { live, replayed } = await recordAndReplay(before, after, week(seed))
      // All kinds of differences are in this week.
      for (const rows of Object.values(live)) expect(Object.keys(rows)).not.toEqual([])
      expect(told(replayed)).toEqual(live)
      expect(replayed.connections.summed).toBeGreaterThan(0)
    },
  )

  test('of policies that stay as they are differ in nothing', async () => {
    const { replayed } = await recordAndReplay(before, before, week(4))
    expect(told(replayed)).toEqual({ newly_denied: {}, newly_admitted: {}, newly_refused: {}, newly_judged: {} })
    expect(replayed.connections.judged).toBe(700)
    expect(replayed.users_hit).toEqual({ names: [], more: 0 })
  })

  test('names those who logged in and would not have, with where they came from', async () => {
    const { replayed, was, is } = await recordAndReplay(before, after, week(1))
    const hit = new Set(
      week(1).flatMap(({ user }, i) => (was[i]?.login === null && is[i]?.login !== null ? [user] : [])),
    )
    expect(new Set(replayed.users_hit.names)).toEqual(hit)
    const [row] = replayed.connections.newly_denied
    expect(row?.examples[0]?.ip).toMatch(/^203\.0\.113\.|^192\.0\.2\./)
  })
})

describe('rates', () => {
  const strict =
    'per_address: { connections: 10/1m, concurrent: 3 }\nper_network: { connections: 20/1m, concurrent: 5 }\nknown_factor: 2\n'

  test('are replayed by the recorded arrivals, as they are counted live', async () => {
    const before = { ...(await policies(OPEN)), rates: null }
    const after = await policies({ ...OPEN, 'rates.yaml': strict })
    const roll = dice(5)
    // Programs that poll too often, some slow to log in.
    const arrivals = Array.from({ length: 800 }, (_, i): Arrival => {
      const at = FROM + DAY + Math.floor(i / 40) * 10 * MINUTE + roll(MINUTE)
      return { at, ip: `192.0.2.${roll(4)}`, user: 'ann', after: 50 + roll(20_000), stays: 30_000 + roll(DAY / 24) }
    }).sort((a, b) => a.at - b.at)
    const { live, replayed } = await recordAndReplay(before, after, arrivals)
    expect(Object.keys(live.newly_denied).sort()).toEqual([
      'rates.per_address rates.yaml:1',
      'rates.per_network rates.yaml:2',
    ])
    expect(told(replayed)).toEqual(live)
  })

  test('cannot be told of sums, and that is said', async () => {
    const before = { ...(await policies(OPEN)), rates: null }
    const after = await policies({ ...OPEN, 'rates.yaml': strict })
    const arrivals = Array.from({ length: 50 }, (_, i): Arrival => {
      return { at: FROM + DAY + i * 100, ip: '192.0.2.1', user: null, after: 0, stays: 10 }
    })
    const { replayed } = await recordAndReplay(before, after, arrivals)
    expect(replayed.connections).toMatchObject({ judged: 50, summed: 40, unsure: 40 })
  })
})
