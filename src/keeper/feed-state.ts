/** What is known of one feed, and what follows from it: when it is asked for again, whether it is stale, whether a body is short. */
import {
  FEED_JITTER,
  FEED_RETRY_MS,
  FEED_SHORT_LEAST,
  FEED_SHORT_SHARE,
  FEED_STALE_TIMES,
} from '../base/gate-limits.ts'
import type { CompiledList } from '../gate/verdict.ts'
import type { FeedPolicy } from '../policy/reputation.ts'
import type { FeedNote } from './feed-copy.ts'

/** Of one feed, for status, readiness and metrics. `age` in seconds, null when there never was a list. */
export type FeedState = {
  name: string
  mode: 'enforce' | 'monitor'
  state: 'good' | 'stale' | 'missing'
  /** Nobody is let in as long as it is missing. */
  blocks: boolean
  age: number | null
  entries: number
  /** Why the last fetch failed; null when it did not. */
  failed: string | null
}

/** A feed by URL, from when its policy was first seen. */
export type Held = {
  name: string
  url: string
  refreshMs: number
  state: string
  folder: string
  user: string
  list: CompiledList | null
  note: FeedNote | null
  failed: string | null
  failures: number
  fetching: Promise<void> | null
  cancel: () => void
  inForce: boolean
}

/** Gives how long to wait for the next fetch, in ms: spread by a tenth; after a failure soon, and then less and less often. */
export function waitOf({ refreshMs, note, failures }: Held, now: number, random: number): number {
  const spread = 1 + FEED_JITTER * (2 * random - 1)
  if (failures > 0) return Math.min(refreshMs, FEED_RETRY_MS * 2 ** Math.min(failures - 1, 20)) * spread
  const due = note === null ? 0 : note.confirmed + refreshMs * spread - now
  // A clock that was set back must not put a fetch off for years.
  return Math.min(Math.max(due, FEED_RETRY_MS * random), refreshMs * (1 + FEED_JITTER))
}

/** Tells whether a feed that never had a list refuses everybody. */
export function blocksWithout({ mode, onError }: FeedPolicy, isEnforced: boolean): boolean {
  return isEnforced && mode === 'enforce' && onError === 'deny'
}

/** Gives a feed's state; `isEnforced`: of the check as a whole. */
export function stateOf(feed: FeedPolicy, one: Held | null, isEnforced: boolean, now: number): FeedState {
  const { name, mode, source } = feed
  if (source.from === 'file') {
    const age = Math.max(0, now - source.changedAt) / 1_000
    return { name, mode, state: 'good', age: Math.round(age), entries: source.entries, failed: null, blocks: false }
  }
  const { note, list, failed } = one ?? { note: null, list: null, failed: null }
  if (note === null || list === null) {
    const blocks = blocksWithout(feed, isEnforced)
    return { name, mode, state: 'missing', age: null, entries: 0, failed, blocks }
  }
  const age = Math.max(0, now - note.confirmed)
  const state = age > source.refreshMs * FEED_STALE_TIMES ? 'stale' : 'good'
  return { name, mode, state, age: Math.round(age / 1_000), entries: note.entries, failed, blocks: false }
}

/** Tells whether a body of so many networks is taken for one that was cut short. */
export function isShort(entries: number, note: FeedNote | null): boolean {
  return note !== null && note.entries >= FEED_SHORT_LEAST && entries < note.entries * FEED_SHORT_SHARE
}
