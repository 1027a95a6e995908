/**
 * Reads a stream while it is written: every line once, in order, also while its files are renamed, packed, removed, cut or begun anew.
 * What was given already is known by its number in the chain, so that no change of names can lose a line or give it twice.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AUDIT_LINE_MAX, READ_SLACK_MS, READ_TRIES_MAX } from '../base/audit-limits.ts'
import { never } from '../base/never.ts'
import type { Stream } from './events.ts'
import { placeOf, timeOf, type Place } from './recorded.ts'
import { seekTime } from './seek.ts'
import {
  currentName,
  readBatches,
  readOpened,
  streamFiles,
  type FileOfStream,
  type StreamLine,
} from './stream-files.ts'

/** Told of what cannot be read, or is not there: the name of the file, and words that follow it. */
export type Trouble = (file: string, what: string) => void

export type Cursor = {
  /** Gives all whole lines on disk that were not given yet, without their LF. Throws when the folder or a file may not be read. */
  pass(): AsyncGenerator<Buffer[]>
}

/** Where reading stands: the last line given, how far a file was read, and the rotated file read last. */
type Standing = { after: Place | null; known: { id: string; offset: number } | null; done: number }

/**
 * `begins`, `time`: number and time of its first line. `id`: that line's hash, as inodes are given to new files again, and a file that was
 * cut keeps its own.
 */
type Known = { handle: FileHandle; id: string; size: number; begins: number | null; time: string | null }

/**
 * Needs the audit's folder and from when on lines are wanted (ms since 1970; null: from the first). Lines up to five minutes older come
 * too, as a clock may have been set back. Reads nothing yet.
 */
export function createCursor(folder: string, stream: Stream, since: number | null, trouble: Trouble): Cursor {
  const at: Standing = { after: null, known: null, done: 0 }
  const from = since === null ? null : new Date(Math.max(0, since - READ_SLACK_MS)).toISOString()

  async function* once(): AsyncGenerator<Buffer[]> {
    // First the file that is written now: what is rotated after this is found under its new name too, and not read twice.
    const current = await openCurrent(join(folder, currentName(stream)))
    try {
      const rotated = (await streamFiles(folder, stream)).filter(({ first }) => first !== null)
      const older = rotated.filter(({ first }) => (first ?? 0) < (current?.begins ?? Infinity))
      for (const file of await needed(older, current)) yield* readRotated(file)
      if (current !== null) yield* readCurrent(current)
    } finally {
      await current?.handle.close()
    }
  }

  /** A file is needed when the one behind it begins later than where reading stands. */
  async function needed(files: FileOfStream[], current: Known | null): Promise<FileOfStream[]> {
    const { after } = at
    if (after === null) {
      const older = files.filter(({ first }) => (first ?? 0) > at.done)
      if (from === null) return older
      const time = current?.time ?? null
      return time !== null && time <= from ? [] : older.slice(await indexOfTime(older, from))
    }
    const next = (i: number) => files[i + 1]?.first ?? current?.begins ?? Infinity
    return files.filter(({ first }, i) => (first ?? 0) > at.done && next(i) > after.seq + 1)
  }

  async function* readRotated(file: FileOfStream): AsyncGenerator<Buffer[]> {
    if (file.packed) yield* given(readBatches(file.path), file.name, at.after !== null)
    else {
      const handle = await open(file.path, 'r')
      try {
        const { id, size } = await know(handle)
        const resumed = at.known?.id === id && at.known.offset <= size ? at.known.offset : null
        const offset = resumed ?? (await seekTime(handle, size, at.after === null ? from : null))
        yield* given(readOpened(handle, offset), file.name, resumed === null && at.after !== null)
      } finally {
        await handle.close()
      }
    }
    at.done = file.first ?? 0
  }

  async function* readCurrent({ handle, id, size, begins }: Known): AsyncGenerator<Buffer[]> {
    const name = currentName(stream)
    const resumed = at.known?.id === id && at.known.offset <= size ? at.known.offset : null
    if (resumed === null && at.after !== null && (begins ?? Infinity) <= at.after.seq) {
      if (!(await holds(handle, at.after))) {
        trouble(name, 'was begun anew: its lines do not go on where the ones before ended')
        Object.assign(at, { after: null, done: 0 })
      }
    }
    const isFirst = at.after === null && at.known === null
    const offset = resumed ?? (await seekTime(handle, size, isFirst ? from : null))
    const counted = { octets: offset }
    at.known = { id, offset }
    yield* given(readOpened(handle, offset), null, resumed === null && at.after !== null, counted)
    at.known = { id, offset: counted.octets }
  }

  /** Gives the whole lines, less those given before when `skip`. `name` is null for a file whose last line may be in the writing. */
  async function* given(
    batches: AsyncGenerator<StreamLine[]>,
    name: string | null,
    skip: boolean,
    counted = { octets: 0 },
  ): AsyncGenerator<Buffer[]> {
    const shown = name ?? currentName(stream)
    const passed = skip ? at.after : null
    let passing = passed === null
    for await (const batch of batches) {
      const lines: Buffer[] = []
      for (const line of batch) {
        if (line.is === 'line') {
          counted.octets += line.bytes.length + 1
          if (!passing) passing = (placeOf(line.bytes)?.seq ?? 0) > (passed?.seq ?? 0)
          if (passing) lines.push(line.bytes)
        } else if (line.is !== 'half-line' || name !== null) {
          trouble(shown, wordsFor(line))
          if (line.is === 'too-long') counted.octets += line.octets + 1
        }
      }
      if (lines.length === 0) continue
      follow(lines, shown)
      yield lines
    }
  }

  /** Remembers where reading stands, and tells of numbers that are not there. */
  function follow(lines: Buffer[], shown: string): void {
    const last = placeOf(lines.at(-1) ?? Buffer.alloc(0))
    const { after } = at
    at.after = last ?? after
    if (after === null || last?.seq === after.seq + lines.length) return
    let expected = after.seq + 1
    for (const line of lines) {
      const seq = placeOf(line)?.seq
      if (seq === undefined) continue
      if (seq > expected) trouble(shown, `lines ${expected} to ${seq - 1} of the stream are missing before line ${seq}`)
      expected = Math.max(expected, seq + 1)
    }
  }

  return {
    async *pass() {
      for (let tries = 1; ; tries++) {
        try {
          yield* once()
          return
        } catch (error) {
          // Renamed, packed or removed since the folder was listed.
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries >= READ_TRIES_MAX) throw error
          await stat(folder)
        }
      }
    },
  }
}

