/** Which passwords a backend refused lately: a program that polls with an old one must not make the old server lock the user. */
import { REFUSED_REMEMBERED_MAX } from '../base/login-limits.ts'

export type Refused = {
  /** Needs the HMAC of backend, user and password, as text, and the time on the monotonic clock. */
  remember(key: string, now: number): void
  /** Tells whether it was refused within the last `within` milliseconds. */
  holds(key: string, within: number, now: number): boolean
}

/** In memory, with a ceiling: when it is full the oldest gives way, and the worst that follows is one more question. */
export function createRefused(): Refused {
  const times = new Map<string, number>()
  return {
    remember(key, now) {
      // A Map keeps the order of insertion: taken out and put in again, the key is the youngest.
      times.delete(key)
      times.set(key, now)
      if (times.size <= REFUSED_REMEMBERED_MAX) return
      const [oldest] = times.keys()
      if (oldest !== undefined) times.delete(oldest)
    },
    holds(key, within, now) {
      const at = times.get(key)
      return at !== undefined && now - at < within
    },
  }
}
