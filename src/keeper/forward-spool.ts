/**
 * What one collector has still to get: the audit files from its position on. A position moves only when the collector has read the lines
 * for certain; whatever else happens, the lines behind it are sent again. So a line can arrive twice, and none is skipped unless it is
 * not there any more (and that is told).
 */
import type { Stream } from '../audit/events.ts'
import type { Cursor, Tails } from '../audit/follow.ts'
import { FORWARD_BATCH_MAX } from '../base/forward-limits.ts'
import { frameOf, type Speaker } from '../forward/syslog.ts'
import type { Position } from './forward-positions.ts'

/** Some lines as they go out. `from`, `to`: when the first and the last of them were written (ms since 1970). */
export type Batch = { octets: Buffer; lines: number; from: number; to: number }

export type Spool = {
  /** Gives the next lines, null when all were given. The same ones until they are `sent`. Throws when the files cannot be read. */
  next(): Promise<Batch | null>
  /** The batch given last is on its way, under this growing number. */
  sent(n: number): void
  /** The collector has read all up to this number; all behind it goes out anew. Up to `last` it may have come already. */
  read(n: number, last: number): void
  /** Octets on their way: sent, and not known to be read. */
  underway(): number
  /** When the oldest line was written that is not sent, or right before it (ms since 1970); null when all are. */
  oldest(): number | null
  /** Lines that went out more than once. */
  again(): number
  close(): void
}

export type SpoolOptions = {
  streams: readonly Stream[]
  tails: Tails
  speaker: Speaker
  /** Where to go on; a stream that is missing begins with the next line that is written. */
  position: Position
  /** Lines are there to be read. */
  wake(): void
  moved(position: Position): void
  /** Lines that rotation took away before they were sent. */
  lost(stream: Stream, lines: number): void
}

type Underway = Batch & { n: number; through: Position }

const TIME = /^\{"@timestamp":"([^"]{20,32})"/

/** Opens the spool of one forward. */
export function openSpool(options: SpoolOptions): Spool {
  const { streams, tails, wake } = options
  const cursors = new Map<Stream, Cursor>(streams.map((stream) => [stream, tails.follow(stream, wake)]))
  const toldLost = new Map<Stream, number>()
  let certain: Position = { ...options.position }
  let given: Position = { ...certain }
  let ready: { batch: Batch; through: Position } | null = null
  let flight: Underway[] = []
  let waiting: number | null = null
  let repeated = 0
  let resend = 0

  const tellLost = (stream: Stream, after: number, lines: number) => {
    if (lines === 0 || toldLost.get(stream) === after) return
    toldLost.set(stream, after)
    options.lost(stream, lines)
  }

  const gather = async (): Promise<{ batch: Batch; through: Position } | null> => {
    const lines: Buffer[] = []
    // To each stream its share: a flood in one does not hold the others up.
    const share = Math.ceil(FORWARD_BATCH_MAX / cursors.size)
    const through = { ...given }
    for (const [stream, cursor] of cursors) {
      const piece = await cursor.read(through[stream] ?? null, share)
      if (piece === null) continue
      const before = through[stream] ?? piece.through - piece.lines.length
      tellLost(stream, before, piece.lost)
      if (certain[stream] === undefined) options.moved((certain = { ...certain, [stream]: before }))
      through[stream] = piece.through
      lines.push(...piece.lines)
    }
    const [first] = lines
    if (first === undefined) return null
    const octets = Buffer.concat(lines.map((line) => frameOf(line, options.speaker)))
    return { batch: { octets, lines: lines.length, from: timeOf(first), to: timeOf(lines.at(-1) ?? first) }, through }
  }

  return {
    async next() {
      ready ??= await gather()
      waiting = ready?.batch.from ?? null
      return ready?.batch ?? null
    },
    sent(n) {
      if (ready === null) return
      flight.push({ ...ready.batch, through: ready.through, n })
      given = ready.through
      repeated += Math.min(resend, ready.batch.lines)
      resend = Math.max(0, resend - ready.batch.lines)
      // Until it is known what comes behind.
      waiting = ready.batch.to
      ready = null
    },
    read(n, last) {
      const known = flight.findLast((one) => one.n <= n)
      if (known !== undefined) options.moved((certain = { ...certain, ...known.through }))
      const open = flight.filter((one) => one.n > n)
      waiting = open[0]?.from ?? waiting
      for (const one of open) if (one.n <= last) resend += one.lines
      flight = []
      ready = null
      given = { ...certain }
    },
    underway: () => flight.reduce((sum, { octets }) => sum + octets.length, 0),
    oldest: () => waiting,
    again: () => repeated,
    close() {
      for (const cursor of cursors.values()) cursor.close()
    },
  }
}

function timeOf(line: Buffer): number {
  const [, at = ''] = TIME.exec(line.toString('latin1', 0, 64)) ?? []
  const ms = Date.parse(at)
  return Number.isNaN(ms) ? 0 : ms
}
