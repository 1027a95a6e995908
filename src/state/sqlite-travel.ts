/** Who travels where, by command of an operator. The changing ones are called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { text, whole } from './rows.ts'
import type { TravelRow } from './store.ts'

/** One journey a user: a second one takes the place of the first. `countries`: codes with a space between. */
export const TRAVEL_TABLE = `
  CREATE TABLE travels (
    user TEXT PRIMARY KEY, countries TEXT NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`

export type Travels = {
  all(): TravelRow[]
  put(travel: TravelRow, now: number, most: number): boolean
  end(user: string): boolean
}

/** Needs a migrated database. */
export function prepareTravels(db: DatabaseSync): Travels {
  const all = db.prepare('SELECT user, countries, until, reason FROM travels ORDER BY user')
  const prune = db.prepare('DELETE FROM travels WHERE until <= ?')
  const others = db.prepare('SELECT count(*) AS number FROM travels WHERE user <> ?')
  const put = db.prepare('INSERT OR REPLACE INTO travels (user, countries, until, reason) VALUES (?, ?, ?, ?)')
  const end = db.prepare('DELETE FROM travels WHERE user = ?')
  return {
    all: () =>
      all.all().map((row) => ({
        user: text(row, 'user'),
        countries: text(row, 'countries').split(' '),
        until: whole(row, 'until'),
        reason: text(row, 'reason'),
      })),
    put({ user, countries, until, reason }, now, most) {
      prune.run(now)
      if (whole(others.get(user) ?? {}, 'number') >= most) return false
      put.run(user, countries.join(' '), until, reason)
      return true
    },
    end: (user) => end.run(user).changes > 0,
  }
}

/** Gives all journeys of a store that may be older than the table. */
export function peekTravels(db: DatabaseSync): TravelRow[] {
  const table = db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'travels'`).get()
  return table === undefined ? [] : prepareTravels(db).all()
}
