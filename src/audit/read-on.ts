/** Finds a line of a stream by its number, and gives the lines from there on: out of plain files without reading what comes before. */
import { open, type FileHandle } from 'node:fs/promises'
import { AUDIT_READ_CHUNK } from '../base/audit-limits.ts'
import { readBatches, streamFiles, type FileOfStream, type StreamLine } from './stream-files.ts'
import type { Stream } from './events.ts'

const LF = 0x0a

/** A line without its LF, and its number. */
export type Numbered = { seq: number; bytes: Buffer }

/** Lines of one place after the other. */
export type Source = AsyncGenerator<Numbered[]>

const SEQ = /,"chain":\{"seq":([1-9][0-9]{0,15}),"prev":"[0-9a-f]{64}","hash":"[0-9a-f]{64}"\}\}$/
const SEQ_OCTETS = 256
/** What is looked at to learn where in a file we are: longer than any usual line. */
const PEEK = 65_536

/** Gives the number of a line, null for what is none of ours. */
export function seqOf(line: Buffer): number | null {
  const [, seq] = SEQ.exec(line.toString('latin1', Math.max(0, line.length - SEQ_OCTETS))) ?? []
  return seq === undefined ? null : Number(seq)
}

/**
 * Gives all lines that are on disk behind a number, in order. Where lines are missing it goes on with the next ones: the numbers tell.
 * Throws when a file cannot be read; ENOENT: it was rotated, packed or removed meanwhile.
 */
export async function* linesBehind(folder: string, stream: Stream, after: number): Source {
  let last = after
  for (const file of await wanted(await streamFiles(folder, stream), after)) {
    for await (const lines of file.packed ? packed(file.path, last) : plain(file.path, last)) {
      last = lines.at(-1)?.seq ?? last
      yield lines
    }
  }
}

/** The file that holds the line behind `after`, and all newer ones. */
async function wanted(files: FileOfStream[], after: number): Promise<FileOfStream[]> {
  const current = files.at(-1)
  const first = current?.first === null ? await firstOf(current.path) : null
  if (current !== undefined && first !== null && first <= after + 1) return [current]
  const holding = files.findLastIndex((file) => file.first !== null && file.first <= after + 1)
  return files.slice(Math.max(0, holding))
}

async function firstOf(path: string): Promise<number | null> {
  const file = await open(path, 'r')
  try {
    const head = await readAt(file, 0, PEEK)
    const end = head.indexOf(LF)
    return end < 0 ? null : seqOf(head.subarray(0, end))
  } finally {
    await file.close()
  }
}

async function* packed(path: string, after: number): Source {
  for await (const lines of readBatches(path)) {
    const fresh = behind(
      lines.flatMap((line: StreamLine) => (line.is === 'line' ? [line.bytes] : [])),
      after,
    )
    if (fresh.length > 0) yield fresh
  }
}

async function* plain(path: string, after: number): Source {
  const file = await open(path, 'r')
  try {
    for (let at = await startOf(file, after); ;) {
      const chunk = await readAt(file, at, AUDIT_READ_CHUNK)
      const end = chunk.lastIndexOf(LF) + 1
      // A line that is not whole yet, or one that is none of ours.
      if (end === 0 && chunk.length < AUDIT_READ_CHUNK) return
      const fresh = behind(split(chunk.subarray(0, end)), after)
      at += end === 0 ? chunk.length : end
      if (fresh.length > 0) yield fresh
    }
  } finally {
    await file.close()
  }
}

/** Halves the file until the line is near. Gives where a line begins that is not behind the wanted one. */
async function startOf(file: FileHandle, after: number): Promise<number> {
  let low = 0
  let high = (await file.stat()).size
  while (high - low > AUDIT_READ_CHUNK) {
    const middle = low + Math.floor((high - low) / 2)
    const chunk = await readAt(file, middle, PEEK)
    const begins = chunk.indexOf(LF) + 1
    const ends = chunk.indexOf(LF, begins)
    const seq = begins === 0 || ends < 0 ? null : seqOf(chunk.subarray(begins, ends))
    if (seq === null) return low
    if (seq <= after) low = middle + begins
    else high = middle
  }
  return low
}

function behind(lines: Buffer[], after: number): Numbered[] {
  return lines.flatMap((bytes) => {
    const seq = seqOf(bytes)
    return seq === null || seq <= after ? [] : [{ seq, bytes }]
  })
}

function split(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let from = 0
  for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, from)) {
    lines.push(bytes.subarray(from, end))
    from = end + 1
  }
  return lines
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  const { bytesRead } = await file.read(bytes, 0, length, at)
  return bytes.subarray(0, bytesRead)
}
