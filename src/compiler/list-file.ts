/** Reads a list file of the policy folder: one network, address or range a line, `#` comments, `until` a day. */
import type { Range } from '../base/ip.ts'
import { LIST_FAULTS_MAX } from '../base/gate-limits.ts'
import { LIST_ENTRIES_MAX, LIST_LINE_MAX } from '../base/limits.ts'
import { endOfDay, parseDay } from '../base/day.ts'
import { readRange } from './quick-range.ts'

/** `until`: milliseconds since 1970 from which the entry no longer counts, Infinity for ever. `line` is 1-based. */
export type ListEntry = { range: Range; until: number; line: number }
export type LineFault = { line: number; column: number; message: string }
export type ListFile = { entries: ListEntry[]; faults: LineFault[] }

/** Needs the text of a list file; gives its entries in order, and a fault for each line that cannot be read, up to 5,000. */
export function parseListFile(text: string): ListFile {
  const list: ListFile = { entries: [], faults: [] }
  for (const [i, written] of text.split('\n').entries()) {
    const content = written.replace(/#.*/, '').trim()
    if (content === '') continue
    const line = i + 1
    if (list.entries.length >= LIST_ENTRIES_MAX) {
      list.faults.push({ line, column: 1, message: `a list may hold ${LIST_ENTRIES_MAX} entries; split it` })
      break
    }
    const entry = readEntry(content)
    if (entry.ok) list.entries.push({ ...entry.value, line })
    else list.faults.push({ line, column: written.indexOf(content) + 1 + entry.at, message: entry.message })
    if (list.faults.length >= LIST_FAULTS_MAX) break
  }
  return list
}

type ReadEntry = { ok: true; value: { range: Range; until: number } } | { ok: false; at: number; message: string }

function readEntry(content: string): ReadEntry {
  if (content.length > LIST_LINE_MAX) {
    return { ok: false, at: 0, message: `the line is longer than ${LIST_LINE_MAX} characters; is this a list file?` }
  }
  const plain = readRange(content)
  if (plain.ok) return { ok: true, value: { range: plain.value, until: Infinity } }
  const parts = /^(?<range>\S+(?:\s*-\s*\S+)?)(?:(?<gap>\s+until\s+)(?<day>\S+))?(?<rest>\s+.*)?$/.exec(content)?.groups
  const text = parts?.['range'] ?? content
  const range = readRange(text)
  if (!range.ok) return { ok: false, at: 0, message: `\`${cut(text)}\` ${range.fault}` }
  const rest = parts?.['rest']
  if (rest !== undefined) {
    const message = `\`${cut(rest.trim())}\` is not understood; only \`until 2027-01-31\` or a # comment may follow`
    return { ok: false, at: content.length - rest.trimStart().length, message }
  }
  const day = parts?.['day']
  if (day === undefined) return { ok: true, value: { range: range.value, until: Infinity } }
  const until = parseDay(day)
  if (until.ok) return { ok: true, value: { range: range.value, until: endOfDay(until.value) } }
  return { ok: false, at: content.length - day.length, message: `\`${cut(day)}\` ${until.fault}` }
}

/** A fault shows so much of a line: enough to find it, and no more of what may be a file of quite another kind. */
function cut(text: string): string {
  return text.length > 50 ? `${text.slice(0, 50)}…` : text
}
