/** A look into the store of a server that may be running: reads, writes nothing, takes no lock. */
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { text, whole } from './rows.ts'
import { asStateFault } from './sqlite-fault.ts'
import { prepareAppPasswords } from './sqlite-app-passwords.ts'
import { prepareFailures } from './sqlite-failures.ts'
import { preparePasses } from './sqlite-passes.ts'
import { isCurrent } from './sqlite-schema.ts'
import { peekTravels } from './sqlite-travel.ts'
import { prepareUsers } from './sqlite-users.ts'
import type { Allowance, Lock, PassRow, Standing, TravelRow, User } from './store.ts'

/** What trusts a device, without what could prove it. Times are ms since 1970. */
export type PeekedTrust = { network: string; fingerprint: string; since: number; lastUsed: number; expires: number }
export type PeekedAppPassword = { name: string; networks: string; learnt: string | null; expires: number | null; isSealed: boolean } // prettier-ignore
export type Peeked = {
  passes: PassRow[]
  travels: TravelRow[]
  user: User | null
  trusted: PeekedTrust[]
  appPasswords: PeekedAppPassword[]
}
export type PeekedLocks = { locks: Lock[]; known: Standing['known'] }

/**
 * Needs the state folder and a canonical name, or null when nobody is asked about. Gives null where no store is yet, or one of
 * another version, which the server has not opened since. Throws StateFault when it cannot be read.
 */
export function peek(stateFolder: string, name: string | null): Peeked | null {
  return look(stateFolder, (db) => {
    const passes = preparePasses(db).all()
    const travels = peekTravels(db)
    if (name === null) return { passes, travels, user: null, trusted: [], appPasswords: [] }
    const rows = db.prepare('SELECT network, fingerprint, since, last_used, expires FROM trusted WHERE user = ?')
    const trusted = rows.all(name).map((row) => ({
      network: text(row, 'network'),
      fingerprint: text(row, 'fingerprint'),
      since: whole(row, 'since'),
      lastUsed: whole(row, 'last_used'),
      expires: whole(row, 'expires'),
    }))
    const appPasswords = prepareAppPasswords(db)
      .all(name)
      .map(({ sealed, ...row }) => ({ name: row.name, networks: row.networks, learnt: row.learnt, expires: row.expires, isSealed: sealed !== null })) // prettier-ignore
    return { passes, travels, user: prepareUsers(db).find(name).user, trusted, appPasswords }
  })
}

/**
 * Which locks stand against an attempt that these would count, and whether the user was proven in `home` lately. Null as
 * {@link peek}. Throws StateFault when it cannot be read.
 */
export function peekLocks(stateFolder: string, counts: Allowance[], home: string, now: number): PeekedLocks | null {
  return look(stateFolder, (db) => {
    const { locks, known } = prepareFailures(db).standing({
      counts,
      enough: counts.map(() => 1),
      pool: { user: '', place: '' },
      marks: [],
      home,
      now,
    })
    return { locks, known }
  })
}

function look<T>(stateFolder: string, read: (db: DatabaseSync) => T): T | null {
  const path = join(stateFolder, 'postern.sqlite')
  if (!existsSync(path)) return null
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true })
    return isCurrent(db) ? read(db) : null
  } catch (error) {
    throw asStateFault(error)
  } finally {
    db?.close()
  }
}
