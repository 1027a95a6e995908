/**
 * The files of a stream and the lines in them. `auth.jsonl` is written now; `auth.000000000000042.jsonl` was, and begins with line 42
 * of the stream; the same with `.gz` behind was packed since. Names sort by age, also where an operator sorts them.
 */
import { createReadStream } from 'node:fs'
import { open, readdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { constants, crc32, createGunzip } from 'node:zlib'
import { AUDIT_LINE_MAX, AUDIT_READ_CHUNK } from '../base/audit-limits.ts'
import { STREAMS, type Stream } from './events.ts'

const LF = 0x0a
const SEQ_DIGITS = 15
const ROTATED = /^([a-z]+)\.([0-9]{15})\.jsonl(\.gz)?$/

/** `first`: the number of its first line; null for the file that is written now, which may be empty. */
export type FileOfStream = { stream: Stream; path: string; name: string; first: number | null; packed: boolean }

/** Gives the name of a stream's current file. */
export function currentName(stream: Stream): string {
  return `${stream}.jsonl`
}

/** Gives the name that a file gets when it is rotated; `first` is the number of its first line. */
export function rotatedName(stream: Stream, first: number): string {
  return `${stream}.${String(first).padStart(SEQ_DIGITS, '0')}.jsonl`
}

/** Tells what a file name in an audit folder stands for; null for one that is none of ours. */
export function parseName(folder: string, name: string): FileOfStream | null {
  const path = join(folder, name)
  for (const stream of STREAMS) {
    if (name === currentName(stream)) return { stream, path, name, first: null, packed: false }
  }
  const [, word, seq, gz] = ROTATED.exec(name) ?? []
  const stream = STREAMS.find((one) => one === word)
  return stream === undefined ? null : { stream, path, name, first: Number(seq), packed: gz !== undefined }
}

/**
 * Gives a stream's files, oldest first, the current one last. Where a crash left a file both plain and packed, the plain one alone
 * is given. A file may be rotated or packed between this answer and its opening (ENOENT): ask again then. Throws when the folder
 * cannot be read.
 */
export async function streamFiles(folder: string, stream: Stream): Promise<FileOfStream[]> {
  const all = (await readdir(folder)).map((name) => parseName(folder, name)).filter((one) => one?.stream === stream)
  const byAge = all
    .filter((one) => one !== null)
    .sort((a, b) => ageOf(a) - ageOf(b) || Number(a.packed) - Number(b.packed))
  return byAge.filter((one, i) => one.first === null || one.first !== byAge[i - 1]?.first)
}

const ageOf = ({ first }: FileOfStream) => first ?? Infinity

/**
 * One line of a file; `number` is 1-based, `bytes` are without the LF and stay valid. `half-line`: the file ends within it (as it
 * does while it is written). `too-long`: more than AUDIT_LINE_MAX octets, not held; reading goes on behind it. `damaged`: the gzip
 * is cut short or broken in this line, and nothing comes behind.
 */
export type StreamLine =
  | { is: 'line' | 'half-line'; number: number; bytes: Buffer }
  | { is: 'too-long'; number: number; octets: number }
  | { is: 'damaged'; number: number; detail: string }

/** Reads one file, plain or packed by its name, in bounded memory. Throws when it cannot be read. */
export async function* readLines(path: string): AsyncGenerator<StreamLine> {
  for await (const lines of readBatches(path)) yield* lines
}

/** The same, all lines of a chunk at once: an await for each line would cost more than its hash. */
export async function* readBatches(path: string): AsyncGenerator<StreamLine[]> {
  const splitter = createSplitter()
  try {
    for await (const chunk of path.endsWith('.gz') ? unpacked(path) : plain(path)) yield splitter.take(chunk)
  } catch (error) {
    if (!(error instanceof DamagedGzip)) throw error
    yield [{ is: 'damaged', number: splitter.lines() + 1, detail: error.message }]
    return
  }
  yield splitter.end()
}

/** Reads a plain file that is open already, whatever its name is by now, from an octet at which a line begins. Closes nothing. */
export async function* readOpened(handle: FileHandle, from: number): AsyncGenerator<StreamLine[]> {
  const splitter = createSplitter()
  for (let at = from; ;) {
    const bytes = Buffer.allocUnsafeSlow(AUDIT_READ_CHUNK)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, at)
    if (bytesRead === 0) break
    at += bytesRead
    yield splitter.take(bytes.subarray(0, bytesRead))
  }
  yield splitter.end()
}

class DamagedGzip extends Error {}

function plain(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: AUDIT_READ_CHUNK }) as AsyncIterable<Buffer>
}

/** CRC-32 and length of what was packed (RFC 1952 section 2.3.1): zlib does not tell a cut end from a good one while flushing. */
const TRAILER = 8
/** What comes before a broken place within so many octets is lost. */
const UNPACKED_CHUNK = 65_536

async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const trailer = await trailerOf(path)
  // SYNC_FLUSH gives all that a cut file still holds; the low mark (unknown to the types), all that comes before a broken place.
  const low = { readableHighWaterMark: 1 }
  const gunzip = createGunzip({ ...low, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: UNPACKED_CHUNK })
  const source = createReadStream(path, { highWaterMark: AUDIT_READ_CHUNK })
  source.on('error', (error) => gunzip.destroy(error))
  source.pipe(gunzip)
  let crc = 0
  let length = 0
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      crc = crc32(chunk, crc)
      length += chunk.length
      yield chunk
    }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    throw code.startsWith('Z_') ? new DamagedGzip(`the gzip is broken here: ${message}`) : error
  } finally {
    source.destroy()
  }
  const whole =
    trailer.length === TRAILER && trailer.readUInt32LE(0) === crc && trailer.readUInt32LE(4) === length >>> 0
  if (!whole) throw new DamagedGzip('the gzip is cut short here')
}

async function trailerOf(path: string): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const bytes = Buffer.alloc(Math.min(size, TRAILER))
    await handle.read(bytes, 0, bytes.length, size - bytes.length)
    return bytes
  } finally {
    await handle.close()
  }
}

type Splitter = { take(chunk: Buffer): StreamLine[]; end(): StreamLine[]; lines(): number }

function createSplitter(): Splitter {
  let parts: Buffer[] = []
  let held = 0
  let number = 0
  let skipping = false

  const ended = (bytes: Buffer): StreamLine => {
    number++
    if (held + bytes.length > AUDIT_LINE_MAX) skipping = true
    const octets = held + bytes.length
    const line: StreamLine = skipping
      ? { is: 'too-long', number, octets }
      : { is: 'line', number, bytes: joined(parts, bytes) }
    parts = []
    held = 0
    skipping = false
    return line
  }

  const keep = (rest: Buffer) => {
    held += rest.length
    if (rest.length === 0 || skipping) return
    skipping = held > AUDIT_LINE_MAX
    parts = skipping ? [] : [...parts, rest]
  }

  return {
    take(chunk) {
      const lines: StreamLine[] = []
      let from = 0
      for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
        lines.push(ended(chunk.subarray(from, end)))
        from = end + 1
      }
      keep(chunk.subarray(from))
      return lines
    },
    end() {
      if (skipping) return [{ is: 'too-long', number: ++number, octets: held }]
      if (held === 0) return []
      return [{ is: 'half-line', number: ++number, bytes: joined(parts, Buffer.alloc(0)) }]
    },
    lines: () => number,
  }
}

function joined(parts: Buffer[], last: Buffer): Buffer {
  return parts.length === 0 ? last : Buffer.concat([...parts, last])
}
