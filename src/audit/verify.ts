/** Reads the files of one stream, or copies of them on another machine, and proves that its chain is whole and its seals hold. */
import type { Beginnings, Stream } from './events.ts'
import { GENESIS, isOf, linkOf, type Head, type Link } from './chain.ts'
import { createSealWatch, type SealWatch } from './seal-watch.ts'
import type { SealCheck } from './seal-proof.ts'
import { readBatches, type StreamLine } from './stream-files.ts'

/**
 * `edited`: a line does not fit its own hash. `recomputed`: it does, but not the hash that the next line, a seal or a note elsewhere has
 * of it: edited, and the hashes made anew. `removed`: lines before this one are gone. `cut-tail`: lines behind this one are gone.
 * `reordered`: the line that belongs here stands further down. `inserted`: a number that was there already. `replayed`: the same for a
 * whole file. `swapped`: the file of another stream or another time. `forged-seal`: a seal by other keys than ours. `unsealed`: there
 * should be a seal by now. `half-line`: the last line has no end. `damaged`: a gzip that is cut short or broken. `unknown-version`.
 */
export type BreakKind =
  | 'edited'
  | 'recomputed'
  | 'removed'
  | 'cut-tail'
  | 'reordered'
  | 'inserted'
  | 'replayed'
  | 'swapped'
  | 'forged-seal'
  | 'unsealed'
  | 'half-line'
  | 'damaged'
  | 'unknown-version'

/** `line` is 1-based; 0: the file as a whole. */
export type Break = { path: string; line: number; kind: BreakKind; detail: string }

/**
 * `begin`: the first line that is there, and what it says of the one before. `head`: where the chain stands behind the last line.
 * `sealed`: the last line that a proven seal covers, and when that was made.
 */
export type Whole = {
  at: 'whole'
  lines: number
  begin: { seq: number; prev: string }
  head: Head
  sealed: { seq: number; at: string } | null
}
export type Verified = Whole | ({ at: 'broken' } & Break)

export type VerifyOptions = {
  /** Where the chain stands before the first line; `anywhere`: where the first line says. */
  from?: Head | 'anywhere'
  /** What stream the lines must be of. */
  stream?: Stream
  /** Proves seals; without it they are lines like others. */
  seals?: SealCheck
  /** Hashes of lines by number, as they were noted elsewhere. */
  noted?: ReadonlyMap<number, string>
  /** They are a part of a stream that was cut out of its files: see `verify-export.ts`. */
  part?: boolean
  /** The last file is being written: it may end in half a line. */
  live?: boolean
  /** Told of octets that were read. */
  read?: (path: string, octets: number) => void
  /** Told of lines that say what was removed. */
  removed?: (begins: Beginnings) => void
}

/** A file and the number that its name says of its first line; null where the name says none. */
export type FileToVerify = { path: string; first: number | null }

/**
 * Reads the files in this order, once (and a rest once more, to tell reordered from removed), in bounded memory. Names the first break
 * only: what stands behind one proves nothing. Throws when a file cannot be read.
 */
export async function verifyStream(files: readonly FileToVerify[], options: VerifyOptions = {}): Promise<Verified> {
  const { from = GENESIS } = options
  const state: State = {
    head: from === 'anywhere' ? null : from,
    begin: null,
    lines: 0,
    last: null,
    seals: createSealWatch(options.seals ?? null, from !== 'anywhere' && from.seq === 0, options.part === true),
  }
  for (const file of files) {
    const found = await verifyFile(file, state, options, files)
    if (found !== null) return { at: 'broken', ...found }
  }
  return atTheEnd(state, files, options)
}

type State = {
  head: Head | null
  begin: { seq: number; prev: string } | null
  lines: number
  /** Where the last line stands. */
  last: { path: string; line: number } | null
  seals: SealWatch
}

async function verifyFile(
  file: FileToVerify,
  state: State,
  options: VerifyOptions,
  files: readonly FileToVerify[],
): Promise<Break | null> {
  const isLast = file === files.at(-1)
  let inFile = 0
  for await (const batch of readBatches(file.path)) {
    let octets = 0
    for (const line of batch) {
      if (line.is === 'half-line' && isLast && options.live === true) continue
      const found = judge(line, inFile === 0, file, state, options)
      if (found !== null) return await located(found, file, state, files)
      octets += 'bytes' in line ? line.bytes.length + 1 : 0
      inFile = line.number
      state.last = { path: file.path, line: line.number }
    }
    options.read?.(file.path, octets)
  }
  return null
}

