/** Who is enrolled. The changing ones are called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { blob, blobOrNull, text, textOrNull, whole, wholeOrNull, type Row } from './rows.ts'
import {
  USER_STATES,
  type EnrolAnswer,
  type NewEnrolment,
  type RecoveryCode,
  type User,
  type UserRow,
  type UserState,
} from './store.ts'

export type Users = {
  find(name: string): User | null
  recovery(name: string): RecoveryCode[]
  all(): UserRow[]
  count(): Record<UserState, number>
  enroll(enrolment: NewEnrolment): EnrolAnswer
  remove(name: string): boolean
  freeze(name: string, frozen: { at: number; reason: string } | null): void
}

/** A freeze hides what lies under it, and lifting it brings that back. */
const STATE = `CASE WHEN frozen_at IS NOT NULL THEN 'frozen' WHEN seed IS NULL THEN 'none'
  WHEN first_used IS NULL THEN 'pending' ELSE 'enrolled' END AS state`
const OF_USERS = ['claims', 'trusted', 'recovery', 'logins', 'networks']

/** Needs a migrated database. */
export function prepareUsers(db: DatabaseSync): Users {
  const find = db.prepare(
    `SELECT name, enrolment, seed, enrolled_at, first_used, last_step, ${STATE} FROM users WHERE name = ?`,
  )
  const recovery = db.prepare('SELECT slot, mac, used_at FROM recovery WHERE user = ? ORDER BY slot')
  const all = db.prepare(
    `SELECT name, enrolled_at, ${STATE}, (SELECT max(at) FROM logins WHERE user = name) AS last_login FROM users ORDER BY name`,
  )
  const count = db.prepare(`SELECT ${STATE}, count(*) AS number FROM users GROUP BY 1`)
  return {
    find(name) {
      const row = find.get(name)
      return row === undefined ? null : readUser(row)
    },
    recovery: (name) => recovery.all(name).map(readRecovery),
    all: () => all.all().map(readUserRow),
    count() {
      const found = new Map(count.all().map((row) => [text(row, 'state'), whole(row, 'number')]))
      return Object.fromEntries(USER_STATES.map((state) => [state, found.get(state) ?? 0])) as Record<UserState, number>
    },
    enroll: prepareEnroll(db),
    remove: prepareRemove(db),
    freeze: prepareFreeze(db),
  }
}

function prepareEnroll(db: DatabaseSync): Users['enroll'] {
  const seedOf = db.prepare('SELECT seed FROM users WHERE name = ?')
  const devices = db.prepare('SELECT DISTINCT device FROM trusted WHERE user = ? AND expires > ? ORDER BY device')
  const ends = ['claims', 'trusted', 'recovery'].map((table) => db.prepare(`DELETE FROM ${table} WHERE user = ?`))
  const put = db.prepare(
    `INSERT INTO users (name, enrolment, seed, enrolled_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
       enrolment = excluded.enrolment, seed = excluded.seed, enrolled_at = excluded.enrolled_at,
       first_used = NULL, last_step = NULL, last_step_device = NULL`,
  )
  const putRecovery = db.prepare('INSERT INTO recovery (user, slot, mac) VALUES (?, ?, ?)')
  return ({ user, enrolment, sealedSeed, recovery, at, replace }) => {
    const before = seedOf.get(user)
    const replaced = before !== undefined && before['seed'] !== null
    if (replaced && !replace) return { say: 'exists' }
    const ended = devices.all(user, at).map((row) => text(row, 'device'))
    for (const end of ends) end.run(user)
    put.run(user, enrolment, sealedSeed, at)
    for (const [slot, mac] of recovery.entries()) putRecovery.run(user, slot, mac)
    return { say: 'enrolled', replaced, ended }
  }
}

function prepareRemove(db: DatabaseSync): Users['remove'] {
  const removes = [
    ...OF_USERS.map((table) => db.prepare(`DELETE FROM ${table} WHERE user = ?`)),
    db.prepare('DELETE FROM users WHERE name = ?'),
  ]
  return (name) => removes.map((remove) => Number(remove.run(name).changes)).some((changes) => changes > 0)
}

function prepareFreeze(db: DatabaseSync): Users['freeze'] {
  const freeze = db.prepare(
    `INSERT INTO users (name, frozen_at, frozen_reason) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET frozen_at = excluded.frozen_at, frozen_reason = excluded.frozen_reason`,
  )
  const unfreeze = db.prepare('UPDATE users SET frozen_at = NULL, frozen_reason = NULL WHERE name = ?')
  return (name, frozen) => void (frozen === null ? unfreeze.run(name) : freeze.run(name, frozen.at, frozen.reason))
}

function readUser(row: Row): User {
  return {
    name: text(row, 'name'),
    state: text(row, 'state') as UserState,
    enrolment: textOrNull(row, 'enrolment'),
    sealedSeed: blobOrNull(row, 'seed'),
    enrolledAt: wholeOrNull(row, 'enrolled_at'),
    firstUsed: wholeOrNull(row, 'first_used'),
    lastStep: wholeOrNull(row, 'last_step'),
  }
}

function readRecovery(row: Row): RecoveryCode {
  return { slot: whole(row, 'slot'), mac: blob(row, 'mac'), usedAt: wholeOrNull(row, 'used_at') }
}

function readUserRow(row: Row): UserRow {
  return {
    name: text(row, 'name'),
    state: text(row, 'state') as UserState,
    enrolledAt: wholeOrNull(row, 'enrolled_at'),
    lastLogin: wholeOrNull(row, 'last_login'),
  }
}
