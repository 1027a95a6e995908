/** `max_sessions` of a backend: a place for each session, and a short queue for those that find none. */
import { PLACE_WAIT_MS, PLACE_WAITERS_MAX } from '../base/limits.ts'

export type Place = {
  /** Gives the place to who waits longest. A second call does nothing. */
  release(): void
}

export type Places = {
  /** Gives a place at once or within five seconds; null when none came free, too many wait, or the asker is gone. */
  take(backend: string, max: number, gone: AbortSignal): Promise<Place | null>
}

type Waiter = (place: Place | null) => void
type House = { used: number; max: number; waiters: Set<Waiter> }

/** Gives empty houses, made as backends are asked for. One for each keeper, as it alone counts all sessions. */
export function createPlaces(): Places {
  const houses = new Map<string, House>()
  return {
    async take(backend, max, gone) {
      const house = houses.get(backend) ?? { used: 0, max, waiters: new Set<Waiter>() }
      houses.set(backend, house)
      house.max = max
      if (gone.aborted) return null
      if (house.used < max && house.waiters.size === 0) return occupy(house)
      return house.waiters.size >= PLACE_WAITERS_MAX ? null : await wait(house, gone)
    },
  }
}

function occupy(house: House): Place {
  house.used++
  let held = true
  return {
    release() {
      if (!held) return
      held = false
      house.used--
      handOn(house)
    },
  }
}

/** More than one may get in after a reload that raised the ceiling. */
function handOn(house: House): void {
  for (const waiter of [...house.waiters]) {
    if (house.used >= house.max) return
    waiter(occupy(house))
  }
}

function wait(house: House, gone: AbortSignal): Promise<Place | null> {
  return new Promise((resolve) => {
    const waiter: Waiter = (place) => {
      house.waiters.delete(waiter)
      clearTimeout(timer)
      gone.removeEventListener('abort', leave)
      resolve(place)
    }
    const leave = () => {
      waiter(null)
    }
    const timer = setTimeout(leave, PLACE_WAIT_MS)
    gone.addEventListener('abort', leave)
    house.waiters.add(waiter)
  })
}