function judge(
  line: StreamLine,
  isFirst: boolean,
  { path, first }: FileToVerify,
  state: State,
  options: VerifyOptions,
): Break | null {
  const broken = (kind: BreakKind, detail: string): Break => ({ path, line: line.number, kind, detail })
  if (line.is === 'damaged') return broken('damaged', line.detail)
  if (line.is === 'too-long') return broken('edited', 'the line is longer than any of ours')
  if (line.is === 'half-line') return broken('half-line', 'the line has no end')
  const link = linkOf(line.bytes)
  if (link === null) {
    const nul = line.bytes.includes(0) ? ' and holds NUL octets' : ''
    return broken('edited', `the line does not fit its own hash${nul}`)
  }
  const { stream } = options
  if (isFirst && stream !== undefined && !isOf(line.bytes, stream))
    return broken('swapped', `the line is not of the stream ${stream}`)
  if (isFirst && first !== null && link.seq !== first)
    return broken('swapped', `the file begins with number ${link.seq}, and its name says ${first}`)
  const place = follow(link, isFirst && state.lines > 0, state, broken)
  if (place !== null) return place
  const noted = options.noted?.get(link.seq)
  if (noted !== undefined && noted !== link.hash)
    return broken('recomputed', `number ${link.seq} was noted elsewhere with another hash`)
  state.begin ??= { seq: link.seq, prev: link.prev }
  state.lines++
  state.head = { seq: link.seq, prev: link.hash }
  const seal = state.seals.take(line.bytes, link, { path, line: line.number }, options.removed)
  return seal === null ? null : { ...broken(seal.kind, seal.detail) }
}

type Broken = (kind: BreakKind, detail: string) => Break

/** Whether the line follows the one before. */
function follow(link: Link, opensFile: boolean, state: State, broken: Broken): Break | null {
  const { head, last } = state
  if (head === null) return null
  const expected = head.seq + 1
  if (link.seq < expected)
    return opensFile
      ? broken('replayed', `the file begins with number ${link.seq}, which the files before it hold already`)
      : broken('inserted', `number ${link.seq} was there already`)
  if (link.seq > expected) {
    const gone = `numbers ${expected} to ${link.seq - 1} are gone`
    // Each file that was rotated ends in a seal: one that does not was cut.
    if (opensFile && last !== null && state.seals.isProving && !state.seals.endsInSeal())
      return { ...last, kind: 'cut-tail', detail: gone }
    return broken('removed', gone)
  }
  if (link.prev === head.prev) return null
  const detail = 'the hash of this line fits, but the next line knows another'
  return last === null ? broken('recomputed', detail) : { ...last, kind: 'recomputed', detail }
}

/** Tells lines and files that were moved from lines that are gone. */
async function located(
  found: Break,
  { path, first }: FileToVerify,
  { head }: State,
  files: readonly FileToVerify[],
): Promise<Break> {
  if (found.kind === 'swapped' && found.line === 1 && first !== null && first === (head?.seq ?? 0) + 1) {
    for (const other of files) if (other.path !== path && (await beginsWith(other.path, first))) return found
    return { ...found, kind: 'removed', detail: `numbers from ${first} on are gone: ${found.detail}` }
  }
  if (found.kind !== 'removed' || head === null || found.path !== path) return found
  const moved = await lineOfNumber(path, found.line, head.seq + 1)
  if (moved === null) return found
  return { ...found, kind: 'reordered', detail: `number ${head.seq + 1} belongs here and is line ${moved}` }
}

async function beginsWith(path: string, seq: number): Promise<boolean> {
  for await (const [line] of readBatches(path)) return line?.is === 'line' && linkOf(line.bytes)?.seq === seq
  return false
}

async function lineOfNumber(path: string, after: number, seq: number): Promise<number | null> {
  for await (const batch of readBatches(path)) {
    const found = batch.find((line) => line.number > after && line.is === 'line' && linkOf(line.bytes)?.seq === seq)
    if (found !== undefined) return found.number
  }
  return null
}

function atTheEnd(state: State, files: readonly FileToVerify[], options: VerifyOptions): Verified {
  const { head, begin, last, lines, seals } = state
  const place = last ?? { path: files.at(-1)?.path ?? '', line: 0 }
  const stands = head ?? GENESIS
  const most = Math.max(0, ...(options.noted?.keys() ?? []))
  if (most > stands.seq) {
    const detail = `numbers ${stands.seq + 1} to ${most} are gone: the last one was noted elsewhere`
    return { at: 'broken', ...place, kind: 'cut-tail', detail }
  }
  const late = seals.late()
  if (late !== null) return { at: 'broken', ...late.place, kind: 'unsealed', detail: late.detail }
  return {
    at: 'whole',
    lines,
    begin: begin ?? { seq: stands.seq + 1, prev: stands.prev },
    head: stands,
    sealed: seals.sealed(),
  }
}

/** Gives a break in one line, as compilers name places. */
export function wordsOf({ path, line, kind, detail }: Break): string {
  return `${line === 0 ? path : `${path}:${line}`}: ${kind}: ${detail}`
}
