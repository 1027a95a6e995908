/** From where users were proven, for the allowances, and what a login with a fresh code makes good. Within a transaction. */
import type { DatabaseSync } from 'node:sqlite'
import { NETWORK_KEPT_MS, PROVEN_AGAIN_MS, PROVEN_PLACES_PER_USER_MAX } from '../base/login-limits.ts'
import type { Proof } from './store.ts'

export type Amends = {
  /** A login was proven: its place counts from now on, and with a fresh code what failed there is forgiven. */
  proven(proof: Proof, at: number): void
}

/** Needs a migrated database. */
export function prepareAmends(db: DatabaseSync): Amends {
  const put = db.prepare(
    `INSERT INTO proven (place, user, last) VALUES (?, ?, ?)
       ON CONFLICT (place, user) DO UPDATE SET last = excluded.last WHERE last < ?`,
  )
  const trim = db.prepare(
    `DELETE FROM proven WHERE user = ?1 AND (last < ?2 OR place NOT IN
       (SELECT place FROM proven WHERE user = ?1 ORDER BY last DESC LIMIT ?3))`,
  )
  const key = 'kind = ? AND user = ? AND place = ?'
  const forget = db.prepare(`DELETE FROM failures WHERE ${key}`)
  const unlock = db.prepare(`DELETE FROM locks WHERE ${key}`)
  const rejudge = db.prepare('DELETE FROM refused WHERE user = ?')
  return {
    proven({ user, by, login: { ip }, counted }, at) {
      let news = 0
      for (const place of [ip, counted]) news += Number(put.run(place, user, at, at - PROVEN_AGAIN_MS).changes)
      if (news > 0) trim.run(user, at - NETWORK_KEPT_MS, PROVEN_PLACES_PER_USER_MAX)
      if (by.is !== 'code') return
      // The person is there, with the device that makes the codes: what was mistyped before is past. The count over all
      // networks stays, or each morning's login would give an attacker fifty more guesses.
      for (const one of [['user', user, counted] as const, ['address', '', ip] as const]) {
        forget.run(...one)
        unlock.run(...one)
      }
      // Perhaps with a new password: what the old server refused is asked again.
      rejudge.run(user)
    },
  }
}
