/**
 * What the streams say, put together again: one visit for each connection, in the order in which they came. A connection that got a place
 * is found by its session; one that the gate turned away has a line of its own, or is one of a sum.
 */
import { createHeap } from '../base/heap.ts'
import { REPLAY_HELD_MAX, REPLAY_ORDER_MS } from '../base/audit-limits.ts'
import type { RuleAt } from './events.ts'
import { text, type Recorded } from './recorded.ts'

/** One try to log in. `reason` is null when it succeeded. */
export type Try = {
  at: number
  user: string
  reason: string | null
  factor: string | undefined
  by: RuleAt | undefined
}

/** A DNS list that had the address when a login was tried; `denied`: its word counted. */
export type Listed = { zone: string; answer: string; denied: boolean; by: RuleAt }

/** Times are ms since 1970. `end`: when the connection was known last to wait for a login. */
export type Visit = {
  at: number
  end: number
  ip: string
  listener: string
  /** More than one: a sum, of which `ip` is the last address and `network` says where all came from. */
  count: number
  network: string | undefined
  session: string | undefined
  /** What turned it away before it got a place, or null. */
  denied: RuleAt | null
  tries: Try[]
  listed: Listed[]
  /** False where the time of arrival is not on record: `at` is that of the first line then. */
  timed: boolean
}

export type Visits = {
  /** Takes the lines of access, auth and session in the order of their times; gives the visits that are complete by then. */
  take(record: Recorded): Visit[]
  /** Gives those that are left. */
  end(): Visit[]
  /** Lines that came after their visit was given: they are in none. */
  late(): number
}

const ZONE = 'dnsbl.'
/** These say that a connection held a place. `session-closed` does not: it may be of one that came days ago. */
const OF_SESSION: ReadonlySet<string> = new Set([
  'connection-closed',
  'tls-failed',
  'protocol-violation',
  'login-failed',
  'login-succeeded',
  'session-opened',
  'connection-denied',
  'connection-would-deny',
])
const SUMMED: ReadonlySet<string> = new Set(['connection-denied', 'connection-closed', 'tls-failed'])

/** Gives one that has seen nothing. Ceiling: {@link REPLAY_HELD_MAX} visits; beyond it the oldest are given early. */
export function createVisits(): Visits {
  const queue = createHeap<Visit>()
  const open = new Map<string, Visit>()
  const given = new Set<string>()
  let late = 0

  const release = (before: number): Visit[] => {
    const out: Visit[] = []
    for (let at = queue.least(); at !== null && (at < before || queue.size() > REPLAY_HELD_MAX); at = queue.least()) {
      const visit = queue.pop()
      if (visit === undefined) break
      if (visit.session !== undefined) remember(visit.session)
      out.push(visit)
    }
    return out
  }

  const remember = (session: string) => {
    open.delete(session)
    given.add(session)
    const [oldest] = given
    if (given.size > REPLAY_HELD_MAX && oldest !== undefined) given.delete(oldest)
  }

  const ofSession = (record: Recorded, session: string): void => {
    if (given.has(session)) return void late++
    const visit = open.get(session) ?? visitOf(record)
    if (!open.has(session)) {
      open.set(session, visit)
      queue.push(visit.at, visit)
    }
    visit.end = Math.max(visit.end, record.at)
    const attempt = tryOf(record)
    if (attempt !== null) visit.tries.push(attempt)
    const listed = listedOf(record)
    if (listed !== null) visit.listed.push(listed)
  }

  return {
    take(record) {
      const { action, session } = record
      if (session !== undefined && OF_SESSION.has(action)) ofSession(record, session)
      else if (session === undefined && SUMMED.has(action)) {
        const visit = visitOf(record)
        queue.push(visit.at, visit)
      }
      return release(record.at - REPLAY_ORDER_MS)
    },
    end: () => release(Infinity),
    late: () => late,
  }
}

function visitOf({ at, connected, ip = '', listener = '', count, network, session, action, rule }: Recorded): Visit {
  const denied = action === 'connection-denied' && session === undefined ? (rule ?? null) : null
  const came = connected ?? at
  const timed = connected !== undefined || denied !== null
  return { at: came, end: at, ip, listener, count, network, session, denied, tries: [], listed: [], timed }
}

function tryOf({ at, action, user = '', reason, factor, rule }: Recorded): Try | null {
  if (action === 'login-succeeded') return { at, user, reason: null, factor, by: undefined }
  // The line of a DNS list stands beside it and says more.
  if (action !== 'login-failed' || rule?.rule.startsWith(ZONE) === true) return null
  return { at, user, reason: reason ?? '', factor, by: rule }
}

function listedOf({ action, rule, detail }: Recorded): Listed | null {
  const isDenied = action === 'connection-denied'
  if ((!isDenied && action !== 'connection-would-deny') || rule?.rule.startsWith(ZONE) !== true) return null
  return { zone: rule.rule.slice(ZONE.length), answer: text(detail['answer']) ?? '', denied: isDenied, by: rule }
}
