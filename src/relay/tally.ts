/** What a session did to the maildrop, as far as the old server confirmed it. */
import type { Finished } from './follower.ts'

/** The mail half of SessionCounts; see there for what each means. */
export type Tally = { retrieved: number; deleted: number; marked: number }

/** Nothing done yet. */
export const NOTHING_DONE: Tally = { retrieved: 0, deleted: 0, marked: 0 }

/**
 * Counts one reply. A DELE only marks; RSET takes the marks away; the server deletes at QUIT alone, and says +OK when it
 * removed all that was marked (RFC 1939 sections 5 and 6). Marks stay counted after QUIT: they say what the client wanted.
 */
export function tallied(tally: Tally, { command, ok }: Finished): Tally {
  if (!ok) return tally
  switch (command.verb) {
    case 'RETR':
      return { ...tally, retrieved: tally.retrieved + 1 }
    case 'DELE':
      return { ...tally, marked: tally.marked + 1 }
    case 'RSET':
      return { ...tally, marked: 0 }
    case 'QUIT':
      return { ...tally, deleted: tally.marked }
    default:
      return tally
  }
}
