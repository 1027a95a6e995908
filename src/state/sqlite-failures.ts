/**
 * What failed: counts, locks, strings that were refused. Called within a transaction of the writer, but for the reads.
 *
 * A refused string rests here as 16 bits of an HMAC. That is enough to know it again among the few hundred of its user, and
 * useless to a thief, also to one with the master key: one in 65,536 of all passwords has the same 16 bits.
 */
import { randomInt } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  FAILURES_EVERYWHERE_MAX,
  FAILURES_KEPT_MAX,
  FAILURES_SWEEP_EVERY,
  LARGE_FOR_MS,
  LARGE_PLACES_MAX,
  LOCKS_MAX,
  NETWORK_KEPT_MS,
  REFUSED_KEPT_MS,
  REFUSED_PER_NETWORK_MAX,
  REFUSED_PER_USER_MAX,
  REFUSED_STRANGERS_MAX,
  STAKES_MAX,
} from '../base/login-limits.ts'
import { text, whole, type Row } from './rows.ts'
import type {
  Allowance,
  ClearWhat,
  CountKey,
  CountKind,
  FailedAnswer,
  FailedTry,
  Lock,
  MarkPool,
  Question,
  Standing,
} from './store.ts'

/** `who` of an address's rows: whom it was for, in 16 bits; null where the user is known there. */
export const FAILURES_SQL = `
  CREATE TABLE failures (
    kind TEXT NOT NULL, user TEXT NOT NULL, place TEXT NOT NULL, at INTEGER NOT NULL, id INTEGER NOT NULL,
    who INTEGER, via TEXT NOT NULL, PRIMARY KEY (kind, user, place, at, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX failures_by_age ON failures (kind, at);
  CREATE INDEX failures_by_user ON failures (user);
  CREATE TABLE locks (
    kind TEXT NOT NULL, user TEXT NOT NULL, place TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (kind, user, place)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX locks_by_end ON locks (until);
  CREATE TABLE refused (
    user TEXT NOT NULL, place TEXT NOT NULL, mark INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (user, place, mark)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX refused_by_age ON refused (at);
  CREATE TABLE proven (
    place TEXT NOT NULL, user TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (place, user)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX proven_by_user ON proven (user, last);
`

export type Failures = {
  standing(question: Question): Standing
  fail(tried: FailedTry): FailedAnswer
  locks(now: number): Lock[]
  countLocks(now: number): number
  clear(what: ClearWhat, now: number): { locks: Lock[]; some: boolean }
  forgetRefused(user: string): void
}

type Tables = ReturnType<typeof prepareTables>
const keyOf = ({ kind, user, place }: CountKey) => [kind, user, place] as const

/** Needs a migrated database. */
export function prepareFailures(db: DatabaseSync): Failures {
  const tables = prepareTables(db)
  // The ids of one millisecond must differ, also from those before a restart in it.
  let notes = randomInt(2 ** 40)
  return {
    standing: (question) => standingOf(tables, question),
    fail(tried) {
      notes += 1
      if (notes % FAILURES_SWEEP_EVERY === 0) sweep(tables, tried)
      if (tried.mark !== null) remember(tables, tried.pool, tried.mark, tried.at)
      const locks = tried.counts.flatMap((one) => count(tables, tried, one, notes) ?? [])
      const address = tried.counts.find(({ kind }) => kind === 'address')
      const everywhere = tried.counts.find(({ kind }) => kind === 'everywhere')
      return {
        locks,
        users: address === undefined ? 0 : whole(tables.users.get(...keyOf(address)) ?? {}, 'number'),
        networks: everywhere === undefined ? 0 : whole(tables.networks.get(...keyOf(everywhere)) ?? {}, 'number'),
      }
    },
    locks: (now) => tables.allLocks.all(now).map(readLock),
    countLocks: (now) => whole(tables.countLocks.get(now) ?? {}, 'number'),
    clear: (what, now) => ('user' in what ? clearUser(tables, what.user, now) : clearPlaces(tables, what.holds, now)),
    forgetRefused: (user) => void tables.forgetRefused.run(user),
  }
}

const KEY = 'kind = ? AND user = ? AND place = ?'

