/**
 * The queue of one stream. All that waits is chained, written and synced in one go while the next lot gathers (group commit), so a
 * login pays one fdatasync shared with all others of that moment. After a failure the file is cut back to the last line known to be on
 * disk and the same bytes are written again: also what a failed fsync may have dropped from the page cache.
 */
import type { Clock } from '../base/clock.ts'
import { AUDIT_BATCH_MAX, AUDIT_RETRY_LONGEST_MS, AUDIT_RETRY_MS } from '../base/limits.ts'
import { chain, type Head } from './chain.ts'
import type { Opened } from './stream-file.ts'

const LF = 0x0a

/** Calls `run` after `ms`; gives the way to call it off. */
export type After = (ms: number, run: () => void) => () => void

export type Failure = { reason: string; since: number }

/** What the writer tells: `changed` when it fails (with the failure) and when it works again; `written` what is on disk by now. */
export type Heard = {
  changed(name: string, failure: Failure | null): void
  /** The exact bytes of each line with its LF, in order; each line once. Not asked for: null. */
  written: ((lines: readonly Buffer[]) => void) | null
}

export type Writer = {
  readonly name: string
  push(body: string): void
  /** Octets that wait, about. */
  waiting(): number
  /** Gives when all that was pushed before is on disk; rejects when the writer fails first, or `expire` gives up. */
  synced(): Promise<void>
  /** Rejects every wait that began before `since` (monotonic ms). */
  expire(since: number): void
  failure(): Failure | null
  /** When the oldest line that is not on disk was pushed (monotonic ms), null when there is none. */
  oldest(): number | null
  lines(): number
  close(): Promise<void>
}

type Item = { body: string; at: number }
type Batch = { items: Item[]; bytes: Buffer; head: Head }
type Wait = { upTo: number; since: number; resolve: () => void; reject: (error: Error) => void }

/** Writes to what was opened, from its head on. */
export function createWriter(opened: Opened, clock: Clock, after: After, { changed, written }: Heard): Writer {
  const { file, name } = opened
  let { size, head } = opened
  let queue: Item[] = []
  let queued = 0
  let batch: Batch | null = null
  let waits: Wait[] = []
  const count = { pushed: 0, done: 0 }
  /** The file may hold more than `size` octets: part of a batch that failed. */
  let ragged = false
  let busy = false
  let failure: Failure | null = null
  let pause = AUDIT_RETRY_MS
  let callOff = () => undefined as void

  const commit = async (): Promise<void> => {
    if (batch === null) {
      const items = takeFrom(queue)
      queue = queue.slice(items.length)
      for (const item of items) queued -= item.body.length
      batch = chained(items, head)
    }
    if (ragged) await file.cutTo(size)
    ragged = true
    await file.append(batch.bytes)
    await file.sync()
    ragged = false
    size += batch.bytes.length
    head = batch.head
    count.done += batch.items.length
    const { bytes } = batch
    batch = null
    waits = resolved(waits, count.done)
    written?.(linesOf(bytes))
  }

  const failed = (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    const first = failure === null
    failure = { reason, since: failure?.since ?? clock.now() }
    if (first) changed(name, failure)
    for (const wait of waits.splice(0)) wait.reject(new Error(`audit: ${name}: ${reason}`))
    callOff = after(pause, start)
    pause = Math.min(pause * 2, AUDIT_RETRY_LONGEST_MS)
  }

  const run = async (): Promise<void> => {
    try {
      while (batch !== null || queue.length > 0) {
        await commit()
        pause = AUDIT_RETRY_MS
        if (failure !== null) changed(name, (failure = null))
      }
    } catch (error) {
      failed(error)
    } finally {
      busy = false
    }
  }

  const start = () => {
    if (busy) return
    busy = true
    // What else this turn of the loop brings goes into the same write.
    setImmediate(() => void run())
  }

  return {
    name,
    push(body) {
      count.pushed++
      queued += body.length
      queue.push({ body, at: clock.monotonic() })
      if (failure === null) start()
    },
    waiting: () => queued + (batch?.bytes.length ?? 0),
    synced() {
      if (count.done === count.pushed) return Promise.resolve()
      if (failure !== null) return Promise.reject(new Error(`audit: ${name}: ${failure.reason}`))
      return new Promise((resolve, reject) => {
        waits.push({ upTo: count.pushed, since: clock.monotonic(), resolve, reject })
      })
    },
    expire(since) {
      const late = waits.filter((wait) => wait.since <= since)
      waits = waits.filter((wait) => wait.since > since)
      for (const wait of late) wait.reject(new Error(`audit: ${name}: the disk does not answer`))
    },
    failure: () => failure,
    oldest: () => (batch?.items[0] ?? queue[0])?.at ?? null,
    lines: () => count.pushed - count.done,
    close() {
      callOff()
      return file.close()
    },
  }
}

function takeFrom(queue: readonly Item[]): Item[] {
  let octets = 0
  const over = queue.findIndex((item) => (octets += item.body.length) > AUDIT_BATCH_MAX)
  return queue.slice(0, over < 0 ? queue.length : Math.max(1, over))
}

function chained(items: Item[], from: Head): Batch {
  let head = from
  const lines = items.map((item) => {
    const next = chain(item.body, head)
    head = next.head
    return next.line
  })
  return { items, bytes: Buffer.from(lines.join('')), head }
}

/** Tells those whose lines are on disk; gives the rest. */
function resolved(waits: Wait[], done: number): Wait[] {
  for (const wait of waits) if (wait.upTo <= done) wait.resolve()
  return waits.filter((wait) => wait.upTo > done)
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let from = 0
  for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, from)) {
    lines.push(bytes.subarray(from, end + 1))
    from = end + 1
  }
  return lines
}
