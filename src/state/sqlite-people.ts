/** What the helpdesk does to one user: freezing, ending devices, a code for a day. The changing ones are called within a transaction of the writer. */
import type { DatabaseSync } from 'node:sqlite'
import { blob, text, textOrNull, whole, wholeOrNull } from './rows.ts'
import type { Frozen, NewTempCode, TempCode } from './store.ts'

/** `proven_before`: a code of an earlier enrolment was used. */
export const PEOPLE_TABLES = `
  CREATE TABLE temp_codes (
    user TEXT PRIMARY KEY, number INTEGER NOT NULL, mac BLOB NOT NULL, until INTEGER NOT NULL, used_at INTEGER
  ) STRICT, WITHOUT ROWID;
  ALTER TABLE users ADD COLUMN proven_before INTEGER;
`

export type People = {
  tempCode(user: string): TempCode | null
  giveTempCode(code: NewTempCode): boolean
  freeze(user: string, frozen: Frozen | null): string[]
  frozen(user: string): Frozen | null
  endDevices(user: string, device: string | null, at: number): string[]
}

/** Needs a migrated database. */
export function preparePeople(db: DatabaseSync): People {
  const temp = db.prepare('SELECT number, mac, until, used_at FROM temp_codes WHERE user = ?')
  const devices = db.prepare('SELECT DISTINCT device FROM trusted WHERE user = ? AND expires > ? ORDER BY device')
  const endDevice = db.prepare('DELETE FROM trusted WHERE user = ?1 AND (?2 IS NULL OR device = ?2)')
  const frozen = db.prepare('SELECT frozen_at, frozen_reason FROM users WHERE name = ? AND frozen_at IS NOT NULL')

  function endDevices(user: string, device: string | null, at: number): string[] {
    const ended = devices.all(user, at).map((row) => text(row, 'device'))
    endDevice.run(user, device)
    return ended.filter((one) => device === null || one === device)
  }

  return {
    tempCode(user) {
      const row = temp.get(user)
      if (row === undefined) return null
      const usedAt = wholeOrNull(row, 'used_at')
      return { number: whole(row, 'number'), mac: blob(row, 'mac'), until: whole(row, 'until'), usedAt }
    },
    giveTempCode: prepareGiving(db),
    freeze: prepareFreeze(db, endDevices),
    frozen(user) {
      const row = frozen.get(user)
      return row === undefined ? null : { at: whole(row, 'frozen_at'), reason: textOrNull(row, 'frozen_reason') ?? '' }
    },
    endDevices,
  }
}

function prepareGiving(db: DatabaseSync): People['giveTempCode'] {
  const user = db.prepare('SELECT 1 FROM users WHERE name = ? AND enrolment = ? AND frozen_at IS NULL')
  // A number of its own: what was claimed of the code before says nothing about this one.
  const give = db.prepare(
    `INSERT INTO temp_codes (user, number, mac, until) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (user) DO UPDATE SET
       number = max(?2, number + 1), mac = ?3, until = ?4, used_at = NULL`,
  )
  return ({ user: name, enrolment, mac, at, until }) => {
    if (user.get(name, enrolment) === undefined) return false
    give.run(name, at, mac, until)
    return true
  }
}

function prepareFreeze(db: DatabaseSync, endDevices: People['endDevices']): People['freeze'] {
  const freeze = db.prepare(
    `INSERT INTO users (name, frozen_at, frozen_reason) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET frozen_at = excluded.frozen_at, frozen_reason = excluded.frozen_reason`,
  )
  const unfreeze = db.prepare('UPDATE users SET frozen_at = NULL, frozen_reason = NULL WHERE name = ?')
  const rejudge = db.prepare('DELETE FROM refused WHERE user = ?')
  // ATTACK: a login that began before the freeze must not be proven after an unfreeze.
  const burn = db.prepare(`UPDATE claims SET outcome = 'burnt' WHERE user = ? AND outcome IS NULL`)
  const endTemp = db.prepare('DELETE FROM temp_codes WHERE user = ?')
  return (user, frozen) => {
    if (frozen === null) {
      unfreeze.run(user)
      rejudge.run(user)
      return []
    }
    freeze.run(user, frozen.at, frozen.reason)
    burn.run(user)
    endTemp.run(user)
    return endDevices(user, null, frozen.at)
  }
}
