/** What the journal does besides writing: seals, rotates, notes where the streams stand, keeps the folder within its limits. */
import type { Clock } from '../base/clock.ts'
import {
  AUDIT_FILE_SHARE,
  AUDIT_HEADS_EVERY_MS,
  AUDIT_ROTATE_RETRY_MS,
  AUDIT_TIDY_EVERY_MS,
} from '../base/audit-limits.ts'
import type { Log } from '../base/log.ts'
import type { Head } from './chain.ts'
import { STREAMS, type AuditEvent, type Stream } from './events.ts'
import type { Limits } from './give-way.ts'
import type { Sealer } from './sealer.ts'
import { tidy } from './tidy.ts'
import type { Writer } from './writer.ts'

export type Heads = Partial<Record<Stream, Head>>
/** Notes where the streams stand on disk, apart from them. Gives when that is kept. */
export type KeepHeads = (heads: Heads) => Promise<void>

export type Upkeep = {
  /** A line was written. */
  traffic(): void
  /** Somebody or a rotation began a new file. */
  fileBegan(stream: Stream): void
  rotated(stream: Stream, fault: string | null): void
  tick(): void
  use(limits: Limits): void
  /** For the stop, while the writers still take lines: a last seal. */
  lastSeal(): void
  /** Once they have ended. */
  close(): Promise<void>
}

export type UpkeepOptions = {
  folder: string
  clock: Clock
  log: Pick<Log, 'error' | 'info'>
  writers: Record<Stream, Writer>
  sealer: Sealer | null
  limits: Limits | null
  keepHeads: KeepHeads | null
  tell(event: AuditEvent): Promise<void>
}

/** Needs the writers. What is null in the options is not done. */
export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { clock, writers, sealer, log } = options
  let { limits } = options
  let unsealed = 0
  let headsAt = -Infinity
  let tidiedAt = -Infinity
  let tidying: Promise<void> | null = null
  let kept = ''
  const stopped = new AbortController()
  /** Streams whose rotation is under way, or failed: not before that time (monotonic ms). */
  const rotating = new Map<Stream, number>()

  const seal = (): boolean => {
    if (sealer === null) return true
    if (STREAMS.some((stream) => writers[stream].failure() !== null)) return false
    const began = sealer.begin(writers, { wall: clock.now(), monotonic: clock.monotonic() })
    if (began) unsealed = 0
    return began
  }

  /** Each file ends in a seal, so that it can be proven by itself. */
  const rotate = () => {
    const due = STREAMS.filter((stream) => {
      const waits = clock.monotonic() < (rotating.get(stream) ?? -Infinity)
      return !waits && limits !== null && isDue(writers[stream], limits, clock.now())
    })
    if (due.length === 0 || !seal()) return
    for (const stream of due) {
      writers[stream].rotate()
      rotating.set(stream, Infinity)
    }
  }

  const keepHeads = async () => {
    const heads: Heads = Object.fromEntries(STREAMS.map((stream) => [stream, writers[stream].onDisk().head]))
    const text = JSON.stringify(heads)
    headsAt = clock.monotonic()
    if (options.keepHeads === null || text === kept) return
    await options.keepHeads(heads)
    kept = text
  }

  const startTidying = () => {
    if (limits === null || tidying !== null || stopped.signal.aborted) return
    tidiedAt = clock.monotonic()
    const { folder, tell } = options
    const head = (stream: Stream) => writers[stream].onDisk().head
    const work = { folder, clock, log, tell, head, limits: () => limits as Limits }
    tidying = tidy(work, stopped.signal).finally(() => (tidying = null))
  }

  return {
    traffic: () => void unsealed++,
    fileBegan: (stream) => sealer?.fileBegan(stream),
    rotated(stream, fault) {
      if (fault === null) {
        rotating.delete(stream)
        sealer?.fileBegan(stream)
        return startTidying()
      }
      rotating.set(stream, clock.monotonic() + AUDIT_ROTATE_RETRY_MS)
      log.error({ stream, error: fault }, 'audit: the file cannot be rotated; lines go on into it')
    },
    tick() {
      const now = clock.monotonic()
      void sealer?.settle(writers)
      rotate()
      if (unsealed > 0 && sealer?.isDue(now) === true) seal()
      if (now - headsAt >= AUDIT_HEADS_EVERY_MS) keepHeads().catch(noted(log))
      if (now - tidiedAt >= AUDIT_TIDY_EVERY_MS) startTidying()
    },
    use: (next) => (limits = next),
    lastSeal() {
      stopped.abort()
      if (unsealed > 0) seal()
    },
    async close() {
      await tidying
      await sealer?.settle(writers)
      await keepHeads().catch(noted(log))
      sealer?.close()
    },
  }
}

function noted(log: Pick<Log, 'error'>): (error: unknown) => void {
  return (error) => {
    log.error({ error: String(error) }, 'audit: the store cannot note where the streams stand')
  }
}

function isDue(writer: Writer, { every, size, max }: Limits, now: number): boolean {
  const file = writer.onDisk()
  if (writer.failure() !== null || file.began === null) return false
  return file.size >= Math.min(size, max * AUDIT_FILE_SHARE) || now - file.began >= every
}
