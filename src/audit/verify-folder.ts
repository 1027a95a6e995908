/** Proves all streams of an audit folder, or some files of one: a copy elsewhere, a part that was handed over. */
import { basename, dirname } from 'node:path'
import { notedOf, type Notes } from './anchors.ts'
import { GENESIS, isOf, linkOf } from './chain.ts'
import { STREAMS, type Beginnings, type Stream } from './events.ts'
import { createSealCheck } from './seal-proof.ts'
import { parseName, readLines, streamFiles } from './stream-files.ts'
import { verifyStream, type Break, type FileToVerify, type Verified, type VerifyOptions, type Whole } from './verify.ts'

/** `part`: of a stream, as an export has it. */
export type Report = { stream: Stream; files: string[]; part?: true; verified: Verified }

export type FolderOptions = {
  /** Anchors and heads that are trusted; null: the chain alone is proven. */
  notes: Notes | null
  /** The folder is being written. */
  live: boolean
  read?: VerifyOptions['read']
}

/**
 * Needs a folder. A stream need not begin with its first line where a line of the admin stream, proven before, says that older files
 * gave way. A folder that is rotated meanwhile is read anew. Throws when it cannot be read or holds no stream.
 */
export async function verifyFolder(folder: string, options: FolderOptions): Promise<Report[]> {
  for (let left = TRIES; ; left--) {
    const before = await listing(folder)
    if (before === '') throw new Error(`${folder}: there is no audit stream in it`)
    const reports = await verifyOnce(folder, options).catch((error: unknown) => {
      if (left > 0 && (error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    })
    const broken = reports === null || reports.some(({ verified }) => verified.at === 'broken')
    const changed = options.live && left > 0 && (await listing(folder)) !== before
    if (reports !== null && !(broken && changed)) return reports
  }
}

/** A busy folder is rotated once in a while, not at every reading. */
const TRIES = 3

async function listing(folder: string): Promise<string> {
  const all = await Promise.all(STREAMS.map((stream) => streamFiles(folder, stream)))
  return all.flat().map(({ name }) => name).join(' ') // prettier-ignore
}

async function verifyOnce(folder: string, { notes, live, read }: FolderOptions): Promise<Report[]> {
  const seals = notes === null ? null : createSealCheck(notes.anchors)
  let begins: Beginnings = {}
  const removed = (said: Beginnings) => (begins = { ...begins, ...said })
  const reports: Report[] = []
  // Admin first: it says what gave way in the others.
  for (const stream of ['admin', 'auth', 'session', 'access'] as const) {
    const files = await streamFiles(folder, stream)
    if (files.length === 0 && (notes === null || notedOf(notes, stream).size === 0)) continue
    const verified = await verifyStream(files, {
      stream,
      live,
      removed,
      from: await beginningOf(files),
      ...(read === undefined ? {} : { read }),
      ...(notes === null ? {} : { noted: notedOf(notes, stream) }),
      ...(seals === null ? {} : { seals }),
    })
    const gap = verified.at === 'whole' ? gapOf(verified, files[0], begins[stream]) : null
    reports.push({
      stream,
      files: files.map(({ path }) => path),
      verified: gap === null ? verified : { at: 'broken', ...gap },
    })
  }
  return reports
}

/** A stream that begins later is read from where it says, and must be excused for that. */
async function beginningOf(files: readonly FileToVerify[]): Promise<'anywhere' | typeof GENESIS> {
  for (const { path } of files) {
    const first = await firstLine(path)
    if (first !== null) return (linkOf(first)?.seq ?? 1) === 1 ? GENESIS : 'anywhere'
  }
  return GENESIS
}

async function firstLine(path: string): Promise<Buffer | null> {
  for await (const line of readLines(path)) return line.is === 'line' ? line.bytes : null
  return null
}

function gapOf(whole: Whole, first: FileToVerify | undefined, said: Beginnings[Stream]): Break | null {
  const { seq, prev } = whole.begin
  if (seq === 1 || whole.lines === 0) return null
  const place = { path: first?.path ?? '', line: 1 }
  // One that was to be removed and is still there is no gap: a crash can come between.
  if (said !== undefined && (seq < said.seq || (seq === said.seq && prev === said.prev))) return null
  const from = said?.seq ?? 1
  const detail = `numbers ${from} to ${seq - 1} are gone, and no line of the admin stream says that they gave way`
  if (said !== undefined && seq === said.seq)
    return { ...place, kind: 'recomputed', detail: 'the admin stream knows another hash of the line before this one' }
  return { ...place, kind: 'removed', detail }
}

/**
 * Needs paths of files, under any names, of one or several streams. Gives a report for each stream; what is before their first line and
 * behind their last one is not asked. Throws for a file that cannot be read or holds no line of ours at its start.
 */
export async function verifyFiles(paths: readonly string[], { notes, read }: FolderOptions): Promise<Report[]> {
  const found: { stream: Stream; begins: number; file: FileToVerify }[] = []
  for (const path of paths) {
    const line = await firstLine(path)
    const stream = line === null ? undefined : STREAMS.find((one) => isOf(line, one))
    const named = parseName(dirname(path), basename(path))
    if (line === null || (stream === undefined && named === null))
      throw new Error(`${path}: it does not begin with a line of an audit stream`)
    const begins = linkOf(line)?.seq ?? named?.first ?? 1
    found.push({ stream: named?.stream ?? stream ?? 'admin', begins, file: { path, first: named?.first ?? null } })
  }
  const seals = notes === null ? null : createSealCheck(notes.anchors)
  const reports: Report[] = []
  for (const stream of STREAMS) {
    const files = found.filter((one) => one.stream === stream).toSorted((a, b) => a.begins - b.begins)
    if (files.length === 0) continue
    const verified = await verifyStream(
      files.map(({ file }) => file),
      {
        stream,
        from: files[0]?.begins === 1 ? GENESIS : 'anywhere',
        ...(read === undefined ? {} : { read }),
        ...(seals === null ? {} : { seals }),
        ...(notes === null ? {} : { noted: within(notedOf(notes, stream), files.at(-1)?.file) }),
      },
    )
    reports.push({ stream, files: files.map(({ file }) => file.path), verified })
  }
  return reports
}

/** Of a file that was rotated, what was noted later stands in others. */
function within(noted: ReadonlyMap<number, string>, last: FileToVerify | undefined): ReadonlyMap<number, string> {
  return last?.first === null ? noted : new Map()
}
