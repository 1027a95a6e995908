/** The tables, and how an older store becomes one of today. */
import type { DatabaseSync } from 'node:sqlite'
import { StateFault } from './fault.ts'
import { APP_PASSWORD_TABLES } from './sqlite-app-passwords.ts'
import { PASSWORD_HASH_TABLES } from './sqlite-password-hashes.ts'
import { PEOPLE_TABLES } from './sqlite-people.ts'
import { TRAVEL_TABLE } from './sqlite-travel.ts'
import { FAILURES_SQL } from './sqlite-failures.ts'

/**
 * One entry a version; never changed once released, only followed by another.
 * `heads`: where the audit's streams stand.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE users (
    name TEXT PRIMARY KEY, enrolment TEXT, seed BLOB, enrolled_at INTEGER, first_used INTEGER,
    last_step INTEGER, last_step_device TEXT, frozen_at INTEGER, frozen_reason TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE claims (
    user TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, mac BLOB NOT NULL, device TEXT NOT NULL,
    outcome TEXT CHECK (outcome IN ('proven', 'burnt')), at INTEGER NOT NULL,
    PRIMARY KEY (user, kind, number, mac, device)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX claims_by_age ON claims (at);
  CREATE TABLE trusted (
    user TEXT NOT NULL, device TEXT NOT NULL, mac BLOB NOT NULL, bare_mac BLOB, network TEXT NOT NULL,
    fingerprint TEXT NOT NULL, since INTEGER NOT NULL, last_used INTEGER NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (user, device, mac)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE recovery (
    user TEXT NOT NULL, slot INTEGER NOT NULL, mac BLOB NOT NULL, used_at INTEGER, PRIMARY KEY (user, slot)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE logins (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, at INTEGER NOT NULL, ip TEXT NOT NULL, factor TEXT NOT NULL,
    listener TEXT NOT NULL
  ) STRICT;
  CREATE INDEX logins_by_user ON logins (user, id);
  CREATE TABLE networks (
    user TEXT NOT NULL, network TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (user, network)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE heads (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE passes (network TEXT PRIMARY KEY, until INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  APP_PASSWORD_TABLES,
  PASSWORD_HASH_TABLES,
  PEOPLE_TABLES,
  TRAVEL_TABLE,
  FAILURES_SQL,
]

/** Tells whether a store is of today's version: what reads it without the lock must not change it. */
export function isCurrent(db: DatabaseSync): boolean {
  const table = db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'`).get()
  if (table === undefined) return false
  return Number(db.prepare('SELECT max(version) AS version FROM migrations').get()?.['version']) === MIGRATIONS.length
}

/**
 * Brings a store to today's version, each step in a transaction of its own. `at` goes into the migration table.
 * Throws {@link StateFault} `version` for a store that a newer Postern made.
 */
export function migrate(db: DatabaseSync, at: number): void {
  db.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT')
  const found = Number(db.prepare('SELECT coalesce(max(version), 0) AS version FROM migrations').get()?.['version'])
  if (found > MIGRATIONS.length) {
    throw new StateFault(
      'version',
      `the store is of version ${found}, this postern knows ${MIGRATIONS.length}: use the newer one`,
    )
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < found) continue
    db.exec('BEGIN IMMEDIATE')
    try {
      db.exec(sql)
      db.prepare('INSERT INTO migrations (version, at) VALUES (?, ?)').run(index + 1, at)
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
}
