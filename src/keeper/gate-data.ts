/** What the gate knows beyond the policies, and what of it an operator changes by command: passes and journeys. */
import { systemClock } from '../base/clock.ts'
import type { Commanded, GateData, Pass } from '../gate/verdict.ts'
import type { Store, TravelRow } from '../state/store.ts'
import { livePasses } from './break-glass.ts'
import type { Databases } from './databases.ts'
import { travellersOf } from './travel.ts'

export type Known = {
  databases: Pick<Databases, 'tables'>
  /** Break-glass. */
  passes: readonly Pass[]
  /** Journeys by command. */
  travels: readonly TravelRow[]
}
type Held = Known & { resources: { store: Pick<Store, 'passes' | 'travels'> } }

/** What of it commands change; the fronts get it by itself. */
export function commanded({ passes, travels }: Pick<Known, 'passes' | 'travels'>): Commanded {
  return { passes, travellers: travellersOf(travels) }
}

/** All of it. */
export function gateData({ databases, ...held }: Known): GateData {
  return { ...databases.tables(), ...commanded(held) }
}

/** A command has changed them: takes up what the store has now, and tells the fronts at once. */
export async function takeUpCommand(
  held: Held,
  command: string,
  tell: (data: Partial<Commanded>) => void,
): Promise<void> {
  if (command === 'allow') {
    held.passes = await livePasses(held.resources.store, systemClock.now())
    tell({ passes: held.passes })
  }
  if (command === 'user.travel' || command === 'user.remove') {
    held.travels = await held.resources.store.travels()
    tell({ travellers: travellersOf(held.travels) })
  }
}
