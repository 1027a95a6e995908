/** App passwords. The changing ones are called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { APP_PASSWORD_USED_EVERY_MS } from '../base/login-limits.ts'
import { blob, blobOrNull, text, textOrNull, whole, wholeOrNull, type Row } from './rows.ts'
import type { AppPassword, ByAppPassword, Resealed } from './store.ts'

export const APP_PASSWORD_TABLES = `
  CREATE TABLE app_passwords (
    user TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, lookup BLOB NOT NULL, public BLOB NOT NULL, sealed BLOB,
    sealed_at INTEGER, networks TEXT NOT NULL, learnt TEXT, created_at INTEGER NOT NULL, expires INTEGER,
    last_used INTEGER, stale_since INTEGER, PRIMARY KEY (user, id), UNIQUE (user, name)
  ) STRICT, WITHOUT ROWID;
  `

export type AppPasswords = {
  all(user: string): AppPassword[]
  add(user: string, row: AppPassword, most: number): 'added' | 'exists' | 'full'
  revoke(user: string, name: string): boolean
  /** Gives their names. */
  revokeAll(user: string): string[]
  /** A use was proven. False when it is gone since the judgement, or has learnt another network. */
  use(user: string, by: ByAppPassword, network: string, at: number): boolean
  reseal(user: string, resealed: readonly Resealed[], at: number): void
  markStale(user: string, by: ByAppPassword, at: number): boolean
}

/** Needs a migrated database. */
export function prepareAppPasswords(db: DatabaseSync): AppPasswords {
  const all = db.prepare('SELECT * FROM app_passwords WHERE user = ?')
  const revoke = db.prepare('DELETE FROM app_passwords WHERE user = ? AND name = ?')
  const revokeAll = db.prepare('DELETE FROM app_passwords WHERE user = ?')
  const reseal = db.prepare(
    'UPDATE app_passwords SET sealed = ?, sealed_at = ?, stale_since = NULL WHERE user = ? AND id = ?',
  )
  const stale = db.prepare(
    `UPDATE app_passwords SET stale_since = ?1 WHERE user = ?2 AND id = ?3 AND sealed_at IS ?4 AND stale_since IS NULL`,
  )
  // Put in order here: SQLite prepares to sort also where there is nothing, and most users have none.
  const read = (user: string) => all.all(user).map(readAppPassword).sort(byAge)
  return {
    all: read,
    add: prepareAdd(db, read),
    revoke: (user, name) => revoke.run(user, name).changes > 0,
    revokeAll(user) {
      const names = read(user).map(({ name }) => name)
      revokeAll.run(user)
      return names
    },
    use: prepareUse(db),
    reseal(user, resealed, at) {
      for (const { id, sealed } of resealed) reseal.run(sealed, at, user, id)
    },
    markStale: (user, { id, sealedAt }, at) => stale.run(at, user, id, sealedAt).changes > 0,
  }
}

function byAge(a: AppPassword, b: AppPassword): number {
  return a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1)
}

function prepareAdd(db: DatabaseSync, read: (user: string) => AppPassword[]): AppPasswords['add'] {
  const know = db.prepare('INSERT OR IGNORE INTO users (name) VALUES (?)')
  const put = db.prepare('INSERT INTO app_passwords VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  return (user, row, most) => {
    const others = read(user)
    if (others.some(({ name }) => name === row.name)) return 'exists'
    if (others.length >= most) return 'full'
    know.run(user)
    const { id, name, lookup, sealedPublic, sealed, sealedAt, networks, learnt } = row
    const { createdAt, expires, lastUsed, staleSince } = row
    put.run(user, id, name, lookup, sealedPublic, sealed, sealedAt, networks, learnt, createdAt, expires, lastUsed, staleSince) // prettier-ignore
    return 'added'
  }
}

/**
 * Two connections of one program may be the first use together; two from different networks may not both be: the one that
 * is proven first teaches the network, and the other one is void.
 */
function prepareUse(db: DatabaseSync): AppPasswords['use'] {
  const find = db.prepare('SELECT * FROM app_passwords WHERE user = ? AND id = ?')
  const note = db.prepare(
    'UPDATE app_passwords SET learnt = ?, last_used = ?, stale_since = ? WHERE user = ? AND id = ?',
  )
  return (user, by, network, at) => {
    const found = find.get(user, by.id)
    if (found === undefined) return false
    const row = readAppPassword(found)
    const learns = row.networks === 'learn'
    if (learns && row.learnt !== null && row.learnt !== by.learnt && row.learnt !== network) return false
    const learnt = learns ? (row.learnt ?? network) : null
    const isDue = row.lastUsed === null || at - row.lastUsed >= APP_PASSWORD_USED_EVERY_MS
    // What was sealed meanwhile is another password: its staleness is not disproven by this use.
    const staleSince = row.sealedAt === by.sealedAt ? null : row.staleSince
    if (isDue || learnt !== row.learnt || staleSince !== row.staleSince)
      note.run(learnt, isDue ? at : row.lastUsed, staleSince, user, by.id)
    return true
  }
}

function readAppPassword(row: Row): AppPassword {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    lookup: blob(row, 'lookup'),
    sealedPublic: blob(row, 'public'),
    sealed: blobOrNull(row, 'sealed'),
    sealedAt: wholeOrNull(row, 'sealed_at'),
    networks: text(row, 'networks'),
    learnt: textOrNull(row, 'learnt'),
    createdAt: whole(row, 'created_at'),
    expires: wholeOrNull(row, 'expires'),
    lastUsed: wholeOrNull(row, 'last_used'),
    staleSince: wholeOrNull(row, 'stale_since'),
  }
}
