/** The report by day, and by day and user. */
import { writeDay } from '../base/day.ts'
import { REPORT_ROWS_MAX, REPORT_STRANGERS_MAX, REPORT_USERS_MAX } from '../base/audit-limits.ts'
import { count, countsOf, OTHERS, type Counts } from './counts.ts'
import type { Recorded } from './recorded.ts'

export type DayRow = {
  day: string
  logins: number
  refused: Record<string, number>
  new_devices: number
  /** Connections turned away, by rule; and those that a check in monitor mode would have. */
  denied: Record<string, number>
  would_deny: Record<string, number>
}

/** `user` is `(others)` for names beyond the ceilings. */
export type UserRow = {
  day: string
  user: string
  logins: number
  factors: Record<string, number>
  refused: Record<string, number>
  countries: Record<string, number>
  new_devices: number
}

export type Rows = {
  take(record: Recorded): void
  days(): DayRow[]
  users(): UserRow[]
}

type Day = { logins: number; refused: Counts; devices: number; denied: Counts; would: Counts }
/** Most users have none of this or that: 200,000 rows of empty tables would take 200 MB. */
type User = { logins: number; devices: number } & { [K in 'factors' | 'refused' | 'countries']?: Counts }

/** Gives empty tables. Their ceilings are in `limits.ts`; what is beyond them counts in the sums of the day. */
export function createRows(max = { rows: REPORT_ROWS_MAX, strangers: REPORT_STRANGERS_MAX }): Rows {
  const days = new Map<string, Day>()
  const users = new Map<string, Map<string, User>>()
  const proven = new Set<string>()
  const strangers = new Set<string>()
  let rows = 0

  const dayOf = (day: string): Day => {
    const standing = days.get(day) ?? { logins: 0, refused: new Map(), devices: 0, denied: new Map(), would: new Map() }
    days.set(day, standing)
    return standing
  }

  /** ATTACK: a guesser's million names push the users out of the table. Names that never logged in have a small one of their own. */
  const shown = (name: string, succeeded: boolean): string => {
    if (succeeded && proven.size < REPORT_USERS_MAX) proven.add(name)
    if (proven.has(name) || strangers.has(name)) return name
    if (strangers.size >= max.strangers) return OTHERS
    strangers.add(name)
    return name
  }

  const userOf = (day: string, name: string): User => {
    const ofDay = users.get(day) ?? new Map<string, User>()
    users.set(day, ofDay)
    const key = ofDay.has(name) || rows < max.rows ? name : OTHERS
    const standing = ofDay.get(key)
    if (standing !== undefined) return standing
    rows++
    const fresh: User = { logins: 0, devices: 0 }
    ofDay.set(key, fresh)
    return fresh
  }

  return {
    take(record) {
      const { action, user = '', country, reason = '', rule } = record
      const day = writeDay(record.at)
      const sums = dayOf(day)
      const row = () => userOf(day, shown(user, action === 'login-succeeded'))
      if (action === 'connection-denied') count(sums.denied, rule?.rule ?? '', record.count)
      else if (action === 'connection-would-deny') count(sums.would, rule?.rule ?? '', record.count)
      else if (action === 'login-failed') {
        count(sums.refused, reason, record.count)
        const refused = row()
        count((refused.refused ??= new Map()), reason, record.count)
      } else if (action === 'device-trusted') {
        sums.devices++
        row().devices++
      } else if (action === 'login-succeeded') {
        sums.logins++
        const one = row()
        one.logins++
        count((one.factors ??= new Map()), record.factor ?? '')
        if (country !== undefined) count((one.countries ??= new Map()), country)
      }
    },
    days: () => [...days].sort(byName).map(([day, sums]) => dayRow(day, sums)),
    users() {
      return [...users].sort(byName).flatMap(([day, ofDay]) => {
        const sorted = [...ofDay].sort((a, b) => b[1].logins - a[1].logins || byName(a, b))
        return sorted.map(([user, sums]) => userRow(day, user, sums))
      })
    },
  }
}

const NONE: Counts = new Map()

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]) => (a[0] < b[0] ? -1 : 1)

function dayRow(day: string, { logins, refused, devices, denied, would }: Day): DayRow {
  return {
    day,
    logins,
    refused: countsOf(refused),
    new_devices: devices,
    denied: countsOf(denied),
    would_deny: countsOf(would),
  }
}

function userRow(day: string, user: string, { logins, factors, refused, countries, devices }: User): UserRow {
  return {
    day,
    user,
    logins,
    factors: countsOf(factors ?? NONE),
    refused: countsOf(refused ?? NONE),
    countries: countsOf(countries ?? NONE),
    new_devices: devices,
  }
}
