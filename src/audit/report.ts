/** The audit summed up for who has to answer for it. Reads each line once, in bounded memory. */
import type { Trouble } from './cursor.ts'
import { STREAMS } from './events.ts'
import { createRunning, type Running } from './report-admin.ts'
import { createWatcher, type Findings } from './report-findings.ts'
import { createRows, type DayRow, type UserRow } from './report-rows.ts'
import type { Limited } from './counts.ts'
import { readRecord, timeOf } from './recorded.ts'
import { readWanted } from './window.ts'

export type Report = {
  /** ISO 8601; `to` is the first moment that is out. */
  from: string
  to: string
  /** The oldest line on disk: so far back reaches what is called usual. Null for an empty audit. */
  reaches_back: string | null
  lines: number
  /** Lines that could not be understood, and places where lines are missing or cannot be read. */
  unread: number
  troubles: Limited<string>
  days: DayRow[]
  users: UserRow[]
  look_at: Findings
  running: Running
}

const TROUBLES_MAX = 100
/** The lines from before the time that say what is usual. */
const USUAL = ['"action":"login-succeeded"', '"action":"session-closed"'].map((text) => Buffer.from(text))

/** Needs the audit's folder and the time (ms since 1970, `until` is out). Throws when a file may not be read. */
export async function makeReport(folder: string, since: number, until: number, trouble: Trouble): Promise<Report> {
  const [rows, watcher, keeper] = [createRows(), createWatcher(), createRunning()]
  const sums = { lines: 0, unread: 0, oldest: null as string | null }
  const troubles: Limited<string> = { list: [], more: 0 }
  const told: Trouble = (file, what) => {
    trouble(file, what)
    if (troubles.list.length < TROUBLES_MAX) troubles.list.push(`${file}: ${what}`)
    else troubles.more++
  }
  for (const stream of STREAMS) {
    for await (const lines of readWanted(folder, stream, stream === 'access' ? { since, until } : { until }, told)) {
      for (const line of lines) {
        const time = timeOf(line)
        if (time !== null && (sums.oldest === null || time < sums.oldest)) sums.oldest = time
        const isBefore = time !== null && Date.parse(time) < since
        if (isBefore && stream !== 'admin' && !USUAL.some((word) => line.includes(word))) continue
        const record = readRecord(line)
        if (record === null) sums.unread++
        else if (isBefore) {
          watcher.before(record)
          keeper.before(record)
        } else {
          sums.lines++
          rows.take(record)
          watcher.take(record)
          keeper.take(record)
        }
      }
    }
  }
  return {
    from: new Date(since).toISOString(),
    to: new Date(until).toISOString(),
    reaches_back: sums.oldest,
    lines: sums.lines,
    unread: sums.unread,
    troubles,
    days: rows.days(),
    users: rows.users(),
    look_at: watcher.findings(),
    running: keeper.running(),
  }
}
