import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { chain, GENESIS, type Head } from '../../../src/audit/chain.ts'
import { bodyOf } from '../../../src/audit/line.ts'
import { verifyStream, type VerifyOptions } from '../../../src/audit/verify.ts'
import { AUDIT_LINE_MAX } from '../../../src/base/audit-limits.ts'
import { LOGIN } from '../../support/audit-events.ts'

let folder: string
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'postern-'))))
afterEach(() => rm(folder, { recursive: true }))

const login = (user: string) => bodyOf({ ...LOGIN, user } as typeof LOGIN, 0)

function stream(lines: number, from: Head = GENESIS): string[] {
  let head = from
  return Array.from({ length: lines }, (_, n) => {
    const next = chain(login(`user-${n + 1}`), head)
    head = next.head
    return next.line
  })
}

async function verify(lines: string[], options?: VerifyOptions) {
  const file = join(folder, 'auth.jsonl')
  await writeFile(file, lines.join(''))
  return verifyStream([{ path: file, first: null }], options)
}

/** Ten lines, with line 5 (user-5) sealed again after a change. */
function resealed(): string[] {
  const lines = stream(10)
  const { chain: link } = JSON.parse(lines[3] ?? '') as { chain: { seq: number; hash: string } }
  const forged = chain(login('mallory'), { seq: link.seq, prev: link.hash }).line
  return lines.with(4, forged)
}

describe('a stream', () => {
  test('as it was written is whole, and its end can be noted elsewhere', async () => {
    const lines = stream(10)
    const { hash } = (JSON.parse(lines[9] ?? '') as { chain: { hash: string } }).chain
    expect(await verify(lines, { stream: 'auth' })).toMatchObject({
      at: 'whole',
      lines: 10,
      head: { seq: 10, prev: hash },
    })
  })

  test('that is empty is whole', async () => {
    expect(await verify([])).toMatchObject({ at: 'whole', lines: 0, head: GENESIS })
  })

  test('that goes on from another file is whole only from there', async () => {
    const from = { seq: 41, prev: 'ab'.repeat(32) }
    expect(await verify(stream(3, from), { from })).toMatchObject({ at: 'whole', head: { seq: 44 } })
    expect(await verify(stream(3, from))).toMatchObject({ at: 'broken', line: 1, kind: 'removed' })
  })
})

describe('found, with the right line named:', () => {
  test('an edited line', async () => {
    const lines = stream(10)
    expect(await verify(lines.with(4, (lines[4] ?? '').replace('user-5', 'user-6')))).toMatchObject({
      line: 5,
      kind: 'edited',
    })
  })

  test('an edited line whose hash was made anew', async () => {
    expect(await verify(resealed())).toMatchObject({ line: 5, kind: 'recomputed' })
  })

  test('a first line that goes on from nowhere', async () => {
    expect(await verify(stream(3, { seq: 0, prev: 'f'.repeat(64) }))).toMatchObject({ line: 1, kind: 'recomputed' })
  })

  test('a removed line', async () => {
    expect(await verify(stream(10).toSpliced(4, 1))).toMatchObject({ line: 5, kind: 'removed' })
  })

  test('a removed beginning', async () => {
    expect(await verify(stream(10).slice(3))).toMatchObject({ line: 1, kind: 'removed' })
  })

  test('an inserted copy of an earlier line', async () => {
    const lines = stream(10)
    expect(await verify(lines.toSpliced(6, 0, lines[2] ?? ''))).toMatchObject({ line: 7, kind: 'inserted' })
  })

  test('an inserted line of free invention', async () => {
    expect(await verify(stream(10).toSpliced(6, 0, '{"event":{"action":"login-succeeded"}}\n'))).toMatchObject({
      line: 7,
      kind: 'edited',
    })
  })

  test('two lines that changed places', async () => {
    const lines = stream(10)
    const [fifth = '', sixth = ''] = lines.slice(4)
    expect(await verify(lines.with(4, sixth).with(5, fifth))).toMatchObject({
      line: 5,
      kind: 'reordered',
      detail: 'number 5 belongs here and is line 6',
    })
  })

  test('a half line at the end', async () => {
    const lines = stream(10)
    expect(await verify(lines.with(9, (lines[9] ?? '').slice(0, -1)))).toMatchObject({ line: 10, kind: 'half-line' })
  })

  test('the lines of another stream under this name', async () => {
    expect(await verify(stream(3), { stream: 'session' })).toMatchObject({ line: 1, kind: 'swapped' })
  })

  test('a line larger than any of ours, without holding it in memory', async () => {
    const huge = 'x'.repeat(AUDIT_LINE_MAX * 8)
    expect(await verify([...stream(2), huge])).toMatchObject({ line: 3, kind: 'edited' })
  })
})

test('a file that is not there is an error, not a whole stream', async () => {
  await expect(verifyStream([{ path: join(folder, 'none.jsonl'), first: null }])).rejects.toThrow('ENOENT')
})
