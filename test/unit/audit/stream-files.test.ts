import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseName, readLines, rotatedName, streamFiles, type StreamLine } from '../../../src/audit/stream-files.ts'
import { AUDIT_LINE_MAX, AUDIT_READ_CHUNK } from '../../../src/base/audit-limits.ts'

let folder: string
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'postern-'))))
afterEach(() => rm(folder, { recursive: true }))

async function read(name: string, bytes: Buffer | string): Promise<StreamLine[]> {
  await writeFile(join(folder, name), bytes)
  const lines: StreamLine[] = []
  for await (const line of readLines(join(folder, name))) lines.push(line)
  return lines
}

const texts = (lines: StreamLine[]) =>
  lines.map((line) => ('bytes' in line ? `${line.is}:${String(line.bytes)}` : line.is))

describe('the files of a stream', () => {
  test('come oldest first, the current one last, and nothing else with them', async () => {
    const names = [
      'auth.jsonl',
      'auth.000000000000100.jsonl',
      'auth.000000000000009.jsonl.gz',
      'auth.000000000000001.jsonl.gz',
      'session.jsonl',
      'auth.000000000000009.jsonl.gz.part',
      'auth.9.jsonl',
      'README',
    ]
    for (const name of names) await writeFile(join(folder, name), '')
    expect((await streamFiles(folder, 'auth')).map(({ name, first, packed }) => [name, first, packed])).toEqual([
      ['auth.000000000000001.jsonl.gz', 1, true],
      ['auth.000000000000009.jsonl.gz', 9, true],
      ['auth.000000000000100.jsonl', 100, false],
      ['auth.jsonl', null, false],
    ])
    expect(await streamFiles(folder, 'access')).toEqual([])
  })

  test('that a crash left plain and packed come once, plain', async () => {
    for (const end of ['', '.gz']) await writeFile(join(folder, `${rotatedName('auth', 7)}${end}`), '')
    expect((await streamFiles(folder, 'auth')).map(({ name }) => name)).toEqual(['auth.000000000000007.jsonl'])
  })

  test('of a folder that is not there are an error, not none', async () => {
    await expect(streamFiles(join(folder, 'none'), 'auth')).rejects.toThrow('ENOENT')
  })

  test.each(['auth.jsonl.gz', 'mail.jsonl', 'auth.0000000000000001.jsonl', 'xauth.jsonl', 'auth.jsonl\n'])(
    '%j is no name of ours',
    (name) => {
      expect(parseName('/x', name)).toBe(null)
    },
  )
})

describe.each(['auth.jsonl', 'auth.000000000000001.jsonl.gz'])('the lines of %s', (name) => {
  const pack = (bytes: Buffer | string) => (name.endsWith('.gz') ? gzipSync(bytes) : bytes)

  test('come whole and numbered, also across the chunks that are read', async () => {
    const long = 'x'.repeat(AUDIT_READ_CHUNK * 0.9)
    const lines = await read(name, pack(`one\n\n${long}\n${long}\nfive\n`))
    expect(texts(lines)).toEqual(['line:one', 'line:', `line:${long}`, `line:${long}`, 'line:five'])
    expect(lines.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5])
  })

  test('end in a half one that is said to be one', async () => {
    expect(texts(await read(name, pack('one\ntwo')))).toEqual(['line:one', 'half-line:two'])
  })

  test('that are too long are not held, and what comes behind is read', async () => {
    const long = 'x'.repeat(AUDIT_LINE_MAX + 1)
    expect(await read(name, pack(`one\n${long}\nthree\n${long}${long}`))).toMatchObject([
      { is: 'line', number: 1 },
      { is: 'too-long', number: 2 },
      { is: 'line', number: 3 },
      { is: 'too-long', number: 4 },
    ])
  })

  test('of an empty file are none', async () => {
    expect(await read(name, pack(''))).toEqual([])
  })
})

describe('a gzip', () => {
  const packed = gzipSync(Array.from({ length: 30_000 }, (_, n) => `line ${n} ${Math.sin(n)}\n`).join(''))
  const name = 'auth.000000000000001.jsonl.gz'

  test.each([
    ['within its data', packed.length >> 1],
    ['within its trailer', packed.length - 3],
    ['within its header', 5],
    ['to nothing', 0],
  ])('that is cut short %s gives what it holds and says where it ends', async (_, length) => {
    const lines = await read(name, packed.subarray(0, length))
    const last = lines.at(-1)
    expect(last).toMatchObject({ is: 'damaged', detail: 'the gzip is cut short here' })
    const held = lines.filter((line) => line.is === 'line')
    expect(last?.number).toBe(held.length + 1)
    if (length > 5) expect(held.length).toBeGreaterThan(10_000)
  })

  test('that is broken in the middle is said to be broken, behind the lines before that place', async () => {
    const broken = Buffer.from(packed)
    broken.fill(0xff, packed.length - 2_000, packed.length - 1_900)
    const lines = await read(name, broken)
    expect(lines.at(-1)).toMatchObject({ is: 'damaged', detail: expect.stringContaining('the gzip is broken here') })
    expect(lines.filter((line) => line.is === 'line').length).toBeGreaterThan(10_000)
  })

  test('that is none, or has something behind it, is damaged', async () => {
    expect((await read(name, 'plain text\n')).at(-1)).toMatchObject({ is: 'damaged', number: 1 })
    await writeFile(join(folder, name), packed)
    await appendFile(join(folder, name), 'more')
    const lines: StreamLine[] = []
    for await (const line of readLines(join(folder, name))) lines.push(line)
    expect(lines.at(-1)).toMatchObject({ is: 'damaged' })
  })
})
