/**
 * The audit's writer: the one place through which a line gets to disk. It runs in the keeper, takes events in order and never
 * blocks. Before a client hears that it is in, its line is on disk (`write`, then `durable` in the same turn).
 */
import type { Clock } from '../base/clock.ts'
import { within } from '../base/deadline.ts'
import { AUDIT_GATHER_MS, AUDIT_SYNC_DEADLINE_MS, AUDIT_TICK_MS } from '../base/audit-limits.ts'
import type { Log } from '../base/log.ts'
import { STREAMS, type AuditEvent, type Stream } from './events.ts'
import type { Limits } from './give-way.ts'
import { createIntake, type Intake } from './intake.ts'
import { heardBy, openAll, type Desk, type Writers } from './open-writers.ts'
import { openSealer, type Sealer, type SealStorage } from './sealer.ts'
import { makeFolder, openStream, type OpenStream } from './stream-file.ts'
import { sweepParts } from './tidy.ts'
import { createUpkeep, type Heads, type KeepHeads, type Upkeep } from './upkeep.ts'
import { createWriter, type After, type Writer } from './writer.ts'

/** `failing`: what was written last is not on disk; logins are refused until it is. `since` is ms since 1970. */
export type JournalState = { at: 'writing' } | { at: 'failing'; reason: string; since: number }

export type Journal = {
  /** Takes a line and never waits; what finds the queue full is counted and told by a later line. */
  write(event: AuditEvent): void
  /**
   * Gives when all that was written before is on disk. Rejects when it is not and will not be soon (the disk is full, does not
   * answer, or a line of auth, session or admin was lost): whoever waits is refused with `[SYS/TEMP]`. The line itself is written
   * later all the same, so the caller adds one that says what became of it.
   */
  durable(): Promise<void>
  /** The same for what a login waits for: lines of auth and admin. Rejects also while another stream cannot be written. */
  loginsDurable(): Promise<void>
  state(): JournalState
  /** Age of the oldest line that is not on disk, in seconds; 0 when all are. */
  lagSeconds(): number
  /** The root of the sealing keys; null where nothing is sealed. */
  anchor(): Buffer | null
  /** Where each stream stands on disk. */
  heads(): Heads
  /** What was not as Postern left it, at the start or since. */
  findings(): readonly string[]
  /** Takes up new limits for the files. */
  use(limits: Limits): void
  /** Writes the sums that stand, waits for the disk, closes the files. Rejects when lines were left over. */
  close(): Promise<void>
}

/**
 * Told of lines that are on disk: their exact bytes, each with its LF, in the order of their stream, each once. A crash can fall between
 * disk and this, so whoever must miss nothing remembers the last `chain.seq` it took and reads on from the files at start
 * (`streamFiles`). It must return at once; what it throws is logged and changes nothing.
 */
export type Written = (stream: Stream, lines: readonly Buffer[]) => void

export type JournalOptions = {
  folder: string
  clock: Clock
  log: Pick<Log, 'error' | 'info'>
  /** Told of every line that gets to disk, the first one after the start included. */
  written?: Written
  /** When files are rotated and give way; never, when left out. */
  limits?: Limits
  /** Where the sealing keys rest; nothing is sealed when left out. */
  sealing?: SealStorage
  /** Where the streams stood when that was last noted apart from them, and how that is noted. */
  heads?: { known: Heads; keep: KeepHeads }
  /** For tests: files that fail, and time that does not pass by itself. */
  open?: OpenStream
  after?: After
}

const timer: After = (ms, run) => {
  const handle = setTimeout(run, ms).unref()
  return () => {
    clearTimeout(handle)
  }
}

/**
 * Opens all streams in `folder`, which is made when missing. The caller holds the instance lock: two journals on one folder would
 * tear the chain. Throws one line that names file and line when a stream's end is not as it was left.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { folder, clock, log, open = openStream, after = timer } = options
  await makeFolder(folder)
  await sweepParts(folder)
  const sealer = options.sealing === undefined ? null : await openSealer(options.sealing, log)
  const desk: Desk = { heard: null }
  const { writers, repaired, found } = await openAll(folder, options.heads?.known ?? {}, open, (opened, stream) =>
    createWriter(opened, clock, after, heardBy(desk, stream, options.written, log), gatherMsOf(stream)),
  )
  const journal = journalOver(writers, sealer, options, after, desk)
  if (sealer?.made === true) {
    const anchor = sealer.anchor.toString('base64url')
    log.info({ anchor }, 'audit: new sealing keys were made; note the anchor elsewhere: postern audit key')
    journal.write({ stream: 'admin', action: 'audit-key-made', anchor })
  }
  for (const { file, bytes } of repaired) {
    log.error({ file, bytes }, 'audit: a half line at the end was cut off')
    journal.write({ stream: 'admin', action: 'audit-repaired', file, bytes })
  }
  for (const one of found) desk.heard?.tampered(one)
  return journal
}

const LOST = 'audit: lines were lost, the queue is full'

/** Nobody waits for a line of access or session by itself. */
const isWaitedFor = (stream: Stream) => stream === 'auth' || stream === 'admin'
const gatherMsOf = (stream: Stream) => (isWaitedFor(stream) ? 0 : AUDIT_GATHER_MS)

