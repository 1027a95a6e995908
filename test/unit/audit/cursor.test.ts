import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createCursor, type Cursor } from '../../../src/audit/cursor.ts'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { SEEK_LEAST } from '../../../src/base/audit-limits.ts'
import { LOGIN } from '../../support/audit-events.ts'
import { auditFiles, type Written } from '../../support/audit-stream.ts'

const NOON = Date.UTC(2026, 10, 21, 12)
const MINUTE = 60_000

let folder: string
let files: Written
let told: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-'))
  files = auditFiles(folder)
  told = []
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const login = (user: string): AuditEvent => ({ ...LOGIN, user }) as AuditEvent
const cursorFrom = (since: number | null) =>
  createCursor(folder, 'auth', since, (file, what) => told.push(`${file} ${what}`))

async function look(cursor: Cursor): Promise<string[]> {
  const users: string[] = []
  for await (const lines of cursor.pass())
    users.push(...lines.map((line) => /"name":"([^"]*)"/.exec(String(line))?.[1] ?? String(line)))
  return users
}

describe('a cursor', () => {
  test('of a stream without a file gives nothing, and later its lines', async () => {
    const cursor = cursorFrom(null)
    expect(await look(cursor)).toEqual([])
    files.write(login('ann'), NOON)
    expect(await look(cursor)).toEqual(['ann'])
    expect(await look(cursor)).toEqual([])
  })

  test('goes on in a file that was cut to nothing, and in one that was begun anew, which it says', async () => {
    const cursor = cursorFrom(null)
    for (const user of ['ann', 'bob']) files.write(login(user), NOON)
    expect(await look(cursor)).toEqual(['ann', 'bob'])
    files.cut('auth')
    files.write(login('cid'), NOON)
    expect(await look(cursor)).toEqual(['cid'])
    expect(told).toEqual([])
    files.anew('auth')
    for (const user of ['dan', 'eve', 'fay', 'gus']) files.write(login(user), NOON)
    expect(await look(cursor)).toEqual(['dan', 'eve', 'fay', 'gus'])
    expect(told).toEqual(['auth.jsonl was begun anew: its lines do not go on where the ones before ended'])
  })

  test('says which lines were removed before it came to them', async () => {
    const cursor = cursorFrom(null)
    files.write(login('ann'), NOON)
    expect(await look(cursor)).toEqual(['ann'])
    files.rotate('auth')
    for (const user of ['bob', 'cid']) files.write(login(user), NOON)
    files.rotate('auth')
    files.write(login('dan'), NOON)
    files.drop('auth')
    files.drop('auth')
    expect(await look(cursor)).toEqual(['dan'])
    expect(told).toEqual(['auth.jsonl lines 2 to 3 of the stream are missing before line 4'])
  })

  test('does not give a half line, nor tell of it, before it is whole', async () => {
    const cursor = cursorFrom(null)
    files.writeHalf(login('ann'), NOON)
    expect(await look(cursor)).toEqual([])
    files.write(login('bob'), NOON)
    expect(await look(cursor)).toEqual(['ann', 'bob'])
    expect(told).toEqual([])
  })

  test('says with the place what is broken in a file that was packed, and goes on with the next', async () => {
    files.write(login('ann'), NOON)
    files.rotate('auth')
    files.pack('auth')
    files.write(login('bob'), NOON)
    const packed = join(folder, 'auth.000000000000001.jsonl.gz')
    writeFileSync(packed, readFileSync(packed).subarray(0, -8))
    expect(await look(cursorFrom(null))).toEqual(['ann', 'bob'])
    expect(told.join()).toMatch(
      /^auth\.000000000000001\.jsonl\.gz line 2: the gzip is cut short here; what stood behind it is lost$/,
    )
  })

  test('gives lines that are none of ours where they stand, once', async () => {
    const cursor = cursorFrom(null)
    files.write(login('ann'), NOON)
    appendFileSync(join(folder, 'auth.jsonl'), 'rubbish\n')
    expect(await look(cursor)).toEqual(['ann', 'rubbish'])
    files.write(login('bob'), NOON)
    expect(await look(cursor)).toEqual(['bob'])
  })

  test('reads neither files nor parts of files that are older than what is asked for', async () => {
    files.write(login('old'), NOON)
    files.rotate('auth')
    files.pack('auth')
    const line = files.write(login('x'), NOON + 60 * MINUTE)
    const rows = Math.ceil((2 * SEEK_LEAST) / line.length)
    for (let i = 1; i < rows; i++) files.write(login(`u${i}`), NOON + (60 + i) * MINUTE)
    // Nothing could be read of it.
    writeFileSync(join(folder, 'auth.000000000000001.jsonl.gz'), 'no gzip')
    const last = NOON + (60 + rows - 1) * MINUTE
    const users = await look(cursorFrom(last))
    expect(told).toEqual([])
    expect(users.at(-1)).toBe(`u${rows - 1}`)
    expect(users.length).toBeLessThan(rows / 2)
  })
})
