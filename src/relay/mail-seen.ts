/** Which messages a session retrieves and deletes (`audit.messages`), as far as the old server confirmed it. Counts are the tally's. */
import { MESSAGES_MARKED_MAX } from '../base/forward-limits.ts'
import type { Expected, Finished } from './follower.ts'

/** Told when it is certain. `octets`: of the message, as it was sent (with dots stuffed). */
export type MailWatch = {
  retrieved(number: number, octets: number): void
  /** `count` of them, of which these are known. */
  deleted(numbers: readonly number[], count: number): void
}

export type MailSeen = {
  /** A run of octets of the reply to a command. */
  run(command: Expected, octets: Buffer): void
  finished(reply: Finished): void
}

const LF = 0x0a
const CR = 0x0d

/** Follows one session. Without anybody who watches it costs nothing. */
export function createMailSeen(watch: MailWatch | null): MailSeen {
  if (watch === null) return { run: () => undefined, finished: () => undefined }
  const marked = new Set<number>()
  let count = 0
  const size = createSize()
  return {
    run(command, octets) {
      if (command.verb === 'RETR') size.add(octets)
    },
    finished({ command: { verb, number = 0 }, ok }) {
      const octets = verb === 'RETR' ? size.take() : 0
      if (!ok) return
      if (verb === 'RETR') watch.retrieved(number, octets)
      if (verb === 'RSET') marked.clear()
      if (verb === 'RSET') count = 0
      if (verb === 'DELE') {
        count++
        if (marked.size < MESSAGES_MARKED_MAX) marked.add(number)
      }
      if (verb === 'QUIT' && count > 0)
        watch.deleted(
          [...marked].sort((a, b) => a - b),
          count,
        )
    },
  }
}

/** Octets behind the status line and before the line that ends the reply. */
function createSize(): { add(run: Buffer): void; take(): number } {
  let inBody = false
  let octets = 0
  let last = 0
  let beforeLast = 0
  return {
    add(run) {
      if (inBody) octets += run.length
      else inBody = run.at(-1) === LF
      beforeLast = run.length > 1 ? (run.at(-2) ?? 0) : last
      last = run.at(-1) ?? 0
    },
    take() {
      const end = beforeLast === CR ? '.\r\n'.length : '.\n'.length
      const body = Math.max(0, octets - end)
      inBody = false
      octets = 0
      return body
    },
  }
}

/** Gives the number in a line such as `RETR 12`; undefined where there is none. */
export function messageNumber(line: Buffer): number | undefined {
  const [, digits] = /^(?:RETR|DELE) (\d{1,9})$/.exec(line.toString('latin1', 0, 32)) ?? []
  return digits === undefined ? undefined : Number(digits)
}
