/**
 * Reading the streams on from a line, for those that pass them on: the newest lines out of memory, what lies further back out of the
 * files, rotated and packed ones included. The audit files are the spool of the forwards: there is no second copy.
 */
import { linesBehind, seqOf, type Numbered, type Source } from './read-on.ts'
import type { Stream } from './events.ts'
import type { Written } from './journal.ts'
import { FORWARD_TAIL_MAX } from '../base/forward-limits.ts'

/**
 * Lines without their LF, in order; `through` is the number of the last one. `lost`: so many between the asked one and the first are
 * not there any more.
 */
export type Piece = { lines: Buffer[]; through: number; lost: number }

export type Cursor = {
  /**
   * Needs the number of the line before the first that is wanted, or null: then what was written since the cursor was made. Gives about
   * `max` octets of lines, null when there are none yet. Throws when files cannot be read. One call at a time.
   */
  read(after: number | null, max: number): Promise<Piece | null>
  close(): void
}

export type Tails = {
  /** To be told of every line that gets to disk. */
  written: Written
  /** Calls `wake` whenever lines came. Gives the cursor of one reader. */
  follow(stream: Stream, wake: () => void): Cursor
}

type Tail = { lines: Numbered[]; octets: number; wakes: Set<() => void> }

/** Needs the audit folder. Keeps nothing in memory of a stream that nobody follows. */
export function createTails(folder: string): Tails {
  const tails = new Map<Stream, Tail>()
  return {
    written(stream, lines) {
      const tail = tails.get(stream)
      if (tail === undefined || tail.wakes.size === 0) return
      for (const line of lines) add(tail, line.subarray(0, -1))
      for (const wake of tail.wakes) wake()
    },
    follow(stream, wake) {
      const tail = tails.get(stream) ?? { lines: [], octets: 0, wakes: new Set() }
      tails.set(stream, tail)
      // Another set each: one function may follow two streams.
      const mine = () => {
        wake()
      }
      tail.wakes.add(mine)
      const began = tail.lines.at(-1)?.seq ?? null
      return cursorOf(folder, stream, tail, began, () => {
        tail.wakes.delete(mine)
        if (tail.wakes.size === 0) tails.delete(stream)
      })
    },
  }
}

function add(tail: Tail, bytes: Buffer): void {
  const seq = seqOf(bytes)
  if (seq === null) return
  // A stream that begins anew, as after a file was moved out: nothing of before counts.
  if (seq <= (tail.lines.at(-1)?.seq ?? 0)) Object.assign(tail, { lines: [], octets: 0 })
  // A copy: a piece of a batch would keep all of it.
  tail.lines.push({ seq, bytes: Buffer.from(bytes) })
  tail.octets += bytes.length
  // Half of it at once: to shorten it by each line would cost more than the line.
  if (tail.octets <= FORWARD_TAIL_MAX) return
  let gone = 0
  while (tail.octets > FORWARD_TAIL_MAX / 2 && gone < tail.lines.length - 1) {
    tail.octets -= tail.lines[gone]?.bytes.length ?? 0
    gone++
  }
  tail.lines = tail.lines.slice(gone)
}

function cursorOf(folder: string, stream: Stream, tail: Tail, began: number | null, closed: () => void): Cursor {
  let reader: Source | null = null
  let rest: Numbered[] = []
  let at = -1
  let nothingBehind = -1

  const stop = () => {
    void reader?.return(undefined)
    reader = null
    rest = []
  }

  /** The next lines of the files behind `after`; empty when they end there. */
  const fromFiles = async (after: number): Promise<Numbered[]> => {
    if (at !== after) stop()
    for (reader ??= linesAfter(folder, stream, after); rest.length === 0;) {
      const next = await reader.next()
      if (next.done === true) {
        stop()
        return []
      }
      rest = next.value
    }
    return rest
  }

  const read = async (after: number | null, max: number): Promise<Piece | null> => {
    const first = tail.lines[0]
    const from = standing(after, began, tail)
    if (from === null || (first === undefined && from === nothingBehind)) return null
    if (first !== undefined && from >= first.seq - 1) {
      stop()
      return pieceOf(tail.lines.slice(from - first.seq + 1), from, max)
    }
    const found = toldOf(await fromFiles(from), tail)
    if (found.length === 0) {
      nothingBehind = from
      if (first === undefined) return null
      // Neither on disk nor in memory: gone. Unless the memory moved on meanwhile, to lines that the disk has.
      return tail.lines[0] === first ? pieceOf(tail.lines, from, max) : read(after, max)
    }
    const piece = pieceOf(found, from, max)
    rest = rest.slice(piece?.lines.length ?? 0)
    at = piece?.through ?? at
    return piece
  }

  return {
    read,
    close() {
      stop()
      closed()
    },
  }
}

/**
 * A file may hold lines that are still being synced: they are not there for certain, and a position behind them would be taken for one of
 * a stream that began anew. They come out of memory once they are.
 */
function toldOf(lines: Numbered[], tail: Tail): Numbered[] {
  const newest = tail.lines.at(-1)?.seq ?? Infinity
  return (lines.at(-1)?.seq ?? 0) <= newest ? lines : lines.filter(({ seq }) => seq <= newest)
}

/** Where to read on. A position beyond the newest line is one of a stream that began anew. */
function standing(after: number | null, began: number | null, { lines }: Tail): number | null {
  const first = lines[0]
  const newest = lines.at(-1)
  if (after === null) return began ?? (first === undefined ? null : first.seq - 1)
  return newest !== undefined && after > newest.seq ? 0 : after
}

function pieceOf(lines: Numbered[], after: number, max: number): Piece | null {
  let octets = 0
  const over = lines.findIndex(({ bytes }) => (octets += bytes.length) > max)
  const taken = lines.slice(0, over < 0 ? lines.length : Math.max(1, over))
  const [first, last] = [taken[0], taken.at(-1)]
  if (first === undefined || last === undefined) return null
  return { lines: taken.map(({ bytes }) => bytes), through: last.seq, lost: first.seq - after - 1 }
}

/** Looked at again when a file was rotated or packed under the reader's hand: it is there under another name. */
const LOOKS = 3

async function* linesAfter(folder: string, stream: Stream, after: number): Source {
  let last = after
  for (let look = 1; look <= LOOKS; look++) {
    try {
      let missed = false
      for await (const lines of linesBehind(folder, stream, last)) {
        missed = look < LOOKS && (lines[0]?.seq ?? 0) > last + 1
        if (missed) break
        last = lines.at(-1)?.seq ?? last
        yield lines
      }
      if (!missed) return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
