/** Days as policy files write them: `2027-01-31`, in UTC. */
import { faulty, parsed, type Parsed } from './parsed.ts'

const DAY_MS = 86_400_000

/** Needs a day as `2027-01-31`; gives its first millisecond in UTC, since 1970. */
export function parseDay(text: string): Parsed<number> {
  const start = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(start) || writeDay(start) !== text) return faulty('is no day; write it like 2027-01-31')
  return parsed(start)
}

/** Needs the first millisecond of a day; gives the first of the next: what holds until that day ends there. */
export function endOfDay(start: number): number {
  return start + DAY_MS
}

/** Gives the UTC day of a moment as `2027-01-31`. */
export function writeDay(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
