/** `max_sessions` of a backend: a place for each session, and a short queue for those that find none. */
import { PLACE_ONLOOKERS_MAX, PLACE_WAIT_MS, PLACE_WAITERS_MAX } from '../base/login-limits.ts'

export type Place = {
  /** Gives the place to who waits longest. A second call does nothing. */
  release(): void
}

export type Places = {
  /** Gives a place at once or within five seconds; null when none came free, too many wait, or the asker is gone. */
  take(backend: string, max: number, gone: AbortSignal): Promise<Place | null>
  /** Tells, as late as `take` would, whether it would have given one. Takes none, and nobody else's turn. */
  could(backend: string, max: number, gone: AbortSignal): Promise<boolean>
}

/** `looks`: it takes no place. */
type Waiter = { looks: boolean; done: (place: Place | null) => void }
type House = { used: number; max: number; waiters: Set<Waiter>; onlookers: number }

/** What an onlooker is given. */
const SEEN: Place = { release: () => undefined }

/** Gives empty houses, made as backends are asked for. One for each keeper, as it alone counts all sessions. */
export function createPlaces(): Places {
  const houses = new Map<string, House>()
  const houseOf = (backend: string, max: number): House => {
    const house = houses.get(backend) ?? { used: 0, max, waiters: new Set<Waiter>(), onlookers: 0 }
    houses.set(backend, house)
    house.max = max
    return house
  }
  return {
    async take(backend, max, gone) {
      const house = houseOf(backend, max)
      if (gone.aborted) return null
      if (house.used < max && house.waiters.size === 0) return occupy(house)
      return waiting(house) >= PLACE_WAITERS_MAX ? null : await wait(house, gone, false)
    },
    async could(backend, max, gone) {
      const house = houseOf(backend, max)
      if (gone.aborted) return false
      if (house.used < max && house.waiters.size === 0) return true
      if (waiting(house) >= PLACE_WAITERS_MAX || house.onlookers >= PLACE_ONLOOKERS_MAX) return false
      return (await wait(house, gone, true)) !== null
    },
  }
}

const waiting = ({ waiters, onlookers }: House) => waiters.size - onlookers

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
    waiter.done(waiter.looks ? SEEN : occupy(house))
  }
}

function wait(house: House, gone: AbortSignal, looks: boolean): Promise<Place | null> {
  return new Promise((resolve) => {
    const waiter: Waiter = {
      looks,
      done(place) {
        house.waiters.delete(waiter)
        if (looks) house.onlookers -= 1
        clearTimeout(timer)
        gone.removeEventListener('abort', leave)
        resolve(place)
      },
    }
    const leave = () => {
      waiter.done(null)
    }
    const timer = setTimeout(leave, PLACE_WAIT_MS)
    gone.addEventListener('abort', leave)
    house.waiters.add(waiter)
    if (looks) house.onlookers += 1
  })
}