function prepareTables(db: DatabaseSync) {
  return {
    standing: prepareStanding(db),
    /** Networks that had proven more users than anybody asks for, and until when (ms since 1970) that need not be counted again. */
    large: new Map<string, number>(),
    proven: db.prepare('SELECT count(*) AS number FROM (SELECT 1 FROM proven WHERE place = ? AND last > ? LIMIT ?)'),
    failed: db.prepare(`SELECT count(*) AS number FROM failures WHERE ${KEY} AND at > ?`),
    nth: db.prepare(`SELECT at FROM failures WHERE ${KEY} ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?`),
    insert: db.prepare('INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)'),
    prune: db.prepare(`DELETE FROM failures WHERE ${KEY} AND at <= ?`),
    trim: db.prepare(
      `DELETE FROM failures WHERE kind = ?1 AND user = ?2 AND place = ?3 AND (at, id) NOT IN (SELECT at, id FROM failures
         WHERE kind = ?1 AND user = ?2 AND place = ?3 ORDER BY at DESC, id DESC LIMIT ?4)`,
    ),
    users: db.prepare(`SELECT count(DISTINCT who) AS number FROM failures WHERE ${KEY}`),
    networks: db.prepare(`SELECT count(DISTINCT via) AS number FROM failures WHERE ${KEY}`),
    oldest: db.prepare('SELECT at FROM failures WHERE kind = ? ORDER BY at DESC LIMIT 1 OFFSET ?'),
    cut: db.prepare('DELETE FROM failures WHERE kind = ? AND at <= ?'),
    forget: db.prepare(`DELETE FROM failures WHERE ${KEY}`),
    ofUser: db.prepare('DELETE FROM failures WHERE user = ?'),
    places: db.prepare(`SELECT DISTINCT kind, user, place FROM failures WHERE kind <> 'everywhere'`),
    lock: db.prepare(`SELECT * FROM locks WHERE ${KEY} AND until > ?`),
    putLock: db.prepare('INSERT OR REPLACE INTO locks VALUES (?, ?, ?, ?, ?)'),
    endLock: db.prepare(`DELETE FROM locks WHERE ${KEY}`),
    pruneLocks: db.prepare('DELETE FROM locks WHERE until <= ?'),
    countLocks: db.prepare('SELECT count(*) AS number FROM locks WHERE until > ?'),
    allLocks: db.prepare("SELECT * FROM locks WHERE until > ? ORDER BY user = '', user, place"),
    mark: db.prepare('INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)'),
    trimMarks: db.prepare(
      `DELETE FROM refused WHERE user = ?1 AND place = ?2 AND mark NOT IN
         (SELECT mark FROM refused WHERE user = ?1 AND place = ?2 ORDER BY at DESC LIMIT ?3)`,
    ),
    pruneMarks: db.prepare('DELETE FROM refused WHERE at <= ?'),
    oldestStranger: db.prepare(`SELECT at FROM refused WHERE user = '' ORDER BY at DESC LIMIT 1 OFFSET ?`),
    cutStrangers: db.prepare(`DELETE FROM refused WHERE user = '' AND at <= ?`),
    forgetRefused: db.prepare('DELETE FROM refused WHERE user = ?'),
  }
}

function standingOf(tables: Tables, { counts, enough, pool, marks, home, now }: Question): Standing {
  const user = counts.find(({ kind }) => kind === 'user')?.user
  const row =
    tables
      .standing(counts.length, marks.length)
      .get(
        now,
        user ?? null,
        home,
        now - NETWORK_KEPT_MS,
        ...counts.flatMap((one) => [...keyOf(one), now - one.per]),
        ...marks.flatMap((mark) => [pool.user, pool.place, mark, now - REFUSED_KEPT_MS]),
      ) ?? {}
  const locked = whole(row, 'locked')
  return {
    known: whole(row, 'known') === 1,
    locks: locked === 0 ? [] : counts.flatMap((one) => lockOf(tables, one, now) ?? []),
    room: counts.map((one, i) => {
      const failed = whole(row, `failed${i}`)
      return allowed(tables, one, now, failed + (enough[i] ?? STAKES_MAX)) - failed
    }),
    marked: marks.map((_, i) => whole(row, `marked${i}`) === 1),
    crowded: locked >= LOCKS_MAX,
  }
}

/** All that each login asks, in one statement: a statement costs more than what it finds here. */
function prepareStanding(db: DatabaseSync): (counts: number, marks: number) => StatementSync {
  const made = new Map<string, StatementSync>()
  const each = (count: number, sql: (i: number) => string) => Array.from({ length: count }, (_, i) => sql(i))
  return (counts, marks) => {
    const key = `${counts} ${marks}`
    const known = made.get(key)
    if (known !== undefined) return known
    const parts = [
      '(SELECT count(*) FROM locks WHERE until > ?) AS locked',
      'EXISTS (SELECT 1 FROM networks WHERE user = ? AND network = ? AND last > ?) AS known',
      ...each(counts, (i) => `(SELECT count(*) FROM failures WHERE ${KEY} AND at > ?) AS failed${i}`),
      ...each(
        marks,
        (i) => `EXISTS (SELECT 1 FROM refused WHERE user = ? AND place = ? AND mark = ? AND at > ?) AS marked${i}`,
      ),
    ]
    const statement = db.prepare(`SELECT ${parts.join(', ')}`)
    made.set(key, statement)
    return statement
  }
}

function lockOf(tables: Tables, key: CountKey, now: number): Lock | null {
  const row = tables.lock.get(...keyOf(key), now)
  return row === undefined ? null : readLock(row)
}

