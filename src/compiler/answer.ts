/**
 * What the keeper takes from the compiler. The compiler has read strangers' bytes and may have been taken over: its lists go
 * to processes that search them at every connection, so an array that would lead a search astray, or in a circle, is refused.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { FEED_BODY_MAX, FEED_NOTE_MAX, LIST_FAULTS_MAX } from '../base/gate-limits.ts'
import { LIST_ENTRIES_MAX, LIST_FILES_MAX } from '../base/limits.ts'
import type { CompiledList } from '../gate/verdict.ts'
import type { Made } from './job.ts'

const words = z.instanceof(Uint32Array)
const count = z.int().min(0).max(LIST_ENTRIES_MAX)
const line = z.int().nonnegative()
const fault = z.object({ line, column: line, message: z.string().max(1_000) })
const covers = z.array(z.enum(['IPv4', 'IPv6'])).max(2)
const validator = z.string().max(FEED_NOTE_MAX).nullable()

const list = z.strictObject({
  v4From: words,
  v4To: words,
  v4Place: words,
  v4Index: words,
  v6From: words,
  v6To: words,
  v6Place: words,
  placeFile: z.instanceof(Uint16Array),
  placeLine: words,
  placeUntil: z.instanceof(Float64Array),
  placeNext: z.instanceof(Int32Array),
  files: z.array(z.string().max(4_096)).max(LIST_FILES_MAX),
})

const feed = z.strictObject({ entries: count, bad: line, firstBad: line, covers })

const report = z.strictObject({
  unreadable: fault.nullable(),
  faults: z.array(fault).max(LIST_FAULTS_MAX),
  ends: z.strictObject({ line, until: z.number() }).nullable(),
})

const made = z.discriminatedUnion('at', [
  z.strictObject({ at: z.literal('lists'), list, covers, reports: z.array(report).max(LIST_FILES_MAX) }),
  z.strictObject({ at: z.literal('feed'), list, feed }),
  z.strictObject({
    at: z.literal('fetched'),
    list,
    feed,
    body: z.instanceof(Uint8Array).refine((body) => body.length <= FEED_BODY_MAX),
    digest: z.string().length(64),
    etag: validator,
    lastModified: validator,
  }),
  z.strictObject({ at: z.literal('not-modified') }),
  z.strictObject({ at: z.literal('failed'), reason: z.string().max(1_000) }),
])

/** Needs what arrived and how many answers are due; gives them, or null when the compiler did not send such. */
export async function readAnswers(raw: unknown, due: number): Promise<Made[] | null> {
  const read = z.array(made).length(due).safeParse(raw)
  if (!read.success) return null
  for (const one of read.data) if ('list' in one && !(await isSound(one.list))) return null
  return read.data
}

/** So many rows are looked at in one go: under a millisecond, also by code that has just been loaded. */
const ROWS = 8_192

async function isSound(one: CompiledList): Promise<boolean> {
  const { v4From, v4To, v4Place, v6From, v6To, v6Place, placeFile, placeLine, placeUntil, placeNext, files } = one
  const v4 = v4From.length
  const v6 = v6Place.length
  const places = placeFile.length
  const lengths = [v4To.length - v4, v4Place.length - v4, v6From.length - v6 * 4, v6To.length - v6 * 4]
  const others = [placeLine.length - places, placeUntil.length - places, placeNext.length - places]
  if ([...lengths, ...others].some((difference) => difference !== 0)) return false
  return (
    // Next ones lie before: no chain of places leads in a circle.
    (await every(places, (i) => (placeFile[i] ?? 0) < files.length && (placeNext[i] ?? i) < i)) &&
    (await every(v4, (i) => (v4Place[i] ?? places) < places && inOrder(v4From, v4To, 1, i))) &&
    (await every(v6, (i) => (v6Place[i] ?? places) < places && inOrder(v6From, v6To, 4, i))) &&
    (await isIndex(one.v4Index, v4From))
  )
}

async function every(rows: number, holds: (row: number) => boolean): Promise<boolean> {
  for (let row = 0; row < rows; row++) {
    if (row > 0 && row % ROWS === 0) await nextTurn()
    if (!holds(row)) return false
  }
  return true
}

/** The range starts behind the one before and does not run backwards. */
function inOrder(from: Uint32Array, to: Uint32Array, words: number, i: number): boolean {
  const before = i === 0 ? -1 : compareAt(to, i - 1, from, i, words)
  return before < 0 && compareAt(from, i, to, i, words) <= 0
}

function compareAt(a: Uint32Array, i: number, b: Uint32Array, j: number, words: number): number {
  for (let word = 0; word < words; word++) {
    const difference = (a[i * words + word] ?? 0) - (b[j * words + word] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** Each figure is the number of ranges that start before its block: those before start lower, those behind do not. */
async function isIndex(index: Uint32Array, from: Uint32Array): Promise<boolean> {
  if (index.length === 0) return true
  if (index.length !== 65_537) return false
  return every(index.length, (block) => {
    const before = index[block] ?? 0
    const start = block * 65_536
    return before <= from.length && (from[before - 1] ?? -1) < start && (from[before] ?? Infinity) >= start
  })
}
