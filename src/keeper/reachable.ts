/**
 * Whether the old servers could be asked right now. While users are being enrolled, names of the roster hear at once that the
 * old server is down; a name that nobody has must hear the same, and it is never sent there to find out.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { REACHABLE_KNOWN_MS } from '../base/login-limits.ts'
import type { Clock } from '../base/clock.ts'
import type { Backends } from './backends.ts'

/** Gives false when all addresses of the backend are down as far as is known after so many milliseconds at most. */
export type Reachable = (backend: string, withinMs: number) => Promise<boolean>

/** However many ask, the old servers are looked at once a second: strangers must not keep them busy. */
export function createReachable(backends: () => Pick<Backends, 'probeAll' | 'states'>, clock: Clock): Reachable {
  let running: Promise<void> | null = null
  let lookedAt = -Infinity
  const look = () => {
    running ??= backends()
      .probeAll()
      .finally(() => {
        running = null
        lookedAt = clock.monotonic()
      })
    return running
  }
  return async (backend, withinMs) => {
    const stop = new AbortController()
    if (clock.monotonic() - lookedAt >= REACHABLE_KNOWN_MS)
      await Promise.race([look(), delay(withinMs, undefined, { signal: stop.signal }).catch(() => undefined)])
    stop.abort()
    const own = backends()
      .states()
      .filter((state) => state.backend === backend)
    return own.length === 0 || own.some(({ up }) => up !== false)
  }
}
