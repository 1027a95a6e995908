/** Where a stream stands, read from its files at the start. */
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AUDIT_LINE_MAX } from '../base/audit-limits.ts'
import { GENESIS, isOf, linkOf, type Head } from './chain.ts'
import type { Stream } from './events.ts'
import { currentName, readBatches, streamFiles } from './stream-files.ts'

const LF = 0x0a

/**
 * Needs the open current file and its size. Gives how many octets of it are whole lines, and the head behind them; an empty file goes on
 * where the newest rotated one ends. Throws a line that names the file when the last whole line is not as Postern wrote it.
 */
export async function findEnd(
  handle: FileHandle,
  folder: string,
  stream: Stream,
  size: number,
): Promise<{ whole: number; head: Head }> {
  const path = join(folder, currentName(stream))
  const start = Math.max(0, size - 2 * AUDIT_LINE_MAX)
  const tail = await readAt(handle, start, size - start)
  const end = tail.lastIndexOf(LF)
  if (end < 0 && start === 0) return { whole: 0, head: await endOfRotated(folder, stream) }
  const before = end > 0 ? tail.lastIndexOf(LF, end - 1) : -1
  if (end < 0 || (before < 0 && start > 0))
    throw await fault(path, `holds no line within its last ${tail.length} octets`)
  const line = tail.subarray(before + 1, end)
  const link = linkOf(line)
  if (link === null) throw await fault(path, 'is not as Postern wrote it')
  if (!isOf(line, stream)) throw await fault(path, 'belongs to another stream')
  return { whole: start + end + 1, head: { seq: link.seq, prev: link.hash } }
}

/** The last line of the newest rotated file; of a damaged one, the last that can be read: what is gone is for `audit verify` to say. */
async function endOfRotated(folder: string, stream: Stream): Promise<Head> {
  const newest = (await streamFiles(folder, stream)).filter(({ first }) => first !== null).at(-1)
  let head = GENESIS
  if (newest === undefined) return head
  for await (const lines of readBatches(newest.path)) {
    const last = lines.findLast((line) => line.is === 'line')
    const link = last?.is === 'line' ? linkOf(last.bytes) : null
    if (link !== null) head = { seq: link.seq, prev: link.hash }
  }
  return head
}

const TIME = /^\{"@timestamp":"([^"]{20,30})"/

/** Needs the current file, which holds whole lines up to `whole` octets, the last one being `head`. Gives number and time of the first. */
export async function firstOf(
  handle: FileHandle,
  path: string,
  head: Head,
  whole: number,
): Promise<{ first: number; began: number | null }> {
  const start = await readAt(handle, 0, Math.min(whole, AUDIT_LINE_MAX))
  const line = start.subarray(0, Math.max(0, start.indexOf(LF)))
  const time = Date.parse(TIME.exec(line.toString('latin1', 0, 64))?.[1] ?? '')
  const began = Number.isNaN(time) ? null : time
  const link = linkOf(line)
  // A first line that somebody changed does not stop the writing: the name is then counted from the end.
  return { first: link?.seq ?? Math.max(1, head.seq + 1 - (await countLines(path))), began }
}

/**
 * Looks `back` octets back from the end for the line of that number. Gives its hash, or null when it is not within.
 */
export async function hashOf(
  handle: Pick<FileHandle, 'read'>,
  whole: number,
  seq: number,
  back: number,
): Promise<string | null> {
  const start = Math.max(0, whole - back)
  const tail = await readAt(handle, start, whole - start)
  for (let end = tail.lastIndexOf(LF); end >= 0;) {
    const before = end > 0 ? tail.lastIndexOf(LF, end - 1) : -1
    const link = linkOf(tail.subarray(before + 1, end))
    if (link?.seq === seq) return link.hash
    if (link === null || link.seq < seq) return null
    end = before
  }
  return null
}

async function readAt(handle: Pick<FileHandle, 'read'>, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, start + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

async function fault(path: string, what: string): Promise<Error> {
  const line = Math.max(1, await countLines(path))
  return new Error(
    `${path}:${line}: the last line ${what}; keep the file as evidence, move it out of the folder, start again`,
  )
}

async function countLines(path: string): Promise<number> {
  let lines = 0
  for await (const batch of readBatches(path)) lines += batch.filter((line) => line.is !== 'half-line').length
  return lines
}
