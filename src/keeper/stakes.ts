/**
 * Attempts that are not decided yet. Without them a guesser would send a thousand guesses in one moment, and all would be
 * judged before the first was counted. An attempt that might be one too many waits until those before it are decided.
 */
import { STAKE_WAIT_MS, STAKE_WAITERS_MAX, STAKES_MAX, STAKES_MEANWHILE } from '../base/login-limits.ts'
import type { Clock } from '../base/clock.ts'
import type { CountKey } from '../state/store.ts'

/** A part in each of its counts. A second `release` does nothing. */
export type Held = { release(): void }

export type Stakes = {
  /** Tells whether a count with so much room left takes one more. One that has no room takes one at a time: who was locked may try again. */
  fits(count: CountKey, room: number): boolean
  /** Gives how much room of each of them will do for one more, and for those that come while it is looked up. */
  wanting(counts: readonly CountKey[]): number[]
  hold(counts: readonly CountKey[]): Held
  /** Waits for a stake to be released, at most so long. False when too many wait, the time is over, or the asker is gone. */
  change(until: number, gone: AbortSignal): Promise<boolean>
}

const nameOf = ({ kind, user, place }: CountKey) => `${kind} ${user} ${place}`

/** Gives a table without stakes. It holds no more than there are connections. */
export function createStakes(clock: Clock): Stakes {
  const held = new Map<string, number>()
  const waiters = new Set<(changed: boolean) => void>()
  const add = (key: CountKey, by: number) => {
    const name = nameOf(key)
    const now = (held.get(name) ?? 0) + by
    if (now > 0) held.set(name, now)
    else held.delete(name)
  }
  return {
    wanting: (counts) => counts.map((key) => Math.min(STAKES_MAX, (held.get(nameOf(key)) ?? 0) + STAKES_MEANWHILE)),
    fits: (count, room) => (held.get(nameOf(count)) ?? 0) < Math.max(1, room),
    hold(counts) {
      let isHeld = true
      for (const key of counts) add(key, 1)
      return {
        release() {
          if (!isHeld) return
          isHeld = false
          for (const key of counts) add(key, -1)
          for (const waiter of [...waiters]) waiter(true)
        },
      }
    },
    change(until, gone) {
      const left = Math.min(STAKE_WAIT_MS, until - clock.monotonic())
      if (left <= 0 || gone.aborted || waiters.size >= STAKE_WAITERS_MAX) return Promise.resolve(false)
      return new Promise((resolve) => {
        const waiter = (changed: boolean) => {
          waiters.delete(waiter)
          clearTimeout(timer)
          gone.removeEventListener('abort', leave)
          resolve(changed)
        }
        const leave = () => {
          waiter(false)
        }
        const timer = setTimeout(leave, left)
        gone.addEventListener('abort', leave)
        waiters.add(waiter)
      })
    },
  }
}
