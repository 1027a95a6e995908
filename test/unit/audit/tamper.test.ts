import { cp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Notes } from '../../../src/audit/anchors.ts'
import { chain, type Head } from '../../../src/audit/chain.ts'
import { unpackKeys, makeSeal } from '../../../src/audit/seal-keys.ts'
import { verifyFiles, verifyFolder } from '../../../src/audit/verify-folder.ts'
import type { Heads } from '../../../src/audit/upkeep.ts'
import { LOGIN } from '../../support/audit-events.ts'
import { openWorld, quickFolder } from '../../support/journal-world.ts'

/**
 * A history of six intervals, made once: three files of auth (the first two rotated, the first of them packed), seals in each. What an
 * intruder finds at the end of it: all files, and the keys of that moment.
 */
let history: string
let notes: Notes
let keys: Buffer
let noted: Heads
let work: string

const OLD = 'auth.000000000000001.jsonl.gz'
const MIDDLE = 'auth.000000000000013.jsonl'
const NOW = 'auth.jsonl'

beforeAll(async () => {
  history = await quickFolder()
  const world = await openWorld(history, { size: 1, every: 1e15, keep: 1e15, max: 1e15 })
  for (let interval = 0; interval < 6; interval++) {
    world.journal.use({ size: interval % 2 === 1 && interval < 5 ? 1 : 1e15, every: 1e15, keep: 1e15, max: 1e15 })
    for (let n = 0; n < 5; n++) world.journal.write({ ...LOGIN, user: `user-${interval}-${n}` } as typeof LOGIN)
    await world.passes(60_000)
  }
  await world.packed(OLD)
  notes = { anchors: [world.journal.anchor() ?? Buffer.alloc(0)], heads: [] }
  keys = world.keys()
  noted = world.journal.heads()
  await world.journal.close()
})
afterAll(() => rm(history, { recursive: true }))
beforeEach(async () => {
  work = await quickFolder()
  await cp(join(history, 'audit'), work, { recursive: true })
})
afterEach(() => rm(work, { recursive: true }))

const at = (name: string) => join(work, name)
const lines = async (name: string) => (await readFile(at(name), 'utf8')).split('\n').slice(0, -1)
const put = (name: string, all: readonly string[]) => writeFile(at(name), all.map((line) => `${line}\n`).join(''))
type Changed = (all: string[]) => string[]
const change = async (name: string, how: Changed) => put(name, how(await lines(name)))

/** What is found in the stream auth: `whole`, or kind and place. */
async function found(with_: Partial<Notes> = {}): Promise<string> {
  const reports = await verifyFolder(work, { notes: { ...notes, ...with_ }, live: false })
  const other = reports.filter(({ stream, verified }) => stream !== 'auth' && verified.at === 'broken')
  expect(other).toEqual([])
  const verified = reports.find(({ stream }) => stream === 'auth')?.verified
  if (verified?.at !== 'broken') return verified?.at ?? 'none'
  return `${verified.kind} ${verified.path.slice(work.length + 1)}:${verified.line}`
}

/** Makes the chain anew from the line of that index on; lines that hold a seal keep it. */
function rechained(all: string[], from: number): string[] {
  const out = all.slice(0, from)
  let head: Head | null = null
  for (const line of all.slice(from)) {
    const { chain: link, ...body } = JSON.parse(line) as { chain: { seq: number; prev: string } }
    const next = chain(JSON.stringify(body), head ?? { seq: link.seq - 1, prev: link.prev })
    head = next.head
    out.push(next.line.trimEnd())
  }
  return out
}

const isSeal = (line: string) => line.includes('"action":"audit-sealed"')

test('the history is whole, sealed to its end, and so is each of its files by itself', async () => {
  expect(await found()).toBe('whole')
  for (const name of [OLD, MIDDLE, NOW]) {
    const [report] = await verifyFiles([at(name)], { notes, live: false })
    expect(report?.verified).toMatchObject({
      at: 'whole',
      sealed: { seq: report?.verified.at === 'whole' ? report.verified.head.seq : 0 },
    })
  }
})

