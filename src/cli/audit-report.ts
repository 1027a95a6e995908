/** `postern audit report`: the audit of some days, summed up. */
import { misuse } from '../base/refusal.ts'
import { makeReport } from '../audit/report.ts'
import { loadPolicies } from '../policy/load.ts'
import { auditFolder, unreadable, warnOfTrouble } from './audit-folder.ts'
import { momentOf } from './moment.ts'
import { complianceOf } from './report-compliance.ts'
import { reportMarkdown } from './report-markdown.ts'

export type ReportOptions = { config: string; path?: string; from: string; to?: string; format: string }

/** Gives 0, whatever was found. */
export async function auditReport(options: ReportOptions): Promise<number> {
  const now = Date.now()
  const { since, until } = stretchOf(options, now)
  const folder = await auditFolder(options.config, options.path)
  const report = await makeReport(folder, since, until, warnOfTrouble).catch((error: unknown) => {
    throw unreadable(error, folder)
  })
  const loaded = await loadPolicies(options.config, process.env, { now })
  const compliance = await complianceOf(loaded.ok ? loaded.policies : null, report, now)
  const text =
    options.format === 'json' ? `${JSON.stringify({ ...report, compliance })}\n` : reportMarkdown(report, compliance)
  process.stdout.write(text)
  return 0
}

/** Gives the first moment, and the first that is out. A day is held whole. Throws Refusal for a time that is none. */
export function stretchOf({ from, to }: { from: string; to?: string }, now: number): { since: number; until: number } {
  const since = momentOf('from', from, now)
  const until = to === undefined ? now : momentOf('to', to, now, true)
  if (until <= since) throw misuse('--to lies before --from; name a later one')
  return { since, until }
}
