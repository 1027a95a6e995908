/** How long answers are held back, so that their time does not tell a wrong code from a wrong password or an unknown user. */
import { HOLD_GRAIN_MS, HOLD_MARGIN_MS, HOLD_MAX_MS, REFUSAL_AGE_MS, REFUSALS_MEASURED } from '../base/login-limits.ts'

/** `refusal`: the old server said no. `trouble`: it could not be asked, or had no place. */
export type HeldBack = 'refusal' | 'trouble'

export type Holds = {
  /** A backend ended a login so, and this long after the attempt was handed to it we were ready to say so. `now` is monotonic ms. */
  measured(backend: string, what: HeldBack, tookMs: number, now: number): void
  /**
   * How long to hold an answer back: until the attempt is as old as the longer of `replyAfter` and the backend's recent
   * p99 time, but no older than ten seconds in all. `backend` is null where none serves the name: the slowest one counts then.
   */
  holdMs(backend: string | null, what: HeldBack, replyAfter: number, elapsedMs: number, now: number): number
}

type Measure = { tookMs: number; at: number }

/** Gives the times of no backend yet. They live in memory: after a restart `replyAfter` alone counts. */
export function createHolds(): Holds {
  const recent: Record<HeldBack, Map<string, Measure[]>> = { refusal: new Map(), trouble: new Map() }
  return {
    measured(backend, what, tookMs, now) {
      const times = recent[what].get(backend) ?? []
      times.push({ tookMs, at: now })
      if (times.length > REFUSALS_MEASURED) times.shift()
      recent[what].set(backend, times)
    },
    holdMs(backend, what, replyAfter, elapsedMs, now) {
      const of = backend === null ? [...recent[what].values()] : [recent[what].get(backend) ?? []]
      const slowest = Math.max(...of.map((times) => p99(times.filter(({ at }) => now - at < REFUSAL_AGE_MS))))
      // To a round figure above it: the last per cent, and the moments of our own on the way, must not be told either.
      const age = slowest + HOLD_MARGIN_MS <= replyAfter ? replyAfter : roundUp(slowest + HOLD_MARGIN_MS)
      return Math.max(0, Math.round(Math.min(HOLD_MAX_MS, age) - elapsedMs))
    },
  }
}

/** Nearest rank. */
function p99(times: readonly Measure[]): number {
  return times.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? -Infinity
}

function roundUp(ms: number): number {
  return Math.ceil(ms / HOLD_GRAIN_MS) * HOLD_GRAIN_MS
}
