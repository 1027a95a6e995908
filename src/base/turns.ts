/** Work on what may be a hundred thousand, in slices: mail flows on in between. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** So many of them go together where the caller says nothing else: a few milliseconds at most. */
const SLICE = 500

/** Calls `each` for all of them, in order, and lets others have their turn behind so many. */
export async function inTurns<T>(all: Iterable<T>, each: (one: T) => void, slice = SLICE): Promise<void> {
  let done = 0
  for (const one of all) {
    if (done > 0 && done % slice === 0) await nextTurn()
    each(one)
    done++
  }
}

/** Gives all that `next` gives, page by page: it needs the last one so far and how many a page has; a page with fewer is the last. */
export async function inPages<T>(next: (last: T | undefined, most: number) => Promise<T[]>): Promise<T[]> {
  const all: T[] = []
  for (;;) {
    const page = await next(all.at(-1), SLICE)
    all.push(...page)
    if (page.length < SLICE) return all
    await nextTurn()
  }
}