function journalOver(
  writers: Writers,
  sealer: Sealer | null,
  options: JournalOptions,
  after: After,
  desk: Desk,
): Journal {
  const { clock, log } = options
  const all = STREAMS.map((stream) => writers[stream])
  const findings: string[] = []
  const intake = createIntake(writers, clock, () => {
    upkeep.traffic()
  })
  const upkeep = upkeepOf(writers, sealer, options, intake)

  const tick = () => {
    for (const writer of all) writer.expire(clock.monotonic() - AUDIT_SYNC_DEADLINE_MS)
    intake.tick()
    upkeep.tick()
    callOff = after(AUDIT_TICK_MS, tick)
  }
  let callOff = after(AUDIT_TICK_MS, tick)

  desk.heard = {
    tampered(found) {
      findings.push(`${found.file}: ${found.kind}: ${found.reason}`)
      log.error(found, 'audit: somebody else has changed it')
      intake.put({ stream: 'admin', action: 'audit-tampered', ...found })
    },
    fileBegan: upkeep.fileBegan,
    rotated: upkeep.rotated,
  }

  const lagMs = () => Math.max(0, ...all.map((writer) => clock.monotonic() - (writer.oldest() ?? Infinity)))

  return {
    write: intake.take,
    async durable() {
      if (intake.lostOurs() > 0) throw new Error(LOST)
      await Promise.all(all.map((writer) => writer.synced()))
    },
    async loginsDurable() {
      if (intake.lostOurs() > 0) throw new Error(LOST)
      const failing = all.find((writer) => writer.failure() !== null)
      if (failing !== undefined) await failing.synced()
      await Promise.all([writers.auth.synced(), writers.admin.synced()])
    },
    state() {
      const failure = all.map((writer) => writer.failure()).find((one) => one !== null)
      if (failure !== undefined) return { at: 'failing', ...failure }
      const since = clock.now() - lagMs()
      if (lagMs() > AUDIT_SYNC_DEADLINE_MS) return { at: 'failing', reason: 'the disk does not answer', since }
      if (intake.lostOurs() > 0) return { at: 'failing', reason: 'lines were lost, the queue is full', since }
      return { at: 'writing' }
    },
    lagSeconds: () => lagMs() / 1000,
    anchor: () => sealer?.anchor ?? null,
    heads: () => Object.fromEntries(STREAMS.map((stream) => [stream, writers[stream].onDisk().head])),
    findings: () => findings,
    use: upkeep.use,
    async close() {
      callOff()
      intake.close()
      upkeep.lastSeal()
      await closeAll(all, upkeep)
    },
  }
}

function upkeepOf(writers: Writers, sealer: Sealer | null, options: JournalOptions, intake: Intake): Upkeep {
  const { folder, clock, log } = options
  return createUpkeep({
    folder,
    clock,
    log,
    writers,
    sealer,
    limits: options.limits ?? null,
    keepHeads: options.heads?.keep ?? null,
    async tell(event) {
      if (!intake.put(event)) throw new Error('the line that says so finds no room')
      await writers.admin.synced()
    },
  })
}

async function closeAll(writers: Writer[], upkeep: Upkeep): Promise<void> {
  const bounded = (what: string, waits: Promise<void>[]) =>
    within(AUDIT_SYNC_DEADLINE_MS, what, Promise.allSettled(waits)).catch(() => undefined)
  await bounded(
    'audit: last lines',
    writers.map((writer) => writer.synced()),
  )
  await bounded('audit: last seal', [upkeep.close()])
  const lines = writers.reduce((sum, writer) => sum + writer.count().pushed - writer.count().done, 0)
  await bounded(
    'audit: closing',
    writers.map((writer) => writer.close()),
  )
  if (lines > 0) throw new Error(`audit: ${lines} lines could not be written`)
}
