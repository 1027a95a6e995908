/** The lines of a stretch of time, for commands that read and end. */
import { open } from 'node:fs/promises'
import { READ_SLACK_MS, READ_TRIES_MAX, SEEK_LEAST } from '../base/audit-limits.ts'
import type { Stream } from './events.ts'
import { createCursor, type Trouble } from './cursor.ts'
import { createFilter, type Wanted } from './filter.ts'
import { mergeByTime, type Merged } from './merge.ts'
import { timeOf } from './recorded.ts'
import { readBatches, readOpened, streamFiles, type FileOfStream } from './stream-files.ts'

/** Gives the lines of one stream that are asked for, in its order. Of files that lie outside the time nothing is read. */
export async function* readWanted(
  folder: string,
  stream: Stream,
  wanted: Wanted,
  trouble: Trouble,
): AsyncGenerator<Buffer[]> {
  const { since = null, until = null } = wanted
  const isWanted = createFilter(wanted)
  const end = until === null ? null : new Date(until + READ_SLACK_MS).toISOString()
  for await (const lines of createCursor(folder, stream, since, trouble).pass()) {
    yield lines.filter(isWanted)
    const time = timeOf(lines[0] ?? Buffer.alloc(0))
    if (end !== null && time !== null && time > end) return
  }
}

/** Gives those of several streams by their times. */
export function readMerged(
  folder: string,
  streams: readonly Stream[],
  wanted: Wanted,
  trouble: Trouble,
): AsyncGenerator<Merged[]> {
  return mergeByTime(new Map(streams.map((stream) => [stream, readWanted(folder, stream, wanted, trouble)])))
}

/** Gives the last `count` lines that are asked for, by their times. Reads from the end, no further than it must. */
export async function lastLines(
  folder: string,
  streams: readonly Stream[],
  wanted: Wanted,
  count: number,
): Promise<Merged[]> {
  const isWanted = createFilter(wanted)
  const found = new Map<Stream, AsyncIterable<Buffer[]>>()
  for (const stream of streams) {
    found.set(stream, once(await lastOfStream(folder, stream, isWanted, count)))
  }
  const all: Merged[] = []
  for await (const batch of mergeByTime(found)) all.push(...batch)
  return all.slice(-count)
}

async function* once(lines: Buffer[]): AsyncGenerator<Buffer[]> {
  yield await Promise.resolve(lines)
}

async function lastOfStream(
  folder: string,
  stream: Stream,
  isWanted: (line: Buffer) => boolean,
  count: number,
): Promise<Buffer[]> {
  for (let tries = 1; ; tries++) {
    try {
      let lines: Buffer[] = []
      for (const file of (await streamFiles(folder, stream)).toReversed()) {
        if (lines.length >= count) break
        lines = [...(await lastOf(file, isWanted, count - lines.length)), ...lines]
      }
      return lines
    } catch (error) {
      // Rotated or packed since the folder was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries >= READ_TRIES_MAX) throw error
    }
  }
}

/** The last mebibyte first, then all of the file. */
async function lastOf(file: FileOfStream, isWanted: (line: Buffer) => boolean, count: number): Promise<Buffer[]> {
  if (file.packed) return ringOf(readBatches(file.path), isWanted, count)
  const handle = await open(file.path, 'r')
  try {
    const { size } = await handle.stat()
    if (size > SEEK_LEAST) {
      const near = await ringOf(readOpened(handle, size - SEEK_LEAST), isWanted, count, 1)
      if (near.length >= count) return near
    }
    return await ringOf(readOpened(handle, 0), isWanted, count)
  } finally {
    await handle.close()
  }
}

async function ringOf(
  batches: ReturnType<typeof readBatches>,
  isWanted: (line: Buffer) => boolean,
  count: number,
  skipped = 0,
): Promise<Buffer[]> {
  let kept: Buffer[] = []
  for await (const batch of batches) {
    const lines = batch.flatMap((line) => (line.is === 'line' && line.number > skipped ? [line.bytes] : []))
    const wanted = lines.filter(isWanted)
    if (wanted.length > 0) kept = [...kept, ...wanted].slice(-count)
  }
  return kept
}