describe('found, with the right line named:', () => {
  test.each<[string, Changed, string]>([
    ['an edited line', (all) => all.with(3, (all[3] ?? '').replace('user-2', 'user-9')), `edited ${MIDDLE}:4`],
    ['an inserted line', (all) => all.toSpliced(3, 0, all[1] ?? ''), `inserted ${MIDDLE}:4`],
    ['a line of free invention', (all) => all.toSpliced(3, 0, '{"event":{}}'), `edited ${MIDDLE}:4`],
    ['a removed line', (all) => all.toSpliced(3, 1), `removed ${MIDDLE}:4`],
    [
      'two lines that changed places',
      (all) => all.with(3, all[4] ?? '').with(4, all[3] ?? ''),
      `reordered ${MIDDLE}:4`,
    ],
    ['a cut tail of a rotated file', (all) => all.slice(0, -2), `cut-tail ${MIDDLE}:10`],
    ['a cut beginning of a file', (all) => all.slice(1), `removed ${MIDDLE}:1`],
    ['an edited line, its hash made anew', (all) => rechained(all.with(3, (all[3] ?? '').replace('user-2', 'user-9')), 3).slice(0, 4).concat(all.slice(4)), `recomputed ${MIDDLE}:4`], // prettier-ignore
  ])('%s', async (_, how, expected) => {
    await change(MIDDLE, how)
    expect(await found()).toBe(expected)
  })

  test('a line that holds NULs, one of 10 MB, and a half one at the end', async () => {
    await change(NOW, (all) => all.with(2, `${'\0'.repeat(100)}`))
    expect(await found()).toBe(`edited ${NOW}:3`)
    await change(NOW, (all) => all.with(1, 'x'.repeat(10_000_000)))
    expect(await found()).toBe(`edited ${NOW}:2`)
  })

  test('a half line at the end', async () => {
    const text = await readFile(at(NOW))
    await truncate(at(NOW), text.length - 10)
    expect(await found()).toMatch(/^half-line auth\.jsonl:\d+$/)
  })

  test('a gzip cut short', async () => {
    const { length } = await readFile(at(OLD))
    await truncate(at(OLD), length - 20)
    expect(await found()).toMatch(/^damaged auth\.0+1\.jsonl\.gz:\d+$/)
  })

  test('a removed file', async () => {
    await rm(at(MIDDLE))
    expect(await found()).toBe(`removed ${NOW}:1`)
  })

  test('a removed oldest file, when nothing says that it gave way', async () => {
    await rm(at(OLD))
    expect(await found()).toBe(`removed ${MIDDLE}:1`)
  })

  test('two files that changed places', async () => {
    await rename(at(MIDDLE), at('x'))
    await rename(at(NOW), at(MIDDLE))
    await rename(at('x'), at(NOW))
    expect(await found()).toBe(`swapped ${MIDDLE}:1`)
  })

  test('the file of another stream', async () => {
    await cp(at('session.jsonl'), at(NOW))
    expect(await found()).toBe(`swapped ${NOW}:1`)
  })

  test('an old file put in the place of the one that is written', async () => {
    await cp(at(MIDDLE), at(NOW))
    expect(await found()).toBe(`replayed ${NOW}:1`)
  })

  test('a tail cut at a line end, by what was noted elsewhere', async () => {
    await change(NOW, (all) => all.slice(0, -3))
    const last = (await lines(NOW)).length
    expect(await found()).toBe('whole')
    const head = noted.auth ?? { seq: 0, prev: '' }
    expect(await found({ heads: [{ stream: 'auth', seq: head.seq, hash: head.prev }] })).toBe(`cut-tail ${NOW}:${last}`)
  })
})

