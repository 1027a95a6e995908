/**
 * The queue of one stream. All that waits is chained, written and synced in one go while the next lot gathers (group commit), so a
 * login pays one fdatasync shared with all others of that moment. After a failure the file is cut back to the last line known to be on
 * disk and the same bytes are written again: also what a failed fsync may have dropped from the page cache.
 */
import type { Clock } from '../base/clock.ts'
import { AUDIT_RETRY_LONGEST_MS, AUDIT_RETRY_MS } from '../base/audit-limits.ts'
import { chained, linesOf, takeFrom, type Batch, type Body, type Item } from './batch.ts'
import type { Head } from './chain.ts'
import type { Fate, Opened } from './stream-file.ts'

/** Calls `run` after `ms`; gives the way to call it off. */
export type After = (ms: number, run: () => void) => () => void

export type Failure = { reason: string; since: number }

/** What the writer tells: `changed` when it fails (with the failure) and when it works again; `written` what is on disk by now. */
export type Heard = {
  changed(name: string, failure: Failure | null): void
  /** The exact bytes of each line with its LF, in order; each line once. Not asked for: null. */
  written: ((lines: readonly Buffer[]) => void) | null
  /** Somebody did this to the file, and a new one was begun; the line of that number is the first in it. */
  replaced(name: string, fate: Fate, next: number): void
  /** The file has its rotated name by now; or, with a fault, still its old one: lines go on into it. */
  rotated(name: string, fault: string | null): void
}

/** What of the stream is on disk. `began`: when the first line of the current file was written, ms since 1970; null: there is none. */
export type OnDisk = { head: Head; size: number; began: number | null }

export type Writer = {
  readonly name: string
  push(body: Body): void
  /** The file is rotated once all that was pushed before is on disk. */
  rotate(): void
  /** Octets that wait, about. */
  waiting(): number
  /** Gives when all that was pushed before is on disk; rejects when the writer fails first, or `expire` gives up. */
  synced(): Promise<void>
  /** Rejects every wait that began before `since` (monotonic ms). */
  expire(since: number): void
  failure(): Failure | null
  /** When the oldest line that is not on disk was pushed (monotonic ms), null when there is none. */
  oldest(): number | null
  /** How many lines (and rotations) were pushed, and how many of them are done. */
  count(): { pushed: number; done: number }
  onDisk(): OnDisk
  close(): Promise<void>
}

type Wait = { upTo: number; since: number; resolve: () => void; reject: (error: Error) => void }

