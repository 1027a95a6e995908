/** Whole HMACs of strings that were refused, in memory: on disk they are 16 bits, which another string may have too. */
import { REFUSED_EXACT_MAX, REFUSED_KEPT_MS } from '../base/limits.ts'

export type Exact = {
  remember(mac: Buffer, now: number): void
  /** Tells whether this very string was refused within the last day, as far as this process remembers. */
  holds(mac: Buffer, now: number): boolean
}

/** Gives an empty table; beyond its ceiling the oldest gives way. */
export function createExact(): Exact {
  const times = new Map<string, number>()
  return {
    remember(mac, now) {
      const key = mac.toString('base64')
      times.delete(key)
      times.set(key, now)
      const [oldest] = times.keys()
      if (times.size > REFUSED_EXACT_MAX && oldest !== undefined) times.delete(oldest)
    },
    holds(mac, now) {
      const at = times.get(mac.toString('base64'))
      return at !== undefined && now - at < REFUSED_KEPT_MS
    },
  }
}
