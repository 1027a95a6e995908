/** Tells the keeper which messages a session retrieves and deletes, once a second at most: a loop of RETR must not fill the audit. */
import { MESSAGES_NUMBERS_MAX, MESSAGES_PIECES_MAX, MESSAGES_REPORT_MS } from '../base/forward-limits.ts'
import { createRanges } from '../base/ranges.ts'
import type { FromFront } from '../keeper/messages.ts'

export type MailReport = {
  retrieved(number: number, octets: number): void
  deleted(numbers: readonly number[], count: number): void
  /** Tells what is left: before the session's last word. */
  flush(): void
}

type News = Extract<FromFront, { kind: 'messages' }>

/** For one session. `after` calls back after so many ms, and gives the way to call it off. */
export function mailReport(
  session: string,
  tell: (news: News) => void,
  after: (ms: number, run: () => void) => () => void = timer,
): MailReport {
  let fresh = createRanges(MESSAGES_PIECES_MAX)
  let count = 0
  let size = 0
  let callOff = () => undefined as void
  const flush = () => {
    callOff()
    if (count === 0) return
    tell({
      kind: 'messages',
      session,
      what: 'retrieved',
      count,
      numbers: fresh.text(MESSAGES_NUMBERS_MAX),
      octets: size,
    })
    fresh = createRanges(MESSAGES_PIECES_MAX)
    count = 0
    size = 0
  }
  return {
    retrieved(number, octets) {
      if (count === 0) callOff = after(MESSAGES_REPORT_MS, flush)
      count++
      size += octets
      fresh.add(number)
    },
    deleted(numbers, all) {
      flush()
      const ranges = createRanges(MESSAGES_PIECES_MAX)
      for (const number of numbers) ranges.add(number)
      tell({ kind: 'messages', session, what: 'deleted', count: all, numbers: ranges.text(MESSAGES_NUMBERS_MAX) })
    },
    flush,
  }
}

function timer(ms: number, run: () => void): () => void {
  const handle = setTimeout(run, ms).unref()
  return () => {
    clearTimeout(handle)
  }
}
