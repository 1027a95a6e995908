/** A front's end of the line, with a meter: it takes parts and snapshots, and says how long they held it. */
import { createParts } from '../../src/front/parts.ts'
import type { FromKeeper } from '../../src/keeper/messages.ts'
import { watchTurns } from './turns.ts'

const parts = createParts()
let meter = watchTurns()

process.on('message', (message: FromKeeper) => {
  if (message.kind === 'part') parts.take(message)
  if (message.kind !== 'snapshot') return
  const { gate } = parts.whole(message.snapshot)
  const ranges = gate.networks?.deny.v4From.length ?? 0
  // The turn that took it all in is over by then.
  setImmediate(() => {
    process.send?.({ ranges, longest: meter.longest() })
    meter = watchTurns()
  })
})
process.send?.('ready')
