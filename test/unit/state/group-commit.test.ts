import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createWriter, type Writer } from '../../../src/state/group-commit.ts'

let folder = ''
let db: DatabaseSync
let other: DatabaseSync
let writer: Writer
const ran: string[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-commit-'))
  db = new DatabaseSync(join(folder, 'db'), { timeout: 0 })
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER PRIMARY KEY, filler BLOB)')
  other = new DatabaseSync(join(folder, 'db'), { timeout: 0 })
  ran.length = 0
  const prepare = db.prepare.bind(db)
  db.prepare = (sql) => {
    const statement = prepare(sql)
    const run = statement.run.bind(statement) as (...values: never[]) => ReturnType<typeof statement.run>
    statement.run = (...values: unknown[]) => {
      ran.push(sql)
      return run(...(values as never[]))
    }
    return statement
  }
  writer = createWriter(db)
})
afterEach(() => {
  db.close()
  other.close()
  rmSync(folder, { recursive: true, force: true })
})

const put = (n: number) => db.prepare('INSERT INTO t (n) VALUES (?)').run(n)
/** What another connection sees: committed rows alone. */
const seen = () =>
  other
    .prepare('SELECT n FROM t ORDER BY n')
    .all()
    .map((row) => row['n'])

test('what is asked for within one turn is one transaction, and is there when the promise says so', async () => {
  const all = [1, 2, 3].map((n) =>
    writer.write(() => {
      put(n)
      return n * 10
    }),
  )
  expect(seen()).toEqual([])
  expect(await Promise.all(all)).toEqual([10, 20, 30])
  expect(seen()).toEqual([1, 2, 3])
  expect(ran.filter((sql) => sql.startsWith('BEGIN'))).toHaveLength(1)
  await writer.write(() => put(4))
  expect(ran.filter((sql) => sql.startsWith('BEGIN'))).toHaveLength(2)
})

test('a job that throws takes back all its writes when it is alone, and the next one is written', async () => {
  const alone = writer.write(() => {
    put(1)
    throw new Error('no')
  })
  await expect(alone).rejects.toThrow('no')
  await writer.write(() => put(2))
  expect(seen()).toEqual([2])
})

test('a job that throws takes back its own writes alone', async () => {
  const all = await Promise.allSettled([
    writer.write(() => put(1)),
    writer.write(() => {
      put(2)
      throw new Error('mine')
    }),
    writer.write(() => put(1)),
    writer.write(() => put(3)),
  ])
  expect(all.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  expect(all[1]).toMatchObject({ reason: { message: 'mine' } })
  expect(seen()).toEqual([1, 3])
})

test('a full disk rejects, and what was not written is not reported as written', async () => {
  db.exec('PRAGMA max_page_count = 10')
  const fill = (n: number) => db.prepare('INSERT INTO t VALUES (?, zeroblob(?))').run(n, 100_000)
  const all = await Promise.allSettled([
    writer.write(() => put(1)),
    writer.write(() => fill(2)),
    writer.write(() => put(3)),
  ])
  expect(all[1]).toMatchObject({ status: 'rejected', reason: { kind: 'full' } })
  const written = all.flatMap((one, at) => (one.status === 'fulfilled' ? [at + 1] : []))
  expect(seen()).toEqual(written)
  db.exec('PRAGMA max_page_count = 100000')
  await writer.write(() => put(4))
  expect(seen()).toContain(4)
})

test('a store that another program holds is a fault for every job, and none of them happened', async () => {
  other.exec('BEGIN IMMEDIATE')
  const all = await Promise.allSettled([writer.write(() => put(1)), writer.write(() => put(2))])
  expect(all).toMatchObject([
    { status: 'rejected', reason: { kind: 'busy' } },
    { status: 'rejected', reason: { kind: 'busy' } },
  ])
  other.exec('ROLLBACK')
  expect(seen()).toEqual([])
  await writer.write(() => put(3))
  expect(seen()).toEqual([3])
})

test('a commit that fails rejects every job, and none of them happened', async () => {
  db.exec('CREATE TABLE parent (id INTEGER PRIMARY KEY)')
  db.exec('CREATE TABLE child (of INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)')
  const all = await Promise.allSettled([
    writer.write(() => put(1)),
    writer.write(() => db.prepare('INSERT INTO child VALUES (7)').run()),
  ])
  expect(all.map((one) => one.status)).toEqual(['rejected', 'rejected'])
  expect(seen()).toEqual([])
  await writer.write(() => put(2))
  expect(seen()).toEqual([2])
})

test('closing writes what is queued and refuses what comes later', async () => {
  const queued = writer.write(() => put(1))
  writer.close()
  await queued
  expect(seen()).toEqual([1])
  await expect(writer.write(() => put(2))).rejects.toMatchObject({ kind: 'closed' })
})

test('a queue without end is refused, not kept', async () => {
  const all = Array.from({ length: 10_001 }, (_, n) => writer.write(() => n))
  const last = await Promise.allSettled(all.slice(-1))
  expect(last).toMatchObject([{ status: 'rejected', reason: { kind: 'crowded' } }])
  expect(await all[9_999]).toBe(9_999)
})
