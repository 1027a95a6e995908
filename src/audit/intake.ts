/** What comes in: summed where strangers cause it, counted where it finds no room, otherwise handed to the writer of its stream. */
import type { Clock } from '../base/clock.ts'
import { AUDIT_ACCESS_QUEUE_MAX, AUDIT_QUEUE_MAX } from '../base/audit-limits.ts'
import { STREAMS, type AuditEvent, type Stream } from './events.ts'
import { bodyOf } from './line.ts'
import type { Writers } from './open-writers.ts'
import { createTally } from './tally.ts'

export type Intake = {
  take(event: AuditEvent): void
  /** Takes a line as it is. Gives whether it found room. */
  put(event: AuditEvent): boolean
  /** Writes the sums of a minute that is over, and tells what was lost. */
  tick(): void
  /** Lines of auth, session and admin that were lost and not told of yet. */
  lostOurs(): number
  /** Writes all sums that stand; what comes then is lost. */
  close(): void
}

/** Needs the writers; `traffic` is told of every line. */
export function createIntake(writers: Writers, clock: Clock, traffic: () => void): Intake {
  const tally = createTally()
  const lost: Record<Stream, number> = { access: 0, auth: 0, session: 0, admin: 0 }
  let closed = false

  const put = (event: AuditEvent): boolean => {
    traffic()
    const fits = !closed && !isFull(event.stream, writers)
    if (fits) writers[event.stream].push(bodyOf(event, clock.now()))
    else lost[event.stream]++
    return fits
  }

  const sums = (events: ReturnType<typeof tally.flush>) => {
    for (const event of events) put({ stream: 'access', ...event })
  }

  /** The gap goes on record once the stream that lost lines works again; this line itself finds room whatever waits. */
  const tellLost = () => {
    if (writers.admin.failure() !== null) return
    for (const stream of STREAMS) {
      const lines = lost[stream]
      if (lines === 0 || writers[stream].failure() !== null || isFull(stream, writers)) continue
      lost[stream] = 0
      const told: AuditEvent = { stream: 'admin', action: 'audit-dropped', file: writers[stream].name, lines }
      writers.admin.push(bodyOf(told, clock.now()))
    }
  }

  return {
    take(event) {
      if (event.stream !== 'access') put(event)
      else sums(tally.take(event, clock.monotonic()))
    },
    put,
    tick() {
      sums(tally.due(clock.monotonic()))
      tellLost()
    },
    lostOurs: () => lost.auth + lost.session + lost.admin,
    close() {
      sums(tally.flush())
      tellLost()
      closed = true
    },
  }
}

/** Access gives way first: strangers fill a part of the queue only. */
function isFull(stream: Stream, writers: Writers): boolean {
  if (stream === 'access') return writers.access.waiting() > AUDIT_ACCESS_QUEUE_MAX
  return STREAMS.reduce((sum, one) => sum + writers[one].waiting(), 0) > AUDIT_QUEUE_MAX
}
