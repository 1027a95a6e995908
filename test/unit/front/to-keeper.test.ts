import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ADMIT_DEADLINE_MS } from '../../../src/base/limits.ts'
import { toKeeper } from '../../../src/front/to-keeper.ts'
import type { FromFront } from '../../../src/keeper/messages.ts'

const PEER = { listener: 'outside', ip: '192.0.2.1', port: 4711 }
const SESSION = '0123456789abcdef01234567'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A line to a keeper that says nothing by itself. */
function line() {
  const said: FromFront[] = []
  const keeper = toKeeper((message) => void said.push(message))
  const callOf = (at: number) => (said[at] as { call: number }).call
  return { keeper, said, callOf }
}

describe('a front that asks for a place', () => {
  test('takes the answer that comes in time, and gives nothing back', async () => {
    const { keeper, said, callOf } = line()
    const asked = keeper.admit(PEER)
    keeper.answered(callOf(0), { say: 'admitted', session: SESSION })
    expect(await asked).toEqual({ say: 'admitted', session: SESSION })
    expect(said).toHaveLength(1)
  })

  test('gives back a place that comes when the connection is gone: it would be held for ever', async () => {
    const { keeper, said, callOf } = line()
    const asked = expect(keeper.admit(PEER)).rejects.toThrow('deadline')
    await vi.advanceTimersByTimeAsync(ADMIT_DEADLINE_MS)
    await asked
    keeper.answered(callOf(0), { say: 'admitted', session: SESSION })
    expect(said.slice(1)).toEqual([{ kind: 'closed', session: SESSION, reason: 'internal-error' }])
  })

  test('has nothing to give back where it got none', async () => {
    const { keeper, said, callOf } = line()
    const asked = expect(keeper.admit(PEER)).rejects.toThrow('deadline')
    await vi.advanceTimersByTimeAsync(ADMIT_DEADLINE_MS)
    await asked
    keeper.answered(callOf(0), { say: 'denied', mayHear: false, by: { file: '', line: 0, rule: '' }, afterMs: 0 })
    expect(said).toHaveLength(1)
  })
})