describe('with the keys of the last moment in hand', () => {
  /** Seals with the stolen keys, as if the interval were that one. */
  function resealed(line: string, interval: number): string {
    const { chain: link, ...body } = JSON.parse(line) as {
      '@timestamp': string
      chain: { seq: number; prev: string }
      postern: { seal: unknown }
    }
    const sealed = { stream: 'auth', seq: link.seq, prev: link.prev, at: body['@timestamp'] } as const
    const seal = { ...makeSeal(unpackKeys(keys), sealed, true), interval }
    return chain(JSON.stringify({ ...body, postern: { ...body.postern, seal } }), {
      seq: link.seq - 1,
      prev: link.prev,
    }).line.trimEnd()
  }

  test('an edit with the whole chain made anew behind it shows at the seal behind it', async () => {
    const all = await lines(MIDDLE)
    const seal = all.findIndex(isSeal)
    await put(MIDDLE, rechained(all.with(1, (all[1] ?? '').replace('user-2', 'user-9')), 1))
    expect(await found()).toBe(`recomputed ${MIDDLE}:${seal + 1}`)
  })

  test('and a seal forged over it, it shows there too', async () => {
    const before = await lines(MIDDLE)
    const all = rechained(before.with(1, (before[1] ?? '').replace('user-2', 'user-9')), 1)
    const seal = all.findIndex(isSeal)
    const { interval } = (JSON.parse(all[seal] ?? '') as { postern: { seal: { interval: number } } }).postern.seal
    await put(MIDDLE, rechained(all.with(seal, resealed(all[seal] ?? '', interval)), seal + 1))
    expect(await found()).toBe(`forged-seal ${MIDDLE}:${seal + 1}`)
  })

  test('what was sealed cannot be cut away and gone on from: the seals between are missed', async () => {
    const all = await lines(NOW)
    const first = all.findIndex(isSeal)
    const cut = all.slice(0, first)
    const { chain: link } = JSON.parse(cut.at(-1) ?? '') as { chain: { seq: number; hash: string } }
    const sealed = { stream: 'auth', seq: link.seq + 1, prev: link.hash, at: '2027-01-31T12:00:00.000Z' } as const
    const seal = makeSeal(unpackKeys(keys), sealed, true)
    const body = JSON.stringify({
      '@timestamp': sealed.at,
      event: { action: 'audit-sealed', dataset: 'postern.auth' },
      postern: { seal },
    })
    await put(NOW, [...cut, chain(body, { seq: link.seq, prev: link.hash }).line.trimEnd()])
    expect(await found()).toBe(`cut-tail ${NOW}:${cut.length + 1}`)
  })

  test('leaving the seals away shows: lines of ten minutes must have one', async () => {
    const all = (await lines(NOW)).filter((line) => !isSeal(line))
    const late = (all.at(-1) ?? '').replace(/^\{"@timestamp":"[^"]+"/, '{"@timestamp":"2028-01-01T00:00:00.000Z"')
    const { chain: link } = JSON.parse(all[0] ?? '') as { chain: { seq: number; prev: string } }
    let head: Head = { seq: link.seq - 1, prev: link.prev }
    const made = [...all.slice(0, -1), late].map((line) => {
      const { chain: _, ...body } = JSON.parse(line) as { chain: unknown }
      const next = chain(JSON.stringify(body), head)
      head = next.head
      return next.line.trimEnd()
    })
    await put(NOW, made)
    expect(await found()).toBe(`unsealed ${NOW}:1`)
  })

  test('a line that poses as one of the audit, with anything in it, is a forged seal and no crash', async () => {
    const all = await lines(NOW)
    const seal = all.findIndex(isSeal)
    for (const body of [
      '"postern":{}',
      '"postern":null',
      '"postern":{"seal":null}',
      '"postern":{"seal":{}}',
      '"a":[',
    ]) {
      const poses = `{"@timestamp":"x","event":{"action":"audit-sealed","dataset":"postern.auth"},${body}}`
      const { chain: link } = JSON.parse(all[seal] ?? '') as { chain: { seq: number; prev: string } }
      const { line } = chain(poses, { seq: link.seq - 1, prev: link.prev })
      await put(NOW, [...all.slice(0, seal), line.trimEnd()])
      expect(await found()).toMatch(new RegExp(`^(forged-seal|unknown-version) ${NOW}:${seal + 1}$`))
    }
  })

  test('a seal of a version of tomorrow is said to be one', async () => {
    const all = await lines(NOW)
    const seal = all.findIndex(isSeal)
    await put(NOW, rechained(all.with(seal, (all[seal] ?? '').replace('"version":1', '"version":2')), seal))
    expect(await found()).toBe(`unknown-version ${NOW}:${seal + 1}`)
  })
})
