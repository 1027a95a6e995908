/** One audit line in words that fit a terminal. */
import { readRecord, text, type Recorded, fields, number } from '../audit/recorded.ts'
import { printable } from '../base/printable.ts'

const NARROW = 18
/** Longer than any line of ours needs; a file may have been altered. */
const SHOWN_MAX = 1_000

/** Needs the bytes of a line. Gives text without any sign that a terminal would obey. */
export function prettyLine(line: Buffer): string {
  const record = readRecord(line)
  if (record === null) return `? ${printable(line.toString('utf8', 0, 200))}`
  return printable(wordsOf(record).slice(0, SHOWN_MAX))
}

function wordsOf(record: Recorded): string {
  const { at, stream, action, count, network } = record
  const time = new Date(at).toISOString().replace('T', ' ')
  const words = [
    record.user,
    addressOf(record),
    record.listener === undefined ? undefined : `at ${record.listener}`,
    record.reason,
    record.factor,
    ruleOf(record),
    network === undefined ? undefined : `in ${network}`,
    count > 1 ? `${count} times` : undefined,
    ...detailsOf(record),
  ]
  const said = words.filter((word) => word !== undefined && word !== '').join('  ')
  return `${time} ${stream.padEnd(7)} ${action.padEnd(NARROW)} ${said}`.trimEnd()
}

function addressOf({ ip, country }: Recorded): string | undefined {
  return ip === undefined || country === undefined ? ip : `${ip} ${country}`
}

function ruleOf({ rule }: Recorded): string | undefined {
  if (rule === undefined) return undefined
  return rule.file === '' ? rule.rule : `${rule.rule} ${rule.file}:${rule.line}`
}

/** What stands under `postern` and is worth a word: texts, numbers and what is told when it is so. */
const TEXTS = ['answer', 'device', 'backend', 'address', 'forward', 'file', 'version', 'act', 'until', 'kind']
const NUMBERS = ['users', 'networks', 'locks', 'lines', 'bytes', 'front', 'skew_seconds']
const FLAGS = ['temporary', 'replaced']

function detailsOf({ detail, durationMs, certificate }: Recorded): (string | undefined)[] {
  const [messages, feed] = [fields(detail['messages']), fields(detail['feed'])]
  const [retrieved, entries] = [number(messages['retrieved']), number(feed['entries'])]
  const numbers = text(messages['numbers'])
  const shown = (names: readonly string[], read: (value: unknown) => string | number | undefined) =>
    names.map((name) => {
      const value = read(detail[name])
      return value === undefined ? undefined : `${name} ${value}`
    })
  return [
    ...shown(TEXTS, text),
    ...shown(NUMBERS, number),
    ...FLAGS.filter((name) => detail[name] === true),
    ...['feed', 'certificate', 'app_password'].map((name) => text(fields(detail[name])['name'])),
    entries === undefined ? undefined : `${entries} entries`,
    ...listOf(detail['countries']),
    numbers === undefined ? undefined : `messages ${numbers}`,
    retrieved === undefined ? undefined : `${retrieved} retrieved, ${number(messages['deleted']) ?? 0} deleted`,
    durationMs === undefined ? undefined : `${Math.round(durationMs / 1000)} s`,
    certificate === undefined || certificate === 'good' ? undefined : `certificate ${certificate}`,
    ...listOf(detail['faults']),
  ]
}

const LISTED_MAX = 3

function listOf(value: unknown): (string | undefined)[] {
  const all: unknown[] = Array.isArray(value) ? value : []
  return [
    ...all.slice(0, LISTED_MAX).map(text),
    all.length > LISTED_MAX ? `and ${all.length - LISTED_MAX} more` : undefined,
  ]
}
