/** Counting by names that may come from strangers. */
import { REPORT_FINDINGS_MAX, REPORT_KINDS_MAX } from '../base/audit-limits.ts'

/** What stands for all names beyond the ceiling. */
export const OTHERS = '(others)'

export type Counts = Map<string, number>

/** Adds to the count of a name. Beyond {@link REPORT_KINDS_MAX} names the rest is counted together. */
export function count(counts: Counts, name: string, times = 1): void {
  const key = counts.has(name) || counts.size < REPORT_KINDS_MAX ? name : OTHERS
  counts.set(key, (counts.get(key) ?? 0) + times)
}

/** Gives the counts as a plain object, the largest first. */
export function countsOf(counts: Counts): Record<string, number> {
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)))
}

/** A list with a ceiling: `more` are not in it. */
export type Limited<T> = { list: T[]; more: number }

/** Gives a list, cut at {@link REPORT_FINDINGS_MAX}. */
export function limited<T>(all: readonly T[], max: number = REPORT_FINDINGS_MAX): Limited<T> {
  return { list: all.slice(0, max), more: Math.max(0, all.length - max) }
}
