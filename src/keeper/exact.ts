/** Whole HMACs of strings that were refused, in memory: on disk they are 16 bits, which another string may have too. */
import { REFUSED_EXACT_MAX, REFUSED_KEPT_MS } from '../base/login-limits.ts'

export type Exact = {
  /** `write` puts it on disk. Of one string that was refused twice at the same moment, the second waits for the first and is none. */
  remember(mac: Buffer, now: number, since: number, write: () => Promise<void>): Promise<void>
  /** What to give as `since`: what is remembered from here on was refused at the same moment. */
  turn(): number
  /** Tells whether this very string was refused within the last day, as far as this process remembers. */
  holds(mac: Buffer, now: number): boolean
}

/** Gives an empty table; beyond its ceiling the oldest gives way. */
export function createExact(): Exact {
  const refused = new Map<string, { at: number; turn: number }>()
  const writing = new Map<string, Promise<void>>()
  let turns = 0

  async function put(key: string, at: number, write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } finally {
      writing.delete(key)
    }
    refused.delete(key)
    refused.set(key, { at, turn: ++turns })
    const [oldest] = refused.keys()
    if (refused.size > REFUSED_EXACT_MAX && oldest !== undefined) refused.delete(oldest)
  }

  return {
    turn: () => turns,
    remember(mac, now, since, write) {
      const key = mac.toString('base64')
      if ((refused.get(key)?.turn ?? 0) > since) return Promise.resolve()
      const underWay = writing.get(key) ?? put(key, now, write)
      writing.set(key, underWay)
      return underWay
    },
    holds(mac, now) {
      const found = refused.get(mac.toString('base64'))
      return found !== undefined && now - found.at < REFUSED_KEPT_MS
    },
  }
}