function failedOf(tables: Tables, one: Allowance, now: number): number {
  return whole(tables.failed.get(...keyOf(one), now - one.per) ?? {}, 'number')
}

/**
 * Never counts further than `most`: a network may have proven all users of a large company. Trust in a place lasts thirty days, so
 * that it had {@link STAKES_MAX} more than the policy allows holds for a minute.
 */
function allowed(tables: Tables, { allow, grows, place }: Allowance, now: number, most: number): number {
  const more = most - allow
  if (!grows || more <= 0) return allow
  if (more <= STAKES_MAX && now < (tables.large.get(place) ?? 0)) return most
  const enough = Math.max(more, STAKES_MAX)
  const found = whole(tables.proven.get(place, now - NETWORK_KEPT_MS, enough) ?? {}, 'number')
  if (found >= STAKES_MAX) noteLarge(tables.large, place, now)
  return Math.min(most, allow + found)
}

function noteLarge(large: Map<string, number>, place: string, now: number): void {
  if (large.size >= LARGE_PLACES_MAX) large.clear()
  large.set(place, now + LARGE_FOR_MS)
}

/** Gives the lock that this failure brought about, or null. */
function count(tables: Tables, { at, who, counts }: FailedTry, one: Allowance, id: number): Lock | null {
  const key = keyOf(one)
  const via = counts.find(({ kind }) => kind === 'network')?.place ?? ''
  tables.prune.run(...key, at - one.per)
  tables.insert.run(...key, at, id, one.kind === 'address' ? who : null, one.kind === 'everywhere' ? via : '')
  const failed = failedOf(tables, one, at)
  const allow = allowed(tables, one, at, failed + 1)
  if (failed < allow) return null
  // What is older than the last so many never counts again. So one count has a ceiling, whoever fills it.
  if (failed > allow) tables.trim.run(...key, allow)
  const first = whole(tables.nth.get(...key, allow - 1) ?? {}, 'at')
  const standing = lockOf(tables, one, at)
  const until = Math.max(one.lock === null ? first + one.per : at + one.lock, standing?.until ?? 0)
  if (standing === null && !hasRoom(tables, at)) return null
  tables.putLock.run(...key, standing?.since ?? at, until)
  return standing === null ? { kind: one.kind, user: one.user, place: one.place, since: at, until } : null
}

function hasRoom(tables: Tables, now: number): boolean {
  tables.pruneLocks.run(now)
  return whole(tables.countLocks.get(now) ?? {}, 'number') < LOCKS_MAX
}

function remember(tables: Tables, { user, place }: MarkPool, mark: number, at: number): void {
  tables.mark.run(user, place, mark, at)
  tables.trimMarks.run(user, place, user === '' ? REFUSED_PER_NETWORK_MAX : REFUSED_PER_USER_MAX)
}

/** Strings past their day go, and of what strangers can fill the oldest beyond the ceiling. Locks are not touched. */
function sweep(tables: Tables, { counts, at: now }: FailedTry): void {
  tables.pruneMarks.run(now - REFUSED_KEPT_MS)
  const stranger = tables.oldestStranger.get(REFUSED_STRANGERS_MAX)
  if (stranger !== undefined) tables.cutStrangers.run(whole(stranger, 'at'))
  for (const { kind, per } of counts) {
    tables.cut.run(kind, now - per)
    const row = tables.oldest.get(kind, kind === 'everywhere' ? FAILURES_EVERYWHERE_MAX : FAILURES_KEPT_MAX)
    if (row !== undefined) tables.cut.run(kind, whole(row, 'at'))
  }
}

function clearUser(tables: Tables, user: string, now: number): { locks: Lock[]; some: boolean } {
  const ended = tables.allLocks
    .all(now)
    .map(readLock)
    .filter((lock) => lock.user === user)
  for (const lock of ended) tables.endLock.run(...keyOf(lock))
  const failures = tables.ofUser.run(user).changes
  const marks = tables.forgetRefused.run(user).changes
  return { locks: ended, some: ended.length + Number(failures) + Number(marks) > 0 }
}

function clearPlaces(tables: Tables, holds: (place: string) => boolean, now: number): { locks: Lock[]; some: boolean } {
  const ended = tables.allLocks
    .all(now)
    .map(readLock)
    .filter(({ place }) => place !== '' && holds(place))
  for (const lock of ended) tables.endLock.run(...keyOf(lock))
  const counted = tables.places
    .all()
    .map(readKey)
    .filter(({ place }) => holds(place))
  for (const key of counted) tables.forget.run(...keyOf(key))
  return { locks: ended, some: ended.length + counted.length > 0 }
}

function readKey(row: Row): CountKey {
  return { kind: text(row, 'kind') as CountKind, user: text(row, 'user'), place: text(row, 'place') }
}

function readLock(row: Row): Lock {
  return { ...readKey(row), since: whole(row, 'since'), until: whole(row, 'until') }
}
