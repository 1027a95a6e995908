/**
 * Lines out of bytes. A line ends at LF, with or without a CR before it; where the bytes were cut on their way does not
 * matter. The caller asks for one line at a time and may stop asking, so nothing is read ahead of a login's judgement.
 */
import { COMMAND_LINE_MAX, SASL_LINE_MAX, UNREAD_MAX } from '../base/limits.ts'

/** What the next line is: its ceiling follows from it. */
export type LineKind = 'command' | 'sasl'

/**
 * `line`: one line without its line end; a CR or NUL inside it is left for the parser to judge.
 * `too-long`: said once for a line above its ceiling; what is left of that line never comes out.
 * `none`: no whole line has arrived yet.
 */
export type NextLine = { got: 'line'; line: Buffer } | { got: 'too-long' } | { got: 'none' }

export type LineReader = {
  /** Takes bytes as they arrive and copies them. Throws RangeError beyond UNREAD_MAX: then the caller forgot to pause. */
  push(chunk: Uint8Array): void
  /**
   * Gives the next line. A command has 255 octets with its line end (RFC 2449 section 4), a SASL line 12,288; so has a
   * command that begins with AUTH, as programs put a long first response there all the same (RFC 5034 section 4).
   */
  next(kind: LineKind): NextLine
  /** Gives what was pushed and not taken, and keeps nothing. Throws in the midst of dropping a line that was too long. */
  rest(): Buffer
  /** Forgets everything. For STLS: what was typed before TLS must not count after it (CVE-2011-0411). */
  clear(): void
  /** Octets held. At UNREAD_PAUSE the caller stops reading from the socket until it has taken lines. */
  size(): number
}

const LF = 0x0a
const CR = 0x0d
const AUTH = /^auth /i
const EMPTY: Buffer = Buffer.alloc(0)
/** Most lines fit here, so a quiet connection holds no more than this. */
const SMALL = 512

function ceilingOf(kind: LineKind, store: Buffer, from: number, to: number): number {
  if (kind === 'sasl') return SASL_LINE_MAX
  return AUTH.test(store.toString('latin1', from, Math.min(from + 5, to))) ? SASL_LINE_MAX : COMMAND_LINE_MAX
}

/** `store` holds unread bytes in [from, to); those before `searched` are known to hold no LF. */
type Held = { store: Buffer; from: number; to: number; searched: number; dropping: boolean }

function forget(held: Held): void {
  held.store = EMPTY
  held.from = held.to = held.searched = 0
}

/** Moves the unread bytes to the front of a store with room for `more`. Doubling keeps byte-by-byte arrival linear. */
function makeRoom(held: Held, more: number): void {
  const { store, from, to } = held
  const unread = to - from
  const larger = (unread + more) * 2 > store.length
  held.store = larger ? Buffer.alloc(Math.max(SMALL, (unread + more) * 2)) : store
  store.copy(held.store, 0, from, to)
  store.fill(0, larger ? 0 : unread)
  held.searched -= from
  held.from = 0
  held.to = unread
}

function push(held: Held, chunk: Uint8Array): void {
  let bytes = chunk
  if (held.dropping) {
    const end = bytes.indexOf(LF)
    if (end < 0) return
    held.dropping = false
    bytes = bytes.subarray(end + 1)
  }
  if (held.to - held.from + bytes.length > UNREAD_MAX) {
    throw new RangeError('line reader: pushed while it should be paused')
  }
  if (held.to + bytes.length > held.store.length) makeRoom(held, bytes.length)
  held.store.set(bytes, held.to)
  held.to += bytes.length
}

/** Takes `count` octets out. They are wiped, because the line may have been a password and the store lives on. */
function take(held: Held, count: number): void {
  held.store.fill(0, held.from, held.from + count)
  held.from += count
  held.searched = held.from
  if (held.from < held.to) return
  if (held.store.length > SMALL) forget(held)
  else held.from = held.to = held.searched = 0
}

function next(held: Held, kind: LineKind): NextLine {
  const { store, from, to } = held
  const found = store.subarray(0, to).indexOf(LF, held.searched)
  const length = (found < 0 ? to : found + 1) - from
  const ceiling = ceilingOf(kind, store, from, to)
  if (found < 0 && length < ceiling) {
    held.searched = to
    return { got: 'none' }
  }
  if (found < 0 || length > ceiling) {
    // Its tail is a stranger's bytes, not a command: dropped up to its LF, now and as it arrives.
    held.dropping = found < 0
    take(held, length)
    return { got: 'too-long' }
  }
  const line = Buffer.alloc((found > from && store[found - 1] === CR ? found - 1 : found) - from)
  store.copy(line, 0, from)
  take(held, length)
  return { got: 'line', line }
}

function rest(held: Held): Buffer {
  if (held.dropping) throw new Error('line reader: the rest of a line that was too long is no input')
  const left = Buffer.from(held.store.subarray(held.from, held.to))
  forget(held)
  return left
}

/** Gives a reader of its own for one direction of one connection. */
export function lineReader(): LineReader {
  const held: Held = { store: EMPTY, from: 0, to: 0, searched: 0, dropping: false }
  return {
    push: (chunk) => {
      push(held, chunk)
    },
    next: (kind) => next(held, kind),
    rest: () => rest(held),
    clear: () => {
      held.dropping = false
      forget(held)
    },
    size: () => held.to - held.from,
  }
}
