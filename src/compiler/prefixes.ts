/**
 * Builds the sorted ranges that the gate searches. Where entries overlap, the narrowest names the place. An entry that
 * runs out must not take the wider entries around it along, so each place links to the next wider one that lives longer.
 */
import { LIST_INDEX_LEAST } from '../base/gate-limits.ts'
import type { CompiledList } from '../gate/verdict.ts'
import type { ListEntry } from './list-file.ts'

/** A list file that was read: its name as verdicts print it, and its entries. */
export type NamedList = { name: string; entries: readonly ListEntry[] }

/** Addresses as numbers: plain ones for IPv4, as bigints are several times slower, and bigints for IPv6. */
type Numbers<N> = { family: 4 | 6; read: (words: readonly number[]) => N; after: (one: N) => N }
type Numbered<N> = { from: N; behind: N; width: N; file: number; line: number; until: number; order: number }
type Piece<N> = { from: N; behind: N; place: number }
type Places = { file: number[]; line: number[]; until: number[]; next: number[]; known: Map<string, number> }

const IPV4: Numbers<number> = { family: 4, read: (words) => words[0] ?? 0, after: (one) => one + 1 }
const IPV6: Numbers<bigint> = {
  family: 6,
  read: (words) => words.reduce((value, word) => (value << 32n) | BigInt(word), 0n),
  after: (one) => one + 1n,
}

/** Needs any number of lists; gives one compiled list of them all. Takes O(n log n) for nested networks. */
export function compileLists(lists: readonly NamedList[]): CompiledList {
  const places: Places = { file: [], line: [], until: [], next: [], known: new Map() }
  const v4 = cutIntoPieces(entriesOf(lists, IPV4), places)
  const v6 = cutIntoPieces(entriesOf(lists, IPV6), places)
  const v4From = Uint32Array.from(v4, (piece) => piece.from)
  return {
    v4From,
    v4To: Uint32Array.from(v4, (piece) => piece.behind - 1),
    v4Place: Uint32Array.from(v4, (piece) => piece.place),
    v4Index: indexOf16(v4From),
    v6From: Uint32Array.from(v6.flatMap((piece) => toWords(piece.from))),
    v6To: Uint32Array.from(v6.flatMap((piece) => toWords(piece.behind - 1n))),
    v6Place: Uint32Array.from(v6, (piece) => piece.place),
    placeFile: Uint16Array.from(places.file),
    placeLine: Uint32Array.from(places.line),
    placeUntil: Float64Array.from(places.until),
    placeNext: Int32Array.from(places.next),
    files: lists.map((list) => list.name),
  }
}

/** See {@link CompiledList.v4Index}: with it a search looks at the few ranges of one /16 instead of at all. */
function indexOf16(from: Uint32Array): Uint32Array {
  if (from.length < LIST_INDEX_LEAST) return new Uint32Array(0)
  const index = new Uint32Array(65_537)
  let before = 0
  for (let block = 0; block <= 65_536; block++) {
    while (before < from.length && (from[before] ?? 0) < block * 65_536) before++
    index[block] = before
  }
  return index
}

function entriesOf<N extends number | bigint>(lists: readonly NamedList[], numbers: Numbers<N>): Numbered<N>[] {
  const entries: Numbered<N>[] = []
  for (const [file, list] of lists.entries()) {
    for (const { range, line, until } of list.entries) {
      if (range.family !== numbers.family) continue
      const from = numbers.read(range.from)
      const to = numbers.read(range.to)
      const width = (to - from) as N
      const behind = numbers.after(to)
      entries.push({ from, behind, width, file, line, until, order: entries.length })
    }
  }
  return entries
}

/** Walks over all starts and ends in order, keeping the entries that cover the present stretch, narrowest first. */
function cutIntoPieces<N extends number | bigint>(entries: Numbered<N>[], places: Places): Piece<N>[] {
  const starts = entries.toSorted((a, b) => order(a.from, b.from))
  const ends = entries.toSorted((a, b) => order(a.behind, b.behind))
  const covering: Numbered<N>[] = []
  const pieces: Piece<N>[] = []
  let started = 0
  let ended = 0
  for (;;) {
    const from = sooner(starts[started]?.from, ends[ended]?.behind)
    if (from === undefined) return pieces
    for (let entry = ends[ended]; entry?.behind === from; entry = ends[++ended]) {
      covering.splice(indexOf(covering, entry), 1)
    }
    for (let entry = starts[started]; entry?.from === from; entry = starts[++started]) {
      covering.splice(indexOf(covering, entry), 0, entry)
    }
    const behind = sooner(starts[started]?.from, ends[ended]?.behind)
    const place = placeOf(covering, places)
    if (place !== -1 && behind !== undefined) append(pieces, { from, behind, place })
  }
}

function sooner<N extends number | bigint>(a: N | undefined, b: N | undefined): N | undefined {
  return a !== undefined && (b === undefined || a < b) ? a : b
}

/** Neighbours of one place become one piece again. */
function append<N extends number | bigint>(pieces: Piece<N>[], piece: Piece<N>): void {
  const last = pieces.at(-1)
  if (last?.place === piece.place && last.behind === piece.from) last.behind = piece.behind
  else pieces.push(piece)
}

/** Gives the place of the narrowest entry, linked to each wider one that outlives those before it; -1 for none. */
function placeOf<N>(covering: readonly Numbered<N>[], places: Places): number {
  const chain: Numbered<N>[] = []
  let lives = -Infinity
  for (const entry of covering) {
    if (entry.until > lives) chain.push(entry)
    lives = Math.max(lives, entry.until)
    if (lives === Infinity) break
  }
  return chain.reduceRight((next, entry) => intern(entry, next, places), -1)
}

function intern<N>(entry: Numbered<N>, next: number, places: Places): number {
  const key = `${entry.file} ${entry.line} ${next}`
  const known = places.known.get(key)
  if (known !== undefined) return known
  const place = places.file.length
  places.known.set(key, place)
  places.file.push(entry.file)
  places.line.push(entry.line)
  places.until.push(entry.until)
  places.next.push(next)
  return place
}

/** Where an entry stands, or belongs, among the covering ones: narrow before wide, then as written. */
function indexOf<N extends number | bigint>(covering: readonly Numbered<N>[], entry: Numbered<N>): number {
  let low = 0
  let high = covering.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = covering[middle]
    if (other !== undefined && isBefore(other, entry)) low = middle + 1
    else high = middle
  }
  return low
}

function isBefore<N extends number | bigint>(a: Numbered<N>, b: Numbered<N>): boolean {
  return a.width === b.width ? a.order < b.order : a.width < b.width
}

function order<N extends number | bigint>(a: N, b: N): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function toWords(value: bigint): number[] {
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffffffffn))
}
