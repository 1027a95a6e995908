/** `postern lock list` and `postern lock clear`. */
import { request } from './request.ts'
import type { LockRow } from '../keeper/locks.ts'

type Common = { config: string; json?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)

/** One line a lock: until when, whom, where. */
export async function lockList(options: Common): Promise<number> {
  const rows = (await request(options.config, 'lock.list', {})) as LockRow[]
  if (options.json === true) print(JSON.stringify(rows))
  else for (const row of rows) print(lineOf(row))
  return 0
}

/** Ends the locks of a user or of a network. */
export async function lockClear(whose: string, options: Common): Promise<number> {
  const rows = (await request(options.config, 'lock.clear', { whose })) as LockRow[]
  if (options.json === true) print(JSON.stringify(rows))
  else {
    print(`${rows.length === 0 ? 'no lock stood' : `${rows.length} ended`}; what was counted is forgotten`)
    for (const row of rows) print(`  ${lineOf(row)}`)
  }
  return 0
}

function lineOf({ kind, user, network, until }: LockRow): string {
  const who =
    user === null ? `everybody from ${network}` : `${user} from ${network === '*' ? 'strange networks' : network}`
  return `until ${until}  ${kind.padEnd(10)} ${who}`
}
