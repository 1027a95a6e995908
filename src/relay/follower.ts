/**
 * Follows what an old server says, knowing what was asked of it: where each reply ends, and whether it said +OK.
 * It reads alone and never alters a byte. A chunk may be cut anywhere; the state carries over.
 */

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
/** A line holding a dot alone ends a multi-line reply (RFC 1939 section 3). Whatever ended the line before, it ended in LF. */
const END = Buffer.from('\n.\r\n')
const BARE_END = Buffer.from('\n.\n')

/** What must be known of a forwarded command: its name in upper case, and whether its +OK is followed by lines. `number`: of a message. */
export type Expected = { verb: string; multiLine: boolean; number?: number | undefined }

/** One command answered in full. */
export type Finished = { command: Expected; ok: boolean }

/**
 * A run of bytes up to `end` (exclusive). `command` is the one whose reply they belong to, null when nothing was asked.
 * `finished` is set when the reply ends at `end`.
 */
export type Step = { end: number; command: Expected | null; finished: Finished | null }

export type Follower = {
  /** A command was forwarded: its reply is expected behind those already expected. */
  expect(command: Expected): void
  /** Needs a chunk of the server and where to read on in it (before its end). Gives the next run: call again from `end`. */
  advance(chunk: Buffer, from: number): Step
  /** The reply that is due, or under way, has many lines. */
  isLong(): boolean
  /** Commands not yet answered in full. */
  pending(): number
  /** True between two replies: here alone may other bytes be put in. False in mid-line as well. */
  between(): boolean
}

/** How much of an end line stood at the end of the last chunk: nothing, or this many octets of LF . CR LF. */
type Matched = 0 | 1 | 2 | 3

/** Makes a follower that has seen nothing and expects nothing. */
export function createFollower(): Follower {
  const expected: Expected[] = []
  let at: 'between' | 'status' | 'unasked' | 'body' = 'between'
  /** The status line's first three octets, and the last one seen. */
  let head = ''
  let last = 0
  let bareLf = false
  let matched: Matched = 0

  const finish = (end: number, ok: boolean): Step => {
    const command = expected.shift() as Expected
    at = 'between'
    return { end, command, finished: { command, ok } }
  }

  const status = (chunk: Buffer, from: number, command: Expected): Step => {
    const lf = chunk.indexOf(LF, from)
    const end = lf === -1 ? chunk.length : lf
    if (head.length < 3) head += chunk.toString('latin1', from, Math.min(end, from + 3 - head.length))
    if (end > from) last = chunk[end - 1] as number
    if (lf === -1) return { end, command, finished: null }
    const ok = head.toUpperCase() === '+OK'
    if (!ok || !command.multiLine) return finish(lf + 1, ok)
    at = 'body'
    bareLf = last !== CR
    matched = 1
    return { end: lf + 1, command, finished: null }
  }

  const body = (chunk: Buffer, from: number, command: Expected): Step => {
    const found = findEnd(chunk, from, matched, bareLf)
    if (found.end !== -1) return finish(found.end, true)
    matched = found.matched
    return { end: chunk.length, command, finished: null }
  }

  const unasked = (chunk: Buffer, from: number): Step => {
    const lf = chunk.indexOf(LF, from)
    at = lf === -1 ? 'unasked' : 'between'
    return { end: lf === -1 ? chunk.length : lf + 1, command: null, finished: null }
  }

  return {
    expect(command) {
      expected.push(command)
    },
    advance(chunk, from) {
      const command = expected[0]
      // A line that began before anything was asked is no reply, even when a command went out in its middle.
      if (command === undefined || at === 'unasked') return unasked(chunk, from)
      if (at === 'body') return body(chunk, from, command)
      if (at === 'between') {
        at = 'status'
        head = ''
        last = 0
      }
      return status(chunk, from, command)
    },
    isLong: () => expected[0]?.multiLine === true,
    pending: () => expected.length,
    between: () => at === 'between',
  }
}

/**
 * Where the reply ends behind its end line, or -1 and how much of an end line the chunk ends with.
 * Bodies are searched by the chunk: a loop over each octet of 25 MiB would cost more than TLS.
 */
function findEnd(chunk: Buffer, from: number, carried: Matched, bareLf: boolean): { end: number; matched: Matched } {
  let matched = carried
  let i = from
  for (; matched > 0 && i < chunk.length; i++) {
    const octet = chunk[i]
    if (octet === LF && (matched === 3 || (matched === 2 && bareLf))) return { end: i + 1, matched: 0 }
    // A LF that does not complete an end line may begin one: the search below sees it.
    if (octet === LF) break
    if (matched === 1 && octet === DOT) matched = 2
    else if (matched === 2 && octet === CR) matched = 3
    else matched = 0
  }
  if (i === chunk.length) return { end: -1, matched }
  const end = search(chunk, i, bareLf)
  return { end, matched: end === -1 ? matchedAtEnd(chunk) : 0 }
}

/** A server that ends its lines in a bare LF ends its replies so too; some lines may still have both. */
function search(chunk: Buffer, from: number, bareLf: boolean): number {
  const found = endOf(chunk, END, from)
  const bare = bareLf ? endOf(chunk, BARE_END, from) : -1
  return found === -1 || (bare !== -1 && bare < found) ? bare : found
}

function endOf(chunk: Buffer, line: Buffer, from: number): number {
  const found = chunk.indexOf(line, from)
  return found === -1 ? -1 : found + line.length
}

/** What a chunk without an end line ends with. The loop over what was carried has ruled out all that came before the search. */
function matchedAtEnd(chunk: Buffer): Matched {
  const tail = chunk.toString('latin1', Math.max(0, chunk.length - 3))
  if (tail.endsWith('\n.\r')) return 3
  if (tail.endsWith('\n.')) return 2
  return tail.endsWith('\n') ? 1 : 0
}
