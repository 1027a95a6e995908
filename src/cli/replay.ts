/** Compares what a candidate policy would have done with what is on record. */
import type { RuleAt } from '../audit/events.ts'
import type { Try, Visit } from '../audit/visits.ts'
import { REPLAY_EXAMPLES, REPLAY_ROWS_MAX } from '../base/audit-limits.ts'
import type { Candidate, Judged } from './replay-candidate.ts'

export type Example = { at: string; ip: string; country: string | null; count: number; user: string | null }

/** All that differs by one rule. `users` logged in, `more` are not named. */
export type Row = {
  rule: string
  file: string
  line: number
  count: number
  users: string[]
  more_users: number
  examples: Example[]
}

export type Comparison = {
  connections: {
    judged: number
    newly_denied: Row[]
    newly_admitted: Row[]
    /** Turned away then and now, by another rule. */
    otherwise_denied: number
    /** Turned away by what is not replayed: ceilings, listeners. */
    left_out: number
    /** Of sums: judged by lists and countries of the last address, as arrivals are not on record one by one. */
    summed: number
    /** Of sums, by a rate or into one: nobody can tell. */
    unsure: number
    /** Without the time at which they came: rates count them at their first line. */
    untimed: number
  }
  logins: {
    judged: number
    newly_refused: Row[]
    /** Refused by a rule then, and by none now: password and code would still have to be right. */
    newly_judged: Row[]
  }
  /** Who logged in then and would not have now. */
  users_hit: { names: string[]; more: number }
}

export type Replay = {
  /** Needs visits in the order in which they came. */
  take(visit: Visit): void
  result(): Comparison
}

const REPLAYED = /^(networks|reputation|geofence|rates)\./

/** Needs the candidate; gives a comparison of nothing yet. */
export function createReplay(candidate: Candidate): Replay {
  const [denied, admitted, refused, judged] = [createRows(), createRows(), createRows(), createRows()]
  const sums = { judged: 0, otherwise_denied: 0, left_out: 0, summed: 0, unsure: 0, untimed: 0 }
  const hit = new Set<string>()
  let logins = 0

  const connection = (visit: Visit, now: Judged): void => {
    const { denied: was, count } = visit
    if (was !== null && !REPLAYED.test(was.rule)) return void (sums.left_out += count)
    sums.judged += count
    if (count > 1) sums.summed += count
    if (!visit.timed) sums.untimed += count
    if (now.unsure && (was === null || was.rule.startsWith('rates.'))) return void (sums.unsure += count)
    if (was === null && now.gate !== null) denied.add(now.gate, visit, now.country, loggedIn(visit, hit))
    else if (was !== null && now.gate === null) admitted.add(was, visit, now.country, [])
    else if (was !== null && now.gate !== null && !isSame(was, now.gate)) sums.otherwise_denied += count
  }

  const zones = (visit: Visit, now: Judged): boolean => {
    for (const { was, now: by } of now.listed) {
      if (was.denied && by === null) admitted.add(was.by, visit, now.country, [])
      if (!was.denied && by !== null) denied.add(by, visit, now.country, loggedIn(visit, hit))
    }
    return now.listed.some((one) => one.now !== null)
  }

  const login = (visit: Visit, attempt: Try, by: RuleAt | null, country: string | null) => {
    logins++
    const was = attempt.reason === 'rule' ? (attempt.by ?? UNNAMED) : null
    if (attempt.reason === null && by !== null) {
      hit.add(attempt.user)
      refused.add(by, visit, country, [attempt.user], attempt.user)
    } else if (was !== null && by === null) judged.add(was, visit, country, [attempt.user], attempt.user)
  }

  return {
    take(visit) {
      const now = candidate.judge(visit)
      connection(visit, now)
      if (visit.denied !== null || now.gate !== null) return
      if (zones(visit, now)) return
      for (const [i, attempt] of visit.tries.entries()) login(visit, attempt, now.tries[i] ?? null, now.country)
    },
    result: () => ({
      connections: { ...sums, newly_denied: denied.rows(), newly_admitted: admitted.rows() },
      logins: { judged: logins, newly_refused: refused.rows(), newly_judged: judged.rows() },
      users_hit: { names: [...hit].slice(0, REPLAY_ROWS_MAX), more: Math.max(0, hit.size - REPLAY_ROWS_MAX) },
    }),
  }
}

const UNNAMED: RuleAt = { file: '', line: 0, rule: 'rule' }

const isSame = (a: RuleAt, b: RuleAt) => a.rule === b.rule && a.file === b.file

/** The users who got in by this visit; they would not have. */
function loggedIn({ tries }: Visit, hit: Set<string>): string[] {
  const users = tries.filter(({ reason }) => reason === null).map(({ user }) => user)
  for (const user of users) hit.add(user)
  return users
}

type Rows = {
  add(by: RuleAt, visit: Visit, country: string | null, users: string[], user?: string): void
  rows(): Row[]
}

const OTHERS: RuleAt = { file: '', line: 0, rule: '(others)' }

/** By rule, file and line; what comes beyond the ceiling goes into one row. */
function createRows(): Rows {
  const table = new Map<string, Row & { all: Set<string> }>()
  const rowOf = (by: RuleAt): Row & { all: Set<string> } => {
    const key = JSON.stringify([by.rule, by.file, by.line])
    const standing = table.get(key)
    if (standing !== undefined) return standing
    if (table.size >= REPLAY_ROWS_MAX && by !== OTHERS) return rowOf(OTHERS)
    const row = { ...by, count: 0, users: [], more_users: 0, examples: [], all: new Set<string>() }
    table.set(key, row)
    return row
  }
  return {
    add(by, { at, ip, count }, country, users, user) {
      const row = rowOf(by)
      row.count += count
      for (const one of users) if (row.all.size < REPLAY_ROWS_MAX) row.all.add(one)
      if (row.examples.length >= REPLAY_EXAMPLES) return
      row.examples.push({ at: new Date(at).toISOString(), ip, country, count, user: user ?? users[0] ?? null })
    },
    rows: () =>
      [...table.values()]
        .sort((a, b) => b.count - a.count)
        .map(({ all, ...row }) => {
          const users = [...all].slice(0, REPLAY_EXAMPLES)
          return { ...row, users, more_users: all.size - users.length }
        }),
  }
}
