/** The report as Markdown. What strangers typed stands in code spans, where no reader of Markdown takes it for a table, HTML or a link. */
import type { Limited } from '../audit/counts.ts'
import { DRAINED, type Findings } from '../audit/report-findings.ts'
import type { Report } from '../audit/report.ts'
import { REPORT_SHOWN_MAX } from '../base/audit-limits.ts'
import { printable } from '../base/printable.ts'
import type { Item } from './report-compliance.ts'

/** Needs the report and its compliance table; gives the whole text. */
export function reportMarkdown(report: Report, items: readonly Item[]): string {
  const { from, to, reaches_back, lines, days, users, look_at, troubles } = report
  return [
    `# Postern audit, ${from.slice(0, 16)}Z to ${to.slice(0, 16)}Z`,
    `${lines} lines. The audit reaches back to ${reaches_back ?? 'nothing'}; what is called usual or first is so since then. All times are UTC.`,
    ...section('Look at these', lookAt(look_at)),
    ...section('Compliance', [
      table(
        ['Item', 'Finding', 'State', 'What to do'],
        items.map(({ item, finding, state, todo }) => [words(item), words(finding), state, words(todo)]),
      ),
    ]),
    ...section('By day', [
      table(
        ['Day', 'Logins', 'Refused', 'New devices', 'Connections denied', 'Would be denied'],
        days.map((row) => [
          row.day,
          row.logins,
          counts(row.refused),
          row.new_devices,
          counts(row.denied),
          counts(row.would_deny),
        ]),
      ),
    ]),
    ...section('By day and user', [
      table(
        ['Day', 'User', 'Logins', 'Factors', 'Refused', 'Countries', 'New devices'],
        users.map((row) => [
          row.day,
          name(row.user),
          row.logins,
          counts(row.factors),
          counts(row.refused),
          counts(row.countries),
          row.new_devices,
        ]),
      ),
    ]),
    ...(troubles.list.length === 0 ? [] : section('Could not be read', bullets(troubles))),
    '',
  ].join('\n')
}

function section(title: string, blocks: string[]): string[] {
  return ['', `## ${title}`, '', blocks.join('\n\n')]
}

function lookAt(all: Findings): string[] {
  const parts = [
    part('Exposed passwords: somebody had the right password and no code. Change these passwords.', all.exposed, ['User', 'Times', 'Last', 'From', 'Country', 'Tried with'], (one) => [name(one.user), one.times, one.last, name(one.ip), name(one.country ?? '-'), name(one.reason)]), // prettier-ignore
    part('First logins from a country.', all.first_countries, ['User', 'Country', 'At', 'From', 'Before'], (one) => [name(one.user), name(one.country), one.at, name(one.ip), one.before.map(name).join(' ')]), // prettier-ignore
    part(`Drained mailboxes: ${DRAINED.least} messages or more in one session and ${DRAINED.times} times what is usual for the user; where fewer than ${DRAINED.sessions} sessions were seen before, ${DRAINED.unknown} or more.`, all.drained, ['User', 'At', 'From', 'Retrieved', 'Deleted', 'Usual'], (one) => [name(one.user), one.at, name(one.ip), one.retrieved, one.deleted, one.usual ?? 'not known']), // prettier-ignore
    part('One address, many users. An office looks like this too: there nearly all of them log in.', all.addresses, ['Address', 'Country', 'Users', 'Logged in', 'Refusals'], (one) => [name(one.ip), name(one.country ?? '-'), one.users, one.logged_in, one.refused]), // prettier-ignore
    part('Devices whose trust has run out, and which go on polling: these people need a new code.', all.trust_expired, ['User', 'Times', 'Last', 'From'], (one) => [name(one.user), one.times, one.last, name(one.ip)]), // prettier-ignore
    part('Locks, and guessing as a whole.', all.locks, ['At', 'What', 'User', 'From', 'Reason'], (one) => [one.at, name(one.action), name(one.user), name(one.network ?? '-'), name(one.reason ?? '-')]), // prettier-ignore
  ].filter((text) => text !== '')
  return parts.length === 0 ? ['Nothing.'] : parts
}

type Cell = string | number

function part<T>(title: string, { list, more }: Limited<T>, head: string[], row: (one: T) => Cell[]): string {
  if (list.length === 0) return ''
  return `**${title}**\n\n${table(head, list.map(row), more)}`
}

/** A table of at most {@link REPORT_SHOWN_MAX} rows; what is left out is said. */
function table(head: string[], rows: Cell[][], more = 0): string {
  if (rows.length === 0) return 'None.'
  const line = (cells: Cell[]) => `| ${cells.join(' | ')} |`
  const left = Math.max(0, rows.length - REPORT_SHOWN_MAX) + more
  return [
    line(head),
    `|${head.map(() => '---|').join('')}`,
    ...rows.slice(0, REPORT_SHOWN_MAX).map(line),
    ...(left > 0 ? ['', `And ${left} more: \`--format json\` names them.`] : []),
  ].join('\n')
}

function bullets({ list, more }: Limited<string>): string[] {
  const shown = list.slice(0, REPORT_SHOWN_MAX)
  const left = list.length - shown.length + more
  return [[...shown.map((one) => `- ${words(one)}`), ...(left > 0 ? [`- and ${left} more`] : [])].join('\n')]
}

function counts(all: Record<string, number>): string {
  const shown = Object.entries(all)
  const cut = shown.slice(0, 8).map(([key, times]) => `${name(key)} ${times}`)
  return [...cut, ...(shown.length > 8 ? [`and ${shown.length - 8} more`] : [])].join(', ') || '-'
}

/** A text of outside origin as a code span: what would end the span or the cell is written as an escape. */
function name(text: string): string {
  const safe = printable(text).replace(/[`|]/g, (sign) => `\\u{${sign.charCodeAt(0).toString(16)}}`)
  return safe.trim() === '' ? '-' : `\`${safe}\``
}

/** Words of ours that may hold a name of the operator's: signs of Markdown lose their meaning, code spans of ours stay. */
function words(text: string): string {
  return printable(text).replace(/[\\<>&|*_[\]#]/g, (sign) => `\\${sign}`)
}
