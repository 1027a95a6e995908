/**
 * Codes in flight. The store says which codes are taken; only this process knows which of those are still being judged by
 * the old server. A second login with the same string waits for the first, as mail programs open two or three
 * connections at once; from another device the code is worthless from the moment it is taken.
 */
import { CLAIM_WAIT_MS, CLAIM_WAITERS_MAX } from '../base/login-limits.ts'
import type { Clock } from '../base/clock.ts'
import type { Claim, ClaimAnswer, Store } from '../state/store.ts'

export type HeldClaim = {
  claim: Claim
  /** What the store says of the claim is final: who waits for it may look. A second call does nothing. */
  done(): void
}

/** `late`: the first login was not judged in time, too many wait, or the asker is gone. */
export type Claimed = { say: 'held'; held: HeldClaim } | { say: Exclude<ClaimAnswer, 'claimed'> } | { say: 'late' }

export type Claims = {
  /** Rejects as the store does; nothing is held then. */
  claim(claim: Claim, gone: AbortSignal): Promise<Claimed>
}

/** `taken`: the store has given the code to this device. `waiters` are woken at each change. */
type Flight = { device: string; taken: boolean; waiters: Set<() => void> }

/** Needs the store that remembers codes, and the clock whose monotonic time limits the wait. One for each keeper. */
export function createClaims(store: Store, clock: Clock): Claims {
  const flights = new Map<string, Flight>()

  async function take(key: string, claim: Claim): Promise<Claimed> {
    const flight: Flight = { device: claim.device, taken: false, waiters: new Set() }
    // Before the first await: two attempts must not both find the code free.
    flights.set(key, flight)
    const done = () => {
      if (flights.get(key) === flight) flights.delete(key)
      wake(flight)
    }
    try {
      const answer = await store.claim(claim, clock.now())
      if (answer === 'claimed') {
        flight.taken = true
        wake(flight)
        return { say: 'held', held: { claim, done } }
      }
      done()
      return { say: answer }
    } catch (error) {
      done()
      throw error
    }
  }

  return {
    async claim(claim, gone) {
      const key = `${claim.code.of} ${claim.code.number} ${claim.user}`
      const until = clock.monotonic() + CLAIM_WAIT_MS
      for (;;) {
        // First of all: a code that was right when it was typed must not be taken long after.
        const left = until - clock.monotonic()
        if (gone.aborted || left <= 0) return { say: 'late' }
        const flight = flights.get(key)
        if (flight === undefined) return await take(key, claim)
        if (flight.taken && flight.device !== claim.device) return { say: 'replayed' }
        if (flight.waiters.size >= CLAIM_WAITERS_MAX) return { say: 'late' }
        await change(flight, left, gone)
      }
    },
  }
}

function wake(flight: Flight): void {
  for (const waiter of [...flight.waiters]) waiter()
}

function change(flight: Flight, withinMs: number, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const waiter = () => {
      flight.waiters.delete(waiter)
      clearTimeout(timer)
      gone.removeEventListener('abort', waiter)
      resolve()
    }
    const timer = setTimeout(waiter, withinMs)
    gone.addEventListener('abort', waiter)
    flight.waiters.add(waiter)
  })
}
