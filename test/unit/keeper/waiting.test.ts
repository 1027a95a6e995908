import { describe, expect, test } from 'vitest'
import { createWaiting } from '../../../src/keeper/waiting.ts'

const waiter = (id: string, network = 'a', ip = `${network}1`) => ({ id, ip, network })

describe('the waiting room', () => {
  test('counts by address and by network', () => {
    const room = createWaiting()
    room.enter(waiter('1'))
    room.enter(waiter('2'))
    room.enter(waiter('3', 'a', 'a2'))
    expect([room.at('a1'), room.at('a2'), room.at('b1'), room.within('a'), room.within('b')]).toEqual([2, 1, 0, 3, 0])
    room.leave('1')
    room.leave('1')
    room.leave('nobody')
    expect([room.at('a1'), room.within('a')]).toEqual([1, 2])
  })

  test('gives the oldest of the network with most, as they come and go', () => {
    const room = createWaiting()
    expect(room.busiest()).toBeNull()
    for (const [id, network] of ['1b', '2a', '3a', '4b', '5b'].map((word) => [...word] as [string, string])) {
      room.enter(waiter(id, network))
    }
    expect(room.busiest()).toEqual({ network: 'b', count: 3, oldest: '1' })
    room.leave('1')
    room.leave('4')
    expect(room.busiest()).toEqual({ network: 'a', count: 2, oldest: '2' })
    for (const id of ['2', '3', '5']) room.leave(id)
    expect(room.busiest()).toBeNull()
  })
})
