/** The databases of the geofence as a command sees them: compiled here and now, fetched from nowhere. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DATABASE_MAX } from '../base/gate-limits.ts'
import { faulty, type Parsed } from '../base/parsed.ts'
import { compileDatabase, type CompiledDatabase } from '../compiler/mmdb.ts'
import { unpack } from '../compiler/unpack.ts'
import type { GateData } from '../gate/verdict.ts'
import { copyOf, DATABASES_FOLDER } from '../keeper/databases.ts'
import type { DatabasePlan } from '../policy/geofence.ts'
import type { Policies } from '../policy/load.ts'

/** `fault`: a database that is no good. `absent`: one that was never fetched. Both tell no country. */
export type Tables = Pick<GateData, 'country' | 'asn'> & {
  remarks: { plan: DatabasePlan; kind: 'fault' | 'absent' | 'old'; message: string }[]
}

/** Needs policies without a fault and the moment (ms since 1970). */
export async function readTables({ geofence, postern }: Policies, now: number): Promise<Tables> {
  const tables: Tables = { country: null, asn: null, remarks: [] }
  for (const plan of geofence?.databases ?? []) {
    const { source, kind, maxAge } = plan
    const path = source.from === 'file' ? source.path : copyOf(join(postern.state.path, DATABASES_FOLDER), plan)
    if (source.from === 'url' && (await stat(path).catch(() => null)) === null) {
      tables.remarks.push({ plan, kind: 'absent', message: 'was not fetched yet; the server does that when it starts' })
      continue
    }
    const read = await compileAt(path, kind)
    if (!read.ok) {
      tables.remarks.push({ plan, kind: 'fault', message: read.fault })
      continue
    }
    tables[kind] = read.value.table
    if (now - read.value.builtAt > maxAge) {
      const built = new Date(read.value.builtAt).toISOString().slice(0, 10)
      tables.remarks.push({ plan, kind: 'old', message: `was built ${built}: older than \`max_age\`; get a newer one` })
    }
  }
  return tables
}

async function compileAt(path: string, kind: DatabasePlan['kind']): Promise<Parsed<CompiledDatabase>> {
  const facts = await stat(path).catch(() => null)
  if (facts !== null && facts.size > DATABASE_MAX) return faulty(`holds more than ${DATABASE_MAX} octets`)
  const bytes = await readFile(path).catch(() => null)
  if (bytes === null) return faulty('cannot be read')
  const unpacked = unpack(bytes)
  return unpacked.ok ? compileDatabase(unpacked.value, kind) : unpacked
}
