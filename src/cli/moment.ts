/** Times as an operator types them. All of them are UTC, as the audit's are. */
import { clean } from '../base/clean.ts'
import { endOfDay, parseDay, writeDay } from '../base/day.ts'
import { parseDuration } from '../base/quantity.ts'
import { misuse } from '../base/refusal.ts'

const HELP = 'write it like 2027-01-31, 2027-01-31T12:00:00Z, 2h (that long ago), today or yesterday'
const MOMENT = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?$/

/**
 * Needs what was typed for an option, and the present (ms since 1970); gives ms since 1970. A whole day is its first moment, and at `end`
 * the first moment behind it, so that `--until yesterday` holds all of yesterday. Throws Refusal for what is no time.
 */
export function momentOf(option: string, text: string, now: number, end = false): number {
  const day = text === 'today' ? writeDay(now) : text === 'yesterday' ? writeDay(now - 86_400_000) : text
  const start = parseDay(day)
  if (start.ok) return end ? endOfDay(start.value) : start.value
  const ago = parseDuration(text)
  if (ago.ok) return now - ago.value
  const zoned = /(Z|[+-]\d{2}:\d{2})$/.test(text) ? text : `${text}Z`
  const at = MOMENT.test(text) ? Date.parse(zoned.replace(' ', 'T')) : Number.NaN
  if (Number.isNaN(at)) throw misuse(`--${option} '${clean(text, 60)}' is no time; ${HELP}`)
  return at
}
