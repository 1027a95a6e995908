/**
 * Brings the snapshot to the fronts without holding anybody up. The arrays of large lists go ahead of it, in pieces, the next
 * one when the pipe has taken the last; and only those that a front has not got already.
 */
import { bytesOf, type Numbers, takeApart } from '../base/parts.ts'
import { PART_LEAST, PART_PIECE_MAX } from '../base/gate-limits.ts'
import type { Snapshot } from './messages.ts'
import type { Front } from './supervise.ts'

export type Delivery = {
  /** Sends the newest snapshot. Asked again meanwhile, it sends the one that is newest then. Never rejects. */
  to(front: Front): void
}

type Errand = { has: Set<number>; busy: boolean; again: boolean }

/** Needs what gives the newest snapshot. Its gate must be the same object as long as it is the same gate. */
export function createDelivery(newest: () => Snapshot): Delivery {
  const errands = new WeakMap<Front, Errand>()
  const numbers = new WeakMap<Numbers, number>()
  let last = 0
  const numberOf = (array: Numbers): number | null => {
    if (array.byteLength < PART_LEAST) return null
    const number = numbers.get(array) ?? ++last
    numbers.set(array, number)
    return number
  }

  /** One round: the parts, and the snapshot if it still is the newest one. */
  const send = async (front: Front, errand: Errand): Promise<void> => {
    const { gate } = newest()
    const parts = new Map<number, Numbers>()
    const thin = takeApart(gate, (array) => {
      const number = numberOf(array)
      if (number !== null) parts.set(number, array)
      return number
    }) as Snapshot['gate']
    for (const [number, array] of parts) {
      if (errand.has.has(number)) continue
      await sendPart(front, number, array)
      errand.has.add(number)
    }
    const snapshot = newest()
    if (snapshot.gate !== gate) return send(front, errand)
    front.say({ kind: 'snapshot', snapshot: { ...snapshot, gate: thin } })
    // The front forgets what a snapshot does not name, and so do we.
    errand.has = new Set(parts.keys())
  }

  const run = async (front: Front, errand: Errand): Promise<void> => {
    errand.busy = true
    do {
      errand.again = false
      await send(front, errand)
    } while (errand.again)
    errand.busy = false
  }

  return {
    to(front) {
      const errand = errands.get(front) ?? { has: new Set(), busy: false, again: false }
      errands.set(front, errand)
      errand.again = true
      // A front whose line broke is replaced, and its successor gets it all.
      if (!errand.busy) run(front, errand).catch(() => undefined)
    },
  }
}

async function sendPart(front: Front, part: number, array: Numbers): Promise<void> {
  const bytes = bytesOf(array)
  for (let at = 0; at < bytes.length; at += PART_PIECE_MAX) {
    const piece = bytes.subarray(at, at + PART_PIECE_MAX)
    await front.pass({ kind: 'part', part, size: bytes.length, at, bytes: piece })
  }
}
