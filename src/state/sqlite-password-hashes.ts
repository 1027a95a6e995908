/** The last proven mailbox password of each user, as a sealed argon2id hash. `keep` is called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { blob } from './rows.ts'

export const PASSWORD_HASH_TABLES = `
  CREATE TABLE password_hashes (user TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
  `

export type PasswordHashes = {
  keep(user: string, enrolment: string, sealedHash: Buffer): void
  find(user: string): Buffer | null
  exposure(user: string, network: string): { sealedHash: Buffer | null; known: boolean }
}

/** Needs a migrated database. */
export function preparePasswordHashes(db: DatabaseSync): PasswordHashes {
  // A hash takes its time: the user it was made for may be gone by now, and must not come back by it.
  const keep = db.prepare(
    `INSERT INTO password_hashes (user, sealed) SELECT name, ?1 FROM users WHERE name = ?2 AND enrolment = ?3
       ON CONFLICT (user) DO UPDATE SET sealed = excluded.sealed`,
  )
  const sealed = db.prepare('SELECT sealed FROM password_hashes WHERE user = ?')
  const find = (user: string) => {
    const row = sealed.get(user)
    return row === undefined ? null : blob(row, 'sealed')
  }
  const network = db.prepare('SELECT 1 FROM networks WHERE user = ? AND network = ?')
  return {
    keep: (user, enrolment, sealedHash) => void keep.run(sealedHash, user, enrolment),
    find,
    exposure: (user, name) => ({ sealedHash: find(user), known: network.get(user, name) !== undefined }),
  }
}
