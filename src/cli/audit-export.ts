/** `postern audit export`: the audit of some days in one archive. */
import { dirname, resolve } from 'node:path'
import { clean } from '../base/clean.ts'
import { printable } from '../base/printable.ts'
import { Refusal } from '../base/refusal.ts'
import { exportAudit } from '../audit/export.ts'
import { locateState } from '../policy/locate.ts'
import { peekAudit } from '../state/sqlite-heads.ts'
import { auditFolder, unreadable, warnOfTrouble } from './audit-folder.ts'
import { stretchOf } from './audit-report.ts'

export type ExportOptions = { config: string; path?: string; from: string; to?: string; user?: string; out: string }

const print = (text: string) => process.stdout.write(`${printable(text)}\n`)

/** Gives 0. Throws Refusal when the archive is there already or cannot be written. */
export async function auditExport(options: ExportOptions): Promise<number> {
  const { out, user = null } = options
  const { since, until } = stretchOf(options, Date.now())
  const folder = await auditFolder(options.config, options.path)
  const anchor = await anchorOf(options.config)
  const manifest = await exportAudit({ folder, since, until, user, out, anchor }, warnOfTrouble).catch(
    (error: unknown) => {
      const { code, path } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') throw new Refusal(`${clean(out, 400)} is there already; name another file`)
      const beside = path?.startsWith(dirname(resolve(out))) === true && !path.startsWith(resolve(folder))
      if (beside) throw new Refusal(`${clean(out, 400)} cannot be written (${code ?? ''}); name another place`)
      throw unreadable(error, folder)
    },
  )
  for (const { name, lines, first, last, complete } of manifest.streams) {
    const range = first === null || last === null ? '' : `, numbers ${first.seq} to ${last.seq}`
    const gaps = user === null && !complete ? ', NOT complete: lines are missing in between' : ''
    print(`${name}: ${lines} lines${range}${gaps}`)
  }
  if (user !== null)
    print(
      'lines of one user: their chain can be checked line by line alone; README.txt in the archive says how to prove more',
    )
  print(`written to ${out}`)
  return manifest.troubles.length === 0 ? 0 : 1
}

/** Of a copy elsewhere there is no store, and the lines alone tell. */
async function anchorOf(config: string): Promise<Buffer | null> {
  const state = await locateState(config, process.env).catch(() => null)
  try {
    return state === null ? null : (peekAudit(state)?.anchor ?? null)
  } catch {
    return null
  }
}