function wordsFor(line: StreamLine): string {
  switch (line.is) {
    case 'line':
      return `line ${line.number} is whole`
    case 'half-line':
      return `line ${line.number} has no end`
    case 'too-long':
      return `line ${line.number} is longer than any of ours, and left out`
    case 'damaged':
      return `line ${line.number}: ${line.detail}; what stood behind it is lost`
    default:
      return never(line)
  }
}

async function openCurrent(path: string): Promise<Known | null> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  })
  if (handle === null) return null
  try {
    return await know(handle)
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function know(handle: FileHandle): Promise<Known> {
  const { ino, size } = await handle.stat()
  const line = (await firstLine(readOpened(handle, 0))) ?? Buffer.alloc(0)
  const place = placeOf(line)
  return { handle, id: place?.hash ?? `inode ${ino}`, size, begins: place?.seq ?? null, time: timeOf(line) }
}

async function firstLine(batches: AsyncGenerator<StreamLine[]>): Promise<Buffer | null> {
  for await (const batch of batches) {
    for (const line of batch) if (line.is === 'line') return line.bytes
  }
  return null
}

/** The newest file that begins before that time; the oldest where none does. */
async function indexOfTime(files: FileOfStream[], from: string): Promise<number> {
  for (let i = files.length - 1; i > 0; i--) {
    const line = await firstLine(readBatches(files[i]?.path ?? ''))
    const time = line === null ? null : timeOf(line)
    if (time !== null && time <= from) return i
  }
  return 0
}

/** Tells whether that very line stands in the file. */
async function holds(handle: FileHandle, place: Place): Promise<boolean> {
  for await (const batch of readOpened(handle, 0)) {
    for (const line of batch) {
      const found = line.is === 'line' && line.bytes.length <= AUDIT_LINE_MAX ? placeOf(line.bytes) : null
      if (found?.seq === place.seq) return found.hash === place.hash
    }
  }
  return false
}
