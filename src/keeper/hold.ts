/** How long refusals are held back, so that their time does not tell a wrong code from a wrong password or an unknown user. */
import { HOLD_MAX_MS, REFUSALS_MEASURED } from '../base/limits.ts'

export type Holds = {
  /** A backend refused a login so long after the attempt was handed to it. */
  measured(backend: string, tookMs: number): void
  /**
   * How long to hold a refusal back: until the attempt is as old as the longer of `replyAfter` and the backend's recent
   * p99 refusal time, but no older than ten seconds in all. `backend` is null where none serves the name: the slowest
   * one counts then.
   */
  holdMs(backend: string | null, replyAfter: number, elapsedMs: number): number
}

/** Gives the times of no backend yet. They live in memory: after a restart `replyAfter` alone counts. */
export function createHolds(): Holds {
  const recent = new Map<string, number[]>()
  return {
    measured(backend, tookMs) {
      const times = recent.get(backend) ?? []
      times.push(tookMs)
      if (times.length > REFUSALS_MEASURED) times.shift()
      recent.set(backend, times)
    },
    holdMs(backend, replyAfter, elapsedMs) {
      const slowest = backend === null ? [...recent.values()].map(p99) : [p99(recent.get(backend) ?? [])]
      const age = Math.min(HOLD_MAX_MS, Math.max(replyAfter, ...slowest))
      return Math.max(0, Math.round(age - elapsedMs))
    },
  }
}

/** Nearest rank. */
function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? 0
}
