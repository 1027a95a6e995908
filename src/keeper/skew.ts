/**
 * Codes that were right, but for another time. One of them is somebody's phone; when those of several people are off in the same
 * direction, it is this machine's clock. Kept in memory alone: the audit has each of them for good.
 */
import type { Clock } from '../base/clock.ts'
import { SKEW_KEPT_MAX, SKEW_KEPT_MS, SKEW_USERS } from '../base/login-limits.ts'

/** `seconds`: how far the clock behind the code is ahead of ours. `at`: ms since 1970. */
export type Skewed = { seconds: number; at: number }

export type SkewWatch = {
  /** The last of a user counts. */
  note(user: string, seconds: number): void
  /** Gives the last code of a user that came with another time, within the last hour. */
  of(user: string): Skewed | null
  /** Gives a sentence when this machine's clock seems to be wrong, or null. */
  warning(): string | null
}

/** A code typed a minute late is a slow finger, and says nothing of clocks. */
const SLOW_FINGER_SECONDS = 60

/** Gives an empty watch. */
export function createSkewWatch(clock: Clock): SkewWatch {
  const seen = new Map<string, Skewed>()
  const fresh = () => {
    const since = clock.now() - SKEW_KEPT_MS
    for (const [user, { at }] of seen) if (at < since) seen.delete(user)
    return seen
  }
  return {
    note(user, seconds) {
      // Moves to the end: the one that is oldest gives way.
      seen.delete(user)
      seen.set(user, { seconds, at: clock.now() })
      const [oldest] = seen.keys()
      if (seen.size > SKEW_KEPT_MAX && oldest !== undefined) seen.delete(oldest)
    },
    of: (user) => fresh().get(user) ?? null,
    warning() {
      const offsets = [...fresh().values()].map(({ seconds }) => seconds)
      const ahead = offsets.filter((seconds) => seconds > SLOW_FINGER_SECONDS)
      const behind = offsets.filter((seconds) => seconds < -SLOW_FINGER_SECONDS)
      const [most, few] = ahead.length >= behind.length ? [ahead, behind] : [behind, ahead]
      if (most.length < SKEW_USERS || few.length * 2 > most.length) return null
      const middle = most.toSorted((a, b) => a - b)[Math.floor(most.length / 2)] ?? 0
      const ours = middle > 0 ? 'behind' : 'ahead'
      return `the codes of ${most.length} users are right for a time about ${Math.abs(middle)} s ${middle > 0 ? 'ahead' : 'ago'}: the clock of this machine seems to be ${ours}; set it`
    },
  }
}
