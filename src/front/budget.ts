/** What one front holds open: a ceiling, and a handle on each connection so that it can be ended from outside. */
import type { Ending } from '../audit/events.ts'

export type Handle = {
  /** Asks the connection to end; a forwarded QUIT is still waited for. */
  stop(reason: Ending): void
  loggedIn: boolean
  /** Its id, once it has one. */
  session?: string
}

export type Budget = {
  /** False when the house is full: the caller closes the socket and says so in the audit. */
  enter(handle: Handle, ceiling: number): boolean
  leave(handle: Handle): void
  /** Gives the handle its id, so that `kill` finds it. */
  named(session: string, handle: Handle): void
  kill(session: string, reason: 'killed' | 'evicted'): void
  /** Ends those that have not logged in, or all. */
  stopAll(reason: Ending, which: 'not-logged-in' | 'all'): void
  size(): number
  /** Resolves when the last connection has left. */
  empty(): Promise<void>
}

/** An empty budget. */
export function budget(): Budget {
  const inside = new Set<Handle>()
  const names = new Map<string, Handle>()
  const waiters: (() => void)[] = []
  return {
    enter(handle, ceiling) {
      if (inside.size >= ceiling) return false
      inside.add(handle)
      return true
    },
    leave(handle) {
      inside.delete(handle)
      if (handle.session !== undefined) names.delete(handle.session)
      if (inside.size === 0) for (const done of waiters.splice(0)) done()
    },
    named(session, handle) {
      names.set(session, handle)
      handle.session = session
    },
    kill(session, reason) {
      names.get(session)?.stop(reason)
    },
    stopAll(reason, which) {
      for (const handle of [...inside]) if (which === 'all' || !handle.loggedIn) handle.stop(reason)
    },
    size: () => inside.size,
    empty: () =>
      new Promise((resolve) => {
        if (inside.size === 0) resolve()
        else waiters.push(resolve)
      }),
  }
}