/** Writes to what was opened, from `opened.head` on. Where nobody waits, lines gather for `gatherMs` first: a write for many costs what one for one does. */
export function createWriter(opened: Opened, clock: Clock, after: After, heard: Heard, gatherMs = 0): Writer {
  const { name } = opened
  const disk = createDisk(opened, clock, heard)
  let queue: Item[] = []
  let queued = 0
  let waits: Wait[] = []
  const count = { pushed: 0, done: 0 }
  let busy = false
  let running = Promise.resolve()
  let failure: Failure | null = null
  let pause = AUDIT_RETRY_MS
  let callOff = () => undefined as void
  /** Calls off the wait for more lines; null when none is waited for. */
  let gathering: (() => void) | null = null

  const commit = async (): Promise<void> => {
    if (disk.batch() === null) {
      if (queue[0]?.do === 'rotate') {
        queue.shift()
        await disk.rotate()
        count.done++
        waits = resolved(waits, count.done)
        return
      }
      const items = takeFrom(queue)
      queue = queue.slice(items.length)
      for (const item of items) queued -= item.octets
      disk.take(items)
    }
    const done = await disk.write()
    if (done === null) return
    count.done += done.items.length
    waits = resolved(waits, count.done)
    heard.written?.(linesOf(done.bytes))
  }

  const failed = (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    const first = failure === null
    failure = { reason, since: failure?.since ?? clock.now() }
    if (first) heard.changed(name, failure)
    for (const wait of waits.splice(0)) wait.reject(new Error(`audit: ${name}: ${reason}`))
    callOff = after(pause, start)
    pause = Math.min(pause * 2, AUDIT_RETRY_LONGEST_MS)
  }

  const run = async (): Promise<void> => {
    try {
      while (disk.batch() !== null || queue.length > 0) {
        await commit()
        pause = AUDIT_RETRY_MS
        if (failure !== null) heard.changed(name, (failure = null))
      }
    } catch (error) {
      failed(error)
    } finally {
      busy = false
    }
  }

  const start = () => {
    gathering?.()
    gathering = null
    if (busy) return
    busy = true
    // What else this turn of the loop brings goes into the same write.
    setImmediate(() => {
      running = run()
    })
  }

  const put = (item: Item) => {
    queued += item.octets
    queue.push(item)
    if (failure !== null) return
    if (gatherMs === 0 || item.do === 'rotate') start()
    else gathering ??= after(gatherMs, start)
  }

  return {
    name,
    push(body) {
      count.pushed++
      put({ do: 'write', body, at: clock.monotonic(), octets: typeof body === 'string' ? body.length : 0 })
    },
    rotate() {
      count.pushed++
      put({ do: 'rotate', octets: 0 })
    },
    waiting: () => queued + (disk.batch()?.bytes.length ?? 0),
    synced() {
      if (count.done === count.pushed) return Promise.resolve()
      if (failure !== null) return Promise.reject(new Error(`audit: ${name}: ${failure.reason}`))
      if (gathering !== null) start()
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
    oldest: () => oldestOf(disk.batch()?.items ?? []) ?? oldestOf(queue),
    count: () => ({ ...count }),
    onDisk: disk.state,
    async close() {
      callOff()
      gathering?.()
      // What is under way would open a file again behind our back.
      await running
      await opened.file.close()
    },
  }
}

type Disk = {
  /** What is being written. */
  batch(): Batch | null
  /** Chains these; they are the batch then. */
  take(items: Item[]): void
  /** Writes and syncs the batch. Gives it, or null when its file was replaced: then the same batch is to be written again. */
  write(): Promise<Batch | null>
  rotate(): Promise<void>
  state(): OnDisk
}

function createDisk(opened: Opened, clock: Clock, heard: Heard): Disk {
  const { file, name } = opened
  let { size, head, first, began } = opened
  let batch: Batch | null = null
  /** The file may hold more than `size` octets: part of a batch that failed. */
  let ragged = false

  const begun = () => {
    ragged = false
    size = 0
    first = head.seq + 1
    began = null
  }

  return {
    batch: () => batch,
    take(items) {
      batch = chained(items, head)
    },
    async write() {
      if (batch === null) return null
      const behind = batch.bytes.length
      if (ragged) await file.cutTo(size)
      ragged = true
      await file.append(batch.bytes)
      const fate = await file.sync(size + behind)
      if (fate !== 'there') {
        await file.replace(fate, { size, behind, first })
        begun()
        heard.replaced(name, fate, first)
        return null
      }
      ragged = false
      size += behind
      began ??= clock.now()
      head = batch.head
      const done = batch
      batch = null
      return done
    },
    async rotate() {
      if (size === 0) return
      const fault = await file.rotate(first).then(
        () => null,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      if (fault === null) begun()
      heard.rotated(name, fault)
    },
    state: () => ({ head, size, began }),
  }
}

function oldestOf(items: readonly Item[]): number | null {
  const first = items.find((item) => item.do === 'write')
  return first?.do === 'write' ? first.at : null
}

/** Tells those whose lines are on disk; gives the rest. */
function resolved(waits: Wait[], done: number): Wait[] {
  for (const wait of waits) if (wait.upTo <= done) wait.resolve()
  return waits.filter((wait) => wait.upTo > done)
}
