/** `postern audit replay`: a policy tried on what has happened, before it is put in force. */
import { printable } from '../base/printable.ts'
import { misuse } from '../base/refusal.ts'
import { auditFolder, unreadable, warnOfTrouble } from './audit-folder.ts'
import { momentOf } from './moment.ts'
import { loadCandidate, replayOver } from './replay-load.ts'
import type { Comparison, Example, Row } from './replay.ts'

export type ReplayOptions = {
  config: string
  path?: string
  policies: string
  from?: string
  to?: string
  json?: boolean
}

const DEFAULT_FROM = '7d'
const print = (text: string) => process.stdout.write(`${text}\n`)

/** Gives 0, whatever differs. Throws Refusal for a time that is none, Refusal for a candidate with faults. */
export async function auditReplay(options: ReplayOptions): Promise<number> {
  const now = Date.now()
  const since = momentOf('from', options.from ?? DEFAULT_FROM, now)
  const until = options.to === undefined ? null : momentOf('to', options.to, now, true)
  if (until !== null && until <= since) throw misuse('--to lies before --from; name a later one')
  const folder = await auditFolder(options.config, options.path)
  const { parts, remarks } = await loadCandidate(options.policies, options.config)
  const stretch = { since, until }
  const { comparison, late } = await replayOver(folder, stretch, parts, warnOfTrouble).catch((error: unknown) => {
    throw unreadable(error, folder)
  })
  const notes = [...remarks, ...notesOn(comparison, late)]
  const times = { from: new Date(since).toISOString(), to: until === null ? null : new Date(until).toISOString() }
  if (options.json === true) print(JSON.stringify({ ...times, ...comparison, notes }))
  else
    for (const line of [...wordsOf(comparison, times), ...notes.map((note) => `note: ${note}`)]) print(printable(line))
  return 0
}

/** What holds of every replay, and what this one could not tell. */
function notesOn({ connections: { left_out, summed, unsure, untimed } }: Comparison, late: number): string[] {
  const when = (count: number, words: string) => (count > 0 ? [`${count} ${words}`] : [])
  return [
    'lists, feeds and country databases are those on disk now, also for what happened before they were fetched',
    'DNS lists were not asked: what a zone said then counts, and of who was turned away before nothing is known',
    'passwords, codes, app passwords, certificates, trusted devices, locks and failures are not replayed: they count as they did',
    ...when(left_out, 'connections were turned away by ceilings or listeners: left out'),
    ...when(summed, 'connections are on record as sums: judged by the last address of each, not by rates'),
    ...when(unsure, 'connections of such sums cannot be told: a rate decided, or would'),
    ...when(
      untimed,
      'connections were recorded without the time of their arrival: rates counted them at their first line',
    ),
    ...when(late, 'lines came too late to be put in order, and were left out'),
  ]
}

function wordsOf({ connections, logins, users_hit }: Comparison, times: { from: string; to: string | null }): string[] {
  const named = [...users_hit.names.slice(0, 20), ...restOf(users_hit.names.length + users_hit.more - 20)]
  return [
    `from ${times.from} to ${times.to ?? 'now'}: ${connections.judged} connections, ${logins.judged} logins`,
    ...section('newly denied connections', connections.newly_denied),
    ...section('newly admitted connections', connections.newly_admitted),
    ...section('newly refused logins', logins.newly_refused),
    ...section('logins that a rule refused, and none would now', logins.newly_judged),
    `denied then and now, by another rule: ${connections.otherwise_denied}`,
    `users who logged in and would not have: ${named.length === 0 ? 'none' : named.join(' ')}`,
  ]
}

function section(title: string, rows: Row[]): string[] {
  const sum = rows.reduce((all, { count }) => all + count, 0)
  return [
    `${title}: ${sum}`,
    ...rows
      .slice(0, 50)
      .flatMap((row) => [
        `  ${row.count}  ${row.rule}${row.file === '' ? '' : ` ${row.file}:${row.line}`}${usersOf(row)}`,
        ...row.examples.map((example) => `      ${exampleOf(example)}`),
      ]),
    ...restOf(rows.length - 50).map((rest) => `  ${rest}`),
  ]
}

function usersOf({ users, more_users }: Row): string {
  return users.length === 0 ? '' : `  users: ${[...users, ...restOf(more_users)].join(' ')}`
}

function restOf(more: number): string[] {
  return more > 0 ? [`and ${more} more`] : []
}

function exampleOf({ at, ip, country, count, user }: Example): string {
  const times = count > 1 ? ` ${count} times` : ''
  return `${at} ${ip}${country === null ? '' : ` ${country}`}${user === null ? '' : ` ${user}`}${times}`
}
