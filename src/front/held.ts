/**
 * Addresses that the keeper has turned away for a moment. ATTACK: a flood from one address asks the keeper at every connection, and
 * every login waits behind it. The keeper says for how long its answer would be the same, and so long a front gives it by itself.
 */
import type { RuleAt } from '../audit/events.ts'
import { HELD_ADDRESSES_MAX, HELD_MAX_MS } from '../base/gate-limits.ts'

export type Held = {
  /** Turns an address away by that rule until `afterMs` have passed. */
  add(ip: string, by: RuleAt, afterMs: number, now: number): void
  /** Gives the rule that stands against an address, or null. Time is monotonic ms. */
  by(ip: string, now: number): RuleAt | null
  /** The policies have changed: everybody is asked about again. */
  clear(): void
}

/** Gives an empty table. When it is full, more addresses are not held: the keeper is asked about them. */
export function createHeld(): Held {
  const held = new Map<string, { by: RuleAt; until: number }>()
  let swept = -Infinity
  const sweep = (now: number) => {
    if (now - swept < HELD_MAX_MS) return
    swept = now
    for (const [one, { until }] of held) if (until <= now) held.delete(one)
  }
  return {
    add(ip, by, afterMs, now) {
      if (held.size >= HELD_ADDRESSES_MAX) sweep(now)
      if (afterMs > 0 && held.size < HELD_ADDRESSES_MAX) held.set(ip, { by, until: now + afterMs })
    },
    by(ip, now) {
      const one = held.get(ip)
      if (one === undefined) return null
      if (now < one.until) return one.by
      held.delete(ip)
      return null
    },
    clear() {
      held.clear()
    },
  }
}
