/** A look into the store of a server that may be running: reads, writes nothing, takes no lock. */
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { text, whole } from './rows.ts'
import { asStateFault } from './sqlite-fault.ts'
import { preparePasses } from './sqlite-passes.ts'
import { peekTravels } from './sqlite-travel.ts'
import { prepareUsers } from './sqlite-users.ts'
import type { PassRow, TravelRow, User } from './store.ts'

/** What trusts a device, without what could prove it. Times are ms since 1970. */
export type PeekedTrust = { network: string; fingerprint: string; since: number; lastUsed: number; expires: number }
export type Peeked = { passes: PassRow[]; travels: TravelRow[]; user: User | null; trusted: PeekedTrust[] }

/**
 * Needs the state folder and a canonical name, or null when nobody is asked about. Gives null where no store is yet, or one of
 * an older version, which the server has not opened since. Throws StateFault when it cannot be read.
 */
export function peek(stateFolder: string, name: string | null): Peeked | null {
  const path = join(stateFolder, 'postern.sqlite')
  if (!existsSync(path)) return null
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true })
    const table = db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'passes'`).get()
    if (table === undefined) return null
    const passes = preparePasses(db).all()
    const travels = peekTravels(db)
    if (name === null) return { passes, travels, user: null, trusted: [] }
    const rows = db.prepare('SELECT network, fingerprint, since, last_used, expires FROM trusted WHERE user = ?')
    const trusted = rows.all(name).map((row) => ({
      network: text(row, 'network'),
      fingerprint: text(row, 'fingerprint'),
      since: whole(row, 'since'),
      lastUsed: whole(row, 'last_used'),
      expires: whole(row, 'expires'),
    }))
    return { passes, travels, user: prepareUsers(db).find(name), trusted }
  } catch (error) {
    throw asStateFault(error)
  } finally {
    db?.close()
  }
}
