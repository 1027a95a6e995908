/** What the audit hears of guessing as a whole: locks, one address that tries many users, one user tried from many networks. */
import {
  SPRAYED_USERS,
  SPREAD_NETWORKS,
  WARNED_MAX,
  WARNING_AGAIN_MS,
  WARNINGS_PER_MINUTE,
} from '../base/login-limits.ts'
import type { AuditEvent } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { Allowance, FailedAnswer, Lock } from '../state/store.ts'

const MINUTE_MS = 60_000

export type Warnings = {
  /** Needs what a failure was counted by, and what the store says came of it. */
  tell(counts: readonly Allowance[], answer: FailedAnswer): void
}

/**
 * Each warning comes once an hour for its address or user, and few come in a minute. Every lock is told: it took several
 * failures, each of which has its own line already.
 */
export function createWarnings(clock: Clock, emit: (event: AuditEvent) => void): Warnings {
  const told = new Map<string, number>()
  let minute = { since: -Infinity, told: 0 }

  const mayTell = (key: string): boolean => {
    const now = clock.monotonic()
    const before = told.get(key)
    if (before !== undefined && now - before < WARNING_AGAIN_MS) return false
    if (now - minute.since >= MINUTE_MS) minute = { since: now, told: 0 }
    if (minute.told >= WARNINGS_PER_MINUTE) return false
    minute.told += 1
    told.delete(key)
    told.set(key, now)
    const [oldest] = told.keys()
    if (told.size > WARNED_MAX && oldest !== undefined) told.delete(oldest)
    return true
  }

  return {
    tell(counts, { locks, users, networks }) {
      for (const lock of locks) emit(lockEvent(lock))
      const lockOf = (kind: Lock['kind']) => locks.find((lock) => lock.kind === kind)
      const address = counts.find(({ kind }) => kind === 'address')
      if (address !== undefined && users >= SPRAYED_USERS) {
        const lock = lockOf('address')
        const act = lock === undefined ? 'reported' : 'locked'
        if (mayTell(`spraying ${act} ${address.place}`))
          emit({ stream: 'auth', action: 'spraying', network: address.place, users, act, until: until(lock) })
      }
      const user = counts.find(({ kind }) => kind === 'everywhere')
      if (user !== undefined && networks >= SPREAD_NETWORKS) {
        const lock = lockOf('everywhere')
        const act = lock === undefined ? 'reported' : 'refused-unjudged'
        if (mayTell(`spread ${act} ${user.user}`))
          emit({ stream: 'auth', action: 'guessing-spread', user: user.user, networks, act, until: until(lock) })
      }
    },
  }
}

const until = (lock: Lock | undefined) => (lock === undefined ? null : new Date(lock.until).toISOString())

/** `*`: every network where the user was not proven lately. */
function lockEvent({ kind, user, place, until }: Lock): AuditEvent {
  const end = new Date(until).toISOString()
  if (kind === 'address' || kind === 'network')
    return { stream: 'auth', action: 'network-locked', network: place, until: end }
  return { stream: 'auth', action: 'user-locked', user, network: kind === 'user' ? place : '*', until: end }
}
