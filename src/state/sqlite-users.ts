/** Who is enrolled. The changing ones are called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { prepareAppPasswords, type AppPasswords } from './sqlite-app-passwords.ts'
import { blob, blobOrNull, text, textOrNull, whole, wholeOrNull, type Row } from './rows.ts'
import type {
  EnrolAnswer,
  EnrolManyAnswer,
  KnownUser,
  NewEnrolment,
  RecoveryCode,
  User,
  UserRow,
  UserState,
} from './store.ts'

export type Users = {
  /** And what else the user has, of that which every login asks for. */
  find(name: string): { user: User | null; hasTrust: boolean; hasAppPasswords: boolean }
  recovery(name: string): RecoveryCode[]
  /** So many users by name, behind that one. */
  page(after: string, most: number): UserRow[]
  namesOf(after: string, most: number): KnownUser[]
  /** How many of those are in each state, and the last of them. */
  countOf(after: string, most: number): { states: [UserState, number][]; last: string }
  enroll(enrolment: NewEnrolment): EnrolAnswer
  enrollMany(enrolments: NewEnrolment[]): EnrolManyAnswer
  remove(name: string): boolean
}

/** A freeze hides what lies under it, and lifting it brings that back. */
const STATE = `CASE WHEN frozen_at IS NOT NULL THEN 'frozen' WHEN seed IS NULL THEN 'none'
  WHEN first_used IS NULL THEN 'pending' ELSE 'enrolled' END AS state`
const OF_USERS = [
  'claims',
  'trusted',
  'recovery',
  'logins',
  'networks',
  'app_passwords',
  'password_hashes',
  'temp_codes',
  'travels',
  'failures',
  'locks',
  'refused',
  'proven',
]

/** Needs a migrated database. */
export function prepareUsers(db: DatabaseSync, appPasswords = prepareAppPasswords(db)): Users {
  const one = db.prepare(
    `SELECT name, enrolment, seed, enrolled_at, first_used, proven_before, last_step, ${STATE},
       EXISTS (SELECT 1 FROM trusted WHERE user = ?1) AS has_trust,
       EXISTS (SELECT 1 FROM app_passwords WHERE user = ?1) AS has_app_passwords FROM users WHERE name = ?1`,
  )
  const recovery = db.prepare('SELECT slot, mac, used_at FROM recovery WHERE user = ? ORDER BY slot')
  const behind = 'FROM users WHERE name > ? ORDER BY name LIMIT ?'
  const page = db.prepare(
    `SELECT name, enrolled_at, ${STATE}, (SELECT max(at) FROM logins WHERE user = name) AS last_login ${behind}`,
  )
  const names = db.prepare(`SELECT name, ${STATE} ${behind}`)
  const count = db.prepare(
    `WITH page AS MATERIALIZED (SELECT name, ${STATE} ${behind})
       SELECT state, count(*) AS number, (SELECT max(name) FROM page) AS last FROM page GROUP BY 1`,
  )
  return {
    find(name) {
      const row = one.get(name)
      if (row === undefined) return { user: null, hasTrust: false, hasAppPasswords: false }
      const has = (column: string) => whole(row, column) === 1
      return { user: readUser(row), hasTrust: has('has_trust'), hasAppPasswords: has('has_app_passwords') }
    },
    recovery: (name) => recovery.all(name).map(readRecovery),
    page: (after, most) => page.all(after, most).map(readUserRow),
    namesOf: (after, most) =>
      names.all(after, most).map((row) => ({ name: text(row, 'name'), state: text(row, 'state') as UserState })),
    countOf(after, most) {
      const rows = count.all(after, most)
      const states = rows.map((row): [UserState, number] => [text(row, 'state') as UserState, whole(row, 'number')])
      return { states, last: rows[0] === undefined ? after : text(rows[0], 'last') }
    },
    ...prepareEnroll(db, appPasswords),
    remove: prepareRemove(db),
  }
}

function prepareEnroll(db: DatabaseSync, appPasswords: AppPasswords): Pick<Users, 'enroll' | 'enrollMany'> {
  const seedOf = db.prepare('SELECT seed FROM users WHERE name = ?')
  const devices = db.prepare('SELECT DISTINCT device FROM trusted WHERE user = ? AND expires > ? ORDER BY device')
  const ends = ['claims', 'trusted', 'recovery', 'temp_codes', 'refused'].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE user = ?`),
  )
  const put = db.prepare(
    `INSERT INTO users (name, enrolment, seed, enrolled_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
       proven_before = CASE WHEN first_used IS NULL THEN proven_before ELSE 1 END,
       enrolment = excluded.enrolment, seed = excluded.seed, enrolled_at = excluded.enrolled_at,
       first_used = NULL, last_step = NULL, last_step_device = NULL`,
  )
  const putRecovery = db.prepare('INSERT INTO recovery (user, slot, mac) VALUES (?, ?, ?)')
  const isEnrolled = (user: string) => (seedOf.get(user)?.['seed'] ?? null) !== null
  const enroll: Users['enroll'] = ({ user, enrolment, sealedSeed, recovery, at, replace }) => {
    const replaced = isEnrolled(user)
    if (replaced && !replace) return { say: 'exists' }
    const ended = devices.all(user, at).map((row) => text(row, 'device'))
    for (const end of ends) end.run(user)
    put.run(user, enrolment, sealedSeed, at)
    for (const [slot, mac] of recovery.entries()) putRecovery.run(user, slot, mac)
    return { say: 'enrolled', replaced, ended, revoked: replaced ? appPasswords.revokeAll(user) : [] }
  }
  return {
    enroll,
    enrollMany(enrolments) {
      const known = enrolments.filter(({ user, replace }) => !replace && isEnrolled(user))
      if (known.length > 0) return { say: 'exists', users: known.map(({ user }) => user) }
      const each = enrolments.map((enrolment) => {
        const answer = enroll(enrolment)
        // What was written before it in this transaction is taken back.
        if (answer.say === 'exists') throw new Error('one user twice in one enrolment')
        return { user: enrolment.user, replaced: answer.replaced, ended: answer.ended, revoked: answer.revoked }
      })
      return { say: 'enrolled', each }
    },
  }
}

function prepareRemove(db: DatabaseSync): Users['remove'] {
  const removes = [
    ...OF_USERS.map((table) => db.prepare(`DELETE FROM ${table} WHERE user = ?`)),
    db.prepare('DELETE FROM users WHERE name = ?'),
  ]
  return (name) => removes.map((remove) => Number(remove.run(name).changes)).some((changes) => changes > 0)
}

function readUser(row: Row): User {
  return {
    name: text(row, 'name'),
    state: text(row, 'state') as UserState,
    enrolment: textOrNull(row, 'enrolment'),
    sealedSeed: blobOrNull(row, 'seed'),
    enrolledAt: wholeOrNull(row, 'enrolled_at'),
    firstUsed: wholeOrNull(row, 'first_used'),
    provenBefore: row['proven_before'] !== null,
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
