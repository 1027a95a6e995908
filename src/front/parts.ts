/** Puts a snapshot together whose large arrays came ahead of it, in pieces. */
import { putTogether } from '../base/parts.ts'
import type { FromKeeper, Snapshot } from '../keeper/messages.ts'

type Piece = Extract<FromKeeper, { kind: 'part' }>

export type Parts = {
  take(piece: Piece): void
  /** Gives the snapshot with its arrays; those it does not name are forgotten. Throws when one is missing. */
  whole(thin: Snapshot): Snapshot
}

/** Gives a front's store of arrays, empty. */
export function createParts(): Parts {
  let known = new Map<number, Uint8Array<ArrayBuffer>>()
  return {
    take({ part, size, at, bytes }) {
      const whole = known.get(part) ?? new Uint8Array(size)
      known.set(part, whole)
      whole.set(bytes, at)
    },
    whole(thin) {
      const used = new Map<number, Uint8Array<ArrayBuffer>>()
      const gate = putTogether(thin.gate, (part) => {
        const bytes = known.get(part)
        if (bytes === undefined) throw new Error(`part ${part} of the gate did not arrive`)
        used.set(part, bytes)
        return bytes
      }) as Snapshot['gate']
      known = used
      return { ...thin, gate }
    },
  }
}
