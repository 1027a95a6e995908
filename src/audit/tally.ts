/**
 * Sums up floods of strangers: the first {@link TALLY_LINES} events of one action, rule (or reason) and network in a minute are
 * written as they are, the rest becomes one line with `event.count` when the minute is over. Attack: a flood of denied connections
 * that fills the disk or hides one line among millions. Pure: time comes in as an argument.
 */
import { networkOf, parseAddress } from '../base/ip.ts'
import { TALLY_KEYS_MAX, TALLY_LINES, TALLY_RULES_MAX, TALLY_WINDOW_MS } from '../base/audit-limits.ts'
import { never } from '../base/never.ts'
import type { AccessEvent } from './events.ts'

export type Tally = {
  /** Needs an event and the time (monotonic ms). Gives what is to be written now, in this order. */
  take(event: AccessEvent, now: number): AccessEvent[]
  /** Gives the sums of a minute that is over at `now`. */
  due(now: number): AccessEvent[]
  /** Gives all sums that stand, whatever the time: for the stop. */
  flush(): AccessEvent[]
}

type Sum = { lines: number; rest: number; last: AccessEvent; network: string }

/** What stands where a name would be when too many different ones came. */
const ANY = '*'

/** What one customer or site usually holds, as the rate limits have it. */
const NETWORK = { ipv4: 24, ipv6: 56 }

/** Gives an empty tally. Its ceiling: {@link TALLY_KEYS_MAX} networks, then {@link TALLY_RULES_MAX} rules at a time. */
export function createTally(): Tally {
  let sums = new Map<string, Sum>()
  let opened = -Infinity

  const flush = (): AccessEvent[] => {
    const full = [...sums.values()].filter((sum) => sum.rest > 0)
    sums = new Map()
    return full.map(({ last, rest, network }) => summed(last, rest, network))
  }

  const due = (now: number): AccessEvent[] => (now - opened < TALLY_WINDOW_MS ? [] : flush())

  /** Nothing is lost when the table is full: first networks, then rules are thrown together. */
  const place = (event: AccessEvent): { sum: Sum; event: AccessEvent } => {
    const cause = causeOf(event)
    const address = parseAddress(event.connection.ip)
    const network = address === null ? ANY : networkOf(address, NETWORK)
    const narrow = keyOf(event.action, cause, network)
    if (sums.has(narrow) || sums.size < TALLY_KEYS_MAX) return { sum: sumAt(sums, narrow, event, network), event }
    const wide = keyOf(event.action, cause, ANY)
    if (sums.has(wide) || sums.size < TALLY_KEYS_MAX + TALLY_RULES_MAX) {
      return { sum: sumAt(sums, wide, event, ANY), event }
    }
    const last = withoutCause(event)
    return { sum: sumAt(sums, keyOf(event.action, causeOf(last), ANY), last, ANY), event: last }
  }

  return {
    take(event, now) {
      const before = due(now)
      if (sums.size === 0) opened = now
      const { sum, event: placed } = place(event)
      if (sum.lines < TALLY_LINES) {
        sum.lines++
        return [...before, event]
      }
      sum.rest += event.count ?? 1
      sum.last = placed
      return before
    },
    due,
    flush,
  }
}

function sumAt(sums: Map<string, Sum>, key: string, event: AccessEvent, network: string): Sum {
  const standing = sums.get(key)
  if (standing !== undefined) return standing
  const fresh = { lines: 0, rest: 0, last: event, network }
  sums.set(key, fresh)
  return fresh
}

function keyOf(action: string, cause: string, network: string): string {
  return JSON.stringify([action, cause, network])
}

function causeOf(event: AccessEvent): string {
  switch (event.action) {
    case 'connection-denied':
    case 'connection-would-deny':
      return event.by.rule
    case 'connection-closed':
    case 'tls-failed':
    case 'protocol-violation':
      return event.reason
    default:
      return never(event)
  }
}

/** One sum over many rules must not name one of them. Endings are few and ours: they stay. */
function withoutCause(event: AccessEvent): AccessEvent {
  switch (event.action) {
    case 'connection-denied':
    case 'connection-would-deny':
      return { ...event, by: { file: '', line: 0, rule: ANY } }
    case 'tls-failed':
    case 'protocol-violation':
      return { ...event, reason: ANY }
    case 'connection-closed':
      return event
    default:
      return never(event)
  }
}

/** The line that stands for many: what belonged to one connection alone (its id, its TLS, its port) is left out. */
function summed(last: AccessEvent, count: number, network: string): AccessEvent {
  const { listener, ip } = last.connection
  return { ...last, connection: { listener, ip, port: 0 }, count, network }
}
