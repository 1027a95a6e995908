/** Break-glass passes. The changing ones are called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { text, whole } from './rows.ts'
import type { PassRow } from './store.ts'

export type Passes = {
  all(): PassRow[]
  give(pass: PassRow, now: number, most: number): boolean
  end(network: string): boolean
}

/** Needs a migrated database. */
export function preparePasses(db: DatabaseSync): Passes {
  const all = db.prepare('SELECT network, until, reason FROM passes ORDER BY until')
  const prune = db.prepare('DELETE FROM passes WHERE until <= ?')
  const others = db.prepare('SELECT count(*) AS number FROM passes WHERE network <> ?')
  const put = db.prepare('INSERT OR REPLACE INTO passes (network, until, reason) VALUES (?, ?, ?)')
  const end = db.prepare('DELETE FROM passes WHERE network = ?')
  return {
    all: () =>
      all
        .all()
        .map((row) => ({ network: text(row, 'network'), until: whole(row, 'until'), reason: text(row, 'reason') })),
    give({ network, until, reason }, now, most) {
      prune.run(now)
      if (whole(others.get(network) ?? {}, 'number') >= most) return false
      put.run(network, until, reason)
      return true
    },
    end: (network) => end.run(network).changes > 0,
  }
}
