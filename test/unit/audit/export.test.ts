import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { exportAudit, type Manifest } from '../../../src/audit/export.ts'
import { anchorId } from '../../../src/audit/seal-proof.ts'
import type { Notes } from '../../../src/audit/anchors.ts'
import { tarHeader } from '../../../src/audit/tar.ts'
import { verifyExport } from '../../../src/audit/verify-export.ts'
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

  test('names the anchor of its seals as `audit key` prints it', async () => {
    const anchor = Buffer.alloc(32, 7)
    const seal = (id: string) =>
      JSON.stringify({ '@timestamp': new Date(NOON).toISOString(), event: { action: 'audit-sealed' }, postern: { seal: { anchor: id } } }) // prettier-ignore
    writeFileSync(join(folder, 'admin.jsonl'), `${seal(anchorId(anchor))}\n${seal('0123456789abcdef')}\n`)
    const options = { folder, since: NOON - DAY, until: NOON + DAY, user: null, out: out(), anchor }
    const { anchors } = await exportAudit(options, () => undefined)
    expect(anchors).toEqual(['0123456789abcdef', anchor.toString('base64url')])
  })

  test('is proven as the part of the streams that it is: no more is asked, and no less', async () => {
    files.write(login('too early'), NOON - 2 * DAY)
    const hashes = ['ann', 'bob', 'cid', 'too late'].map((user, i) => JSON.parse(files.write(login(user), NOON + (i === 3 ? DAY : i))) as { chain: { hash: string } }) // prettier-ignore
    const notes: Notes = { anchors: [], heads: hashes.map(({ chain: { hash } }, i) => ({ stream: 'auth', seq: 2 + i, hash })) } // prettier-ignore
    await exported()
    execFileSync('tar', ['-xzf', out(), '-C', place])
    const unpacked = join(place, 'postern-audit-2026-11-20')
    const verdict = async (with_: Notes | null = notes) => {
      const reports = await verifyExport(unpacked, { notes: with_, live: false })
      const auth = reports.find(({ stream }) => stream === 'auth')?.verified
      return auth?.at === 'broken' ? auth.kind : auth?.lines
    }
    expect(await verdict()).toBe(3)
    expect(await verdict(null)).toBe(3)
    const other = notes.heads.map((head) => ({ ...head, hash: 'f'.repeat(64) }))
    expect(await verdict({ ...notes, heads: other })).toBe('recomputed')
    const auth = join(unpacked, 'auth.jsonl')
    const lines = readFileSync(auth, 'utf8').split('\n')
    writeFileSync(auth, `${lines.slice(0, 2).join('\n')}\n`)
    expect(await verdict(null)).toBe('cut-tail')
    writeFileSync(auth, `${lines.slice(1, 3).join('\n')}\n`)
    expect(await verdict(null)).toBe('removed')
  })

  test('of one user is not taken for one that can be proven', async () => {
    files.write(login('ann'), NOON)
    await exported('ann')
    execFileSync('tar', ['-xzf', out(), '-C', place])
    const unpacked = join(place, 'postern-audit-2026-11-20')
    await expect(verifyExport(unpacked, { notes: null, live: false })).rejects.toThrow(/lines of one user/)
    await expect(verifyExport(folder, { notes: null, live: false })).rejects.toThrow(/no manifest.json of an export/)
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
