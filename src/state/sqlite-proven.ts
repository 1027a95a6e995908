/** From where users were proven, for the allowances, and what a login with a fresh code makes good. Within a transaction. */
import type { DatabaseSync } from 'node:sqlite'
import { NETWORK_KEPT_MS, PROVEN_AGAIN_MS, PROVEN_PLACES_PER_USER_MAX } from '../base/login-limits.ts'
import { whole } from './rows.ts'
import type { Proof } from './store.ts'

export type Amends = {
  /** A login was proven: its place counts from now on, and with a fresh code what failed there is forgiven. */
  proven(proof: Proof, at: number): void
}

/** What is remembered of a user, with the time of its last use: not for ever, and no more than so many. */
export function prepareForgetting(db: DatabaseSync, table: 'networks' | 'proven', place: string, most: number) {
  const old = db.prepare(`DELETE FROM ${table} WHERE user = ? AND last < ?`)
  const left = db.prepare(`SELECT count(*) AS number FROM ${table} WHERE user = ?`)
  const surplus = db.prepare(
    `DELETE FROM ${table} WHERE user = ?1 AND ${place} NOT IN
       (SELECT ${place} FROM ${table} WHERE user = ?1 ORDER BY last DESC LIMIT ?2)`,
  )
  return {
    old: (user: string, at: number) => void old.run(user, at - NETWORK_KEPT_MS),
    /** Counts first: a statement that has nothing to trim costs as much as ten that count. */
    surplus(user: string): void {
      if (whole(left.get(user) ?? {}, 'number') > most) surplus.run(user, most)
    },
  }
}

/** Needs a migrated database. */
export function prepareAmends(db: DatabaseSync): Amends {
  const put = db.prepare(
    `INSERT INTO proven (place, user, last) VALUES (?, ?, ?)
       ON CONFLICT (place, user) DO UPDATE SET last = excluded.last WHERE last < ?`,
  )
  const forgetting = prepareForgetting(db, 'proven', 'place', PROVEN_PLACES_PER_USER_MAX)
  const key = 'kind = ? AND user = ? AND place = ?'
  const forget = db.prepare(`DELETE FROM failures WHERE ${key}`)
  const unlock = db.prepare(`DELETE FROM locks WHERE ${key}`)
  const rejudge = db.prepare('DELETE FROM refused WHERE user = ?')
  const some = db.prepare(
    `SELECT EXISTS (SELECT 1 FROM failures WHERE ${key}) OR EXISTS (SELECT 1 FROM locks WHERE ${key})
       OR EXISTS (SELECT 1 FROM failures WHERE ${key}) OR EXISTS (SELECT 1 FROM locks WHERE ${key})
       OR EXISTS (SELECT 1 FROM refused WHERE user = ?) AS some`,
  )
  return {
    proven({ user, by, login: { ip }, counted }, at) {
      let news = 0
      for (const place of [ip, counted]) news += Number(put.run(place, user, at, at - PROVEN_AGAIN_MS).changes)
      if (news > 0) {
        forgetting.old(user, at)
        forgetting.surplus(user)
      }
      if (by.is !== 'code') return
      const here = ['user', user, counted] as const
      const address = ['address', '', ip] as const
      if (whole(some.get(...here, ...here, ...address, ...address, user) ?? {}, 'some') === 0) return
      // The person is there, with the device that makes the codes: what was mistyped before is past. The count over all
      // networks stays, or each morning's login would give an attacker fifty more guesses.
      for (const one of [here, address]) {
        forget.run(...one)
        unlock.run(...one)
      }
      // Perhaps with a new password: what the old server refused is asked again.
      rejudge.run(user)
    },
  }
}
