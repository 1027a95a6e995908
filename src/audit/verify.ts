/** Reads a stream, or a copy of one on another machine, and proves that its chain is whole. */
import { createReadStream } from 'node:fs'
import { AUDIT_LINE_MAX } from '../base/limits.ts'
import type { Stream } from './events.ts'
import { GENESIS, isOf, linkOf, type Head } from './chain.ts'

/**
 * `edited`: a line does not fit its own hash. `resealed`: it does, but not the hash that the next line holds of it: edited, and the
 * hash made anew. `missing`: lines before this one are gone.
 * `reordered`: the line that belongs here stands further down. `inserted`: a number that was there already.
 * `half-line`: the last line has no end. `foreign`: a whole line of another stream.
 */
export type Break = 'edited' | 'resealed' | 'missing' | 'reordered' | 'inserted' | 'half-line' | 'foreign'

/** `line` is 1-based. `head` is where the chain stands behind the last line: compare it with what was noted elsewhere. */
export type Verified =
  { at: 'whole'; lines: number; head: Head } | { at: 'broken'; line: number; kind: Break; detail: string }

export type VerifyOptions = {
  /** Where the chain stands before the first line, when the file goes on from another one. */
  from?: Head
  /** What stream the lines must be of. */
  stream?: Stream
}

type Line = { bytes: Buffer; ended: boolean }

/**
 * Reads `file` once (and its rest once more, to tell reordered from missing) in bounded memory. Names the first break only: what stands
 * behind one proves nothing. It cannot see lines cut from the end: that takes a head noted elsewhere. Throws when the file cannot be read.
 */
export async function verifyStream(file: string, options: VerifyOptions = {}): Promise<Verified> {
  let head = options.from ?? GENESIS
  let number = 0
  for await (const line of linesOf(file)) {
    number++
    const step = follow(line, head, options)
    if (step.at === 'break') return await located(file, number, head, step)
    head = step.head
  }
  return { at: 'whole', lines: number, head }
}

type Step = { at: 'next'; head: Head } | { at: 'break'; kind: Break; detail: string }

function follow({ bytes, ended }: Line, head: Head, { stream }: VerifyOptions): Step {
  const broken = (kind: Break, detail: string): Step => ({ at: 'break', kind, detail })
  if (!ended) return broken('half-line', 'the line has no end')
  const link = linkOf(bytes)
  if (link === null) return broken('edited', 'the line does not fit its own hash')
  if (stream !== undefined && !isOf(bytes, stream)) return broken('foreign', `the line is not of the stream ${stream}`)
  const expected = head.seq + 1
  if (link.seq < expected) return broken('inserted', `number ${link.seq} was there already`)
  if (link.seq > expected) return broken('missing', `number ${link.seq} stands where ${expected} belongs`)
  if (link.prev !== head.prev) return broken('resealed', 'the hash of this line fits, but the next line knows another')
  return { at: 'next', head: { seq: link.seq, prev: link.hash } }
}

/** Says which line to look at, and tells lines that were moved from lines that are gone. */
async function located(
  file: string,
  number: number,
  head: Head,
  step: { kind: Break; detail: string },
): Promise<Verified> {
  const { kind, detail } = step
  if (kind === 'resealed' && number > 1) return { at: 'broken', line: number - 1, kind, detail }
  const moved = kind === 'missing' ? await lineOfNumber(file, number, head.seq + 1) : null
  if (moved === null) return { at: 'broken', line: number, kind, detail }
  return { at: 'broken', line: number, kind: 'reordered', detail: `${detail}; that one is line ${moved}` }
}

async function lineOfNumber(file: string, after: number, seq: number): Promise<number | null> {
  let number = 0
  for await (const { bytes } of linesOf(file)) {
    number++
    if (number > after && linkOf(bytes)?.seq === seq) return number
  }
  return null
}

/** Splits at LF. A line longer than any of ours is given in pieces: none of them fits its hash. */
async function* linesOf(file: string): AsyncGenerator<Line> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(file, { highWaterMark: 262_144 }) as AsyncIterable<Buffer>) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a)) {
      yield { bytes: bytes.subarray(0, end), ended: true }
      bytes = bytes.subarray(end + 1)
    }
    if (bytes.length > AUDIT_LINE_MAX) {
      yield { bytes, ended: true }
      bytes = Buffer.alloc(0)
    }
    rest = bytes
  }
  if (rest.length > 0) yield { bytes: rest, ended: false }
}
