import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { exportAudit, type Manifest } from '../../../src/audit/export.ts'
import { tarHeader } from '../../../src/audit/tar.ts'
import { denied, LOGIN } from '../../support/audit-events.ts'
import { auditFiles, type Written } from '../../support/audit-stream.ts'

const NOON = Date.UTC(2026, 10, 21, 12)
const DAY = 86_400_000

let place: string
let folder: string
let files: Written
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'postern-'))
  folder = join(place, 'audit')
  mkdirSync(folder)
  files = auditFiles(folder)
})
afterEach(() => {
  rmSync(place, { recursive: true })
})

const login = (user: string): AuditEvent => ({ ...LOGIN, user }) as AuditEvent
const out = () => join(place, 'out.tgz')

async function exported(user: string | null = null): Promise<{ manifest: Manifest; text: (name: string) => string }> {
  const told: string[] = []
  const manifest = await exportAudit({ folder, since: NOON - DAY, until: NOON + DAY, user, out: out() }, (file, what) =>
    told.push(`${file} ${what}`),
  )
  expect(told).toEqual([])
  // The system's own tar reads it.
  const text = (name: string) =>
    execFileSync('tar', ['-xzOf', out(), `postern-audit-2026-11-20/${name}`], { maxBuffer: 1e8 }).toString()
  return { manifest, text }
}

describe('an export', () => {
  test('holds the lines of the time byte for byte, over all files of each stream, and says what they are', async () => {
    files.write(login('too early'), NOON - 2 * DAY)
    files.rotate('auth')
    const first = files.write(login('ann'), NOON)
    files.rotate('auth')
    files.pack('auth')
    const second = files.write(login('bob'), NOON + 1)
    files.write(login('too late'), NOON + DAY)
    const access = files.write(denied('192.0.2.1'), NOON)
    const { manifest, text } = await exported()
    expect(text('auth.jsonl')).toBe(`${first}\n${second}\n`)
    expect(text('access.jsonl')).toBe(`${access}\n`)
    expect(text('admin.jsonl')).toBe('')
    expect(JSON.parse(text('manifest.json'))).toEqual(manifest)
    const [, auth] = manifest.streams
    expect(auth).toMatchObject({ name: 'auth.jsonl', lines: 2, first: { seq: 2 }, last: { seq: 3 }, complete: true })
    expect(auth?.sha256).toBe(createHash('sha256').update(text('auth.jsonl')).digest('hex'))
    expect(auth?.last?.prev).toBe(auth?.first?.hash)
    expect(manifest.anchors).toEqual([])
  })

  test('of one user says that its chain proves less, and how to prove more', async () => {
    for (const user of ['ann', 'bob', 'ann']) files.write(login(user), NOON)
    const { manifest, text } = await exported('ann')
    expect(manifest.streams[1]).toMatchObject({ lines: 2, complete: false })
    expect(text('auth.jsonl')).not.toContain('bob')
    expect(text('README.txt')).toMatch(/cannot be seen from this archive/)
    expect(text('README.txt')).toMatch(/To prove it, export the same time without --user/)
  })

  test('is the same bytes each time, of mode 0600, and leaves nothing else behind', async () => {
    files.write(login('ann'), NOON)
    await exported()
    const bytes = readFileSync(out())
    expect(statSync(out()).mode & 0o777).toBe(0o600)
    rmSync(out())
    await exported()
    expect(readFileSync(out()).equals(bytes)).toBe(true)
    expect(readdirSync(place).sort()).toEqual(['audit', 'out.tgz'])
  })

  test('never takes the place of a file, and leaves it as it was', async () => {
    writeFileSync(out(), 'mine')
    await expect(exported()).rejects.toMatchObject({ code: 'EEXIST' })
    expect(readFileSync(out(), 'utf8')).toBe('mine')
    expect(readdirSync(place).sort()).toEqual(['audit', 'out.tgz'])
  })

  test('says when lines are missing in between', async () => {
    files.write(login('ann'), NOON)
    files.rotate('auth')
    files.write(login('bob'), NOON)
    files.rotate('auth')
    files.write(login('cid'), NOON)
    rmSync(join(folder, 'auth.000000000000002.jsonl'))
    const manifest = await exportAudit(
      { folder, since: NOON - DAY, until: NOON + DAY, user: null, out: out() },
      () => undefined,
    )
    expect(manifest.streams[1]).toMatchObject({ lines: 2, complete: false })
    expect(manifest.troubles).toEqual(['auth.jsonl: lines 2 to 2 of the stream are missing before line 3'])
  })

  test('names the anchors that the lines speak of', async () => {
    const line = JSON.stringify({
      '@timestamp': new Date(NOON).toISOString(),
      event: { action: 'audit-key-made' },
      postern: { anchor: 'AbC' },
    })
    writeFileSync(join(folder, 'admin.jsonl'), `${line}\n`)
    const { manifest } = await exported()
    expect(manifest.anchors).toEqual(['AbC'])
  })
})

test('a size that octal digits cannot hold is written in binary', () => {
  const header = tarHeader('x', 8 ** 11, 0)
  expect(header[124]).toBe(0x80)
  expect(header.readBigUInt64BE(128)).toBe(8n ** 11n)
})
