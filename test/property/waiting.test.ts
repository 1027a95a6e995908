import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createWaiting, type Waiter } from '../../src/keeper/waiting.ts'

test('whoever comes and goes, the waiting room counts as one does by hand', () => {
  const steps = fc.array(
    fc.oneof(fc.record({ enter: fc.constantFrom('a', 'b', 'c'), host: fc.nat(2) }), fc.record({ leave: fc.nat(30) })),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, (steps) => {
      const room = createWaiting()
      let inside: Waiter[] = []
      for (const [at, step] of steps.entries()) {
        if ('leave' in step) {
          room.leave(String(step.leave))
          inside = inside.filter(({ id }) => id !== String(step.leave))
        } else {
          const waiter = { id: String(at), ip: `${step.enter}${step.host}`, network: step.enter }
          room.enter(waiter)
          inside.push(waiter)
        }
        const within = (network: string) => inside.filter((one) => one.network === network)
        for (const network of ['a', 'b', 'c']) expect(room.within(network)).toBe(within(network).length)
        for (const ip of ['a0', 'b1', 'c2']) expect(room.at(ip)).toBe(inside.filter((one) => one.ip === ip).length)
        const busiest = room.busiest()
        expect(busiest?.count ?? 0).toBe(Math.max(...['a', 'b', 'c'].map((network) => within(network).length)))
        if (busiest !== null) {
          expect(within(busiest.network).length).toBe(busiest.count)
          expect(within(busiest.network)[0]?.id).toBe(busiest.oldest)
        }
      }
    }),
  )
})
