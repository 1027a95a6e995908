/** What the store notes of the audit, apart from its files: where each stream stands, and the anchor of its seals. */
import { DatabaseSync } from 'node:sqlite'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { blob, text, whole } from './rows.ts'
import { asStateFault } from './sqlite-fault.ts'
import type { AuditNote, NotedHeads } from './store.ts'

export type HeadRows = { all(): NotedHeads; keep(heads: NotedHeads): void; keepAnchor(anchor: Buffer): void }

const ANCHOR = 'audit-anchor'

/** Needs a migrated database. The changing ones are called within a transaction of the writer. */
export function prepareHeads(db: DatabaseSync): HeadRows {
  const all = db.prepare('SELECT stream, seq, hash FROM heads')
  const put = db.prepare('INSERT OR REPLACE INTO heads (stream, seq, hash) VALUES (?, ?, ?)')
  const fact = db.prepare('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)')
  return {
    all: () => headsOf(all),
    keep(heads) {
      for (const [stream, { seq, prev }] of Object.entries(heads)) put.run(stream, seq, Buffer.from(prev, 'hex'))
    },
    keepAnchor: (anchor) => void fact.run(ANCHOR, anchor),
  }
}

function headsOf(statement: ReturnType<DatabaseSync['prepare']>): NotedHeads {
  return Object.fromEntries(
    statement
      .all()
      .map((row) => [text(row, 'stream'), { seq: whole(row, 'seq'), prev: blob(row, 'hash').toString('hex') }]),
  )
}

/**
 * Reads the note past a server that may be running: writes nothing, takes no lock. Gives null where there is no store or no anchor in
 * it yet. Throws StateFault when it cannot be read.
 */
export function peekAudit(stateFolder: string): AuditNote | null {
  const path = join(stateFolder, 'postern.sqlite')
  if (!existsSync(path)) return null
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true })
    const row = db.prepare('SELECT value FROM facts WHERE name = ?').get(ANCHOR)
    if (row === undefined) return null
    return { anchor: blob(row, 'value'), heads: headsOf(db.prepare('SELECT stream, seq, hash FROM heads')) }
  } catch (error) {
    throw asStateFault(error)
  } finally {
    db?.close()
  }
}
