import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import type { Merged } from '../../../src/audit/merge.ts'
import { lastLines, readMerged } from '../../../src/audit/window.ts'
import { followed } from '../../../src/cli/audit-tail.ts'
import { momentOf } from '../../../src/cli/moment.ts'
import { denied, LOGIN } from '../../support/audit-events.ts'
import { auditFiles, type Written } from '../../support/audit-stream.ts'

const NOON = Date.UTC(2026, 10, 21, 12)
const HOUR = 3_600_000

let folder: string
let files: Written
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-'))
  files = auditFiles(folder)
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const login = (user: string): AuditEvent => ({ ...LOGIN, user }) as AuditEvent
const nameIn = ({ line }: Merged) =>
  /"(?:user":\{"name|ip)":"([^"]*)"/.exec(String(line).replace(/"source":.*?("user"|"rule")/, '$1'))?.[1] ??
  /"ip":"([^"]*)"/.exec(String(line))?.[1]
const nothing = () => undefined

async function read(wanted: Parameters<typeof readMerged>[2]): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const batch of readMerged(folder, ['access', 'auth'], wanted, nothing)) all.push(...batch.map(nameIn))
  return all
}

describe('several streams', () => {
  test('are read as one, by time', async () => {
    files.write(login('a'), NOON)
    files.write(denied('192.0.2.1'), NOON + 1)
    files.rotate('auth')
    files.write(login('b'), NOON + 2)
    files.write(denied('192.0.2.2'), NOON + 2)
    files.write(login('c'), NOON + 3)
    expect(await read({})).toEqual(['a', '192.0.2.1', '192.0.2.2', 'b', 'c'])
    expect(await read({ since: NOON + 1, until: NOON + 3 })).toEqual(['192.0.2.1', '192.0.2.2', 'b'])
  })

  test('the last lines for people are none of the signatures', async () => {
    files.write(login('a'), NOON)
    for (let i = 1; i < 9; i++) files.write({ ...login('seal'), action: 'audit-sealed', seal: {} } as never, NOON + i)
    const last = async (withoutSeals: boolean) => (await lastLines(folder, ['auth'], { withoutSeals }, 3)).length
    expect([await last(true), await last(false)]).toEqual([1, 3])
  })

  test('the last lines come from as many files as it takes', async () => {
    for (let i = 0; i < 6; i++) {
      files.write(login(`u${i}`), NOON + 2 * i)
      files.rotate('auth')
    }
    files.pack('auth')
    files.write(denied('192.0.2.1'), NOON + 9)
    const last = async (count: number, user?: string) =>
      (await lastLines(folder, ['access', 'auth'], { user }, count)).map(nameIn)
    expect(await last(3)).toEqual(['u4', '192.0.2.1', 'u5'])
    expect(await last(20)).toEqual(['u0', 'u1', 'u2', 'u3', 'u4', '192.0.2.1', 'u5'])
    expect(await last(3, 'u0')).toEqual(['u0'])
  })

  test('are followed through rotation, from the time that is named', async () => {
    files.write(login('old'), NOON - 1)
    files.write(login('a'), NOON)
    const stop = new AbortController()
    const deeds = [
      () => files.write(denied('192.0.2.1'), NOON + 1),
      () => {
        files.write(login('b'), NOON + 2)
        files.rotate('auth')
        files.write(login('c'), NOON + 3)
        files.rotate('auth')
        files.pack('auth')
        files.pack('auth')
      },
      () => files.write(login('d'), NOON + 4),
    ]
    const rest = () => {
      const deed = deeds.shift()
      if (deed === undefined) stop.abort()
      else deed()
      return Promise.resolve()
    }
    const seen: unknown[] = []
    for await (const batch of followed(folder, ['access', 'auth'], { since: NOON }, nothing, stop.signal, rest))
      seen.push(...batch.map(nameIn))
    expect(seen).toEqual(['a', '192.0.2.1', 'b', 'c', 'd'])
  })
})

describe('a time', () => {
  const DAY = 24 * HOUR
  test.each([
    ['2026-11-20', NOON - 36 * HOUR, NOON - 12 * HOUR],
    ['today', NOON - 12 * HOUR, NOON + 12 * HOUR],
    ['yesterday', NOON - 36 * HOUR, NOON - 12 * HOUR],
    ['2h', NOON - 2 * HOUR, NOON - 2 * HOUR],
    ['7d', NOON - 7 * DAY, NOON - 7 * DAY],
    ['2026-11-21T12:00:00Z', NOON, NOON],
    ['2026-11-21T12:00', NOON, NOON],
    ['2026-11-21 13:00:00+01:00', NOON, NOON],
  ])('%s is read', (text, start, end) => {
    expect(momentOf('since', text, NOON)).toBe(start)
    expect(momentOf('until', text, NOON, true)).toBe(end)
  })

  test.each(['', 'now', '2026-13-01', '2026-11-21T25:00', '2 h', 'tomorrow\u001b'])('%j is refused', (text) => {
    expect(() => momentOf('since', text, NOON)).toThrow(/^--since '.*' is no time; write it like/)
  })
})
