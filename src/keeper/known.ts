/** Addresses from which somebody logged in lately: rates give them more room. In memory, filled from the store at the start. */
import { KNOWN_ADDRESSES_MAX, KNOWN_FOR_MS } from '../base/gate-limits.ts'

export type Known = {
  /** A login was proven from there at that time (ms since 1970). */
  proven(ip: string, at: number): void
  /** Tells whether one was within the last day. */
  holds(ip: string, now: number): boolean
}

/** Gives a table that knows nobody. Its order is that of the last proofs; beyond the ceiling the oldest goes. */
export function createKnown(): Known {
  const provenAt = new Map<string, number>()
  return {
    proven(ip, at) {
      const before = provenAt.get(ip) ?? -Infinity
      provenAt.delete(ip)
      provenAt.set(ip, Math.max(before, at))
      if (provenAt.size <= KNOWN_ADDRESSES_MAX) return
      const [oldest] = provenAt.keys()
      if (oldest !== undefined) provenAt.delete(oldest)
    },
    holds(ip, now) {
      const at = provenAt.get(ip)
      if (at === undefined) return false
      if (now - at < KNOWN_FOR_MS) return true
      provenAt.delete(ip)
      return false
    },
  }
}
