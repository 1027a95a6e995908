import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchSilence } from '../../../src/relay/silence.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function watching() {
  const state = { quit: 'none' as 'none' | 'sent' | 'answered', late: 0 }
  const watch = watchSilence({ quit: () => state.quit }, { idle: 600, ended: 600, quit: 1_000, afterQuit: 10 }, () => {
    state.late++
  })
  return { state, watch }
}

test('a session is late after its idle time, and not before', () => {
  const { state } = watching()
  vi.advanceTimersByTime(599)
  expect(state.late).toBe(0)
  vi.advanceTimersByTime(1)
  expect(state.late).toBe(1)
})

test('each octet begins the idle time anew', () => {
  const { state, watch } = watching()
  for (let i = 0; i < 5; i++) {
    vi.advanceTimersByTime(500)
    watch.alive()
  }
  expect(state.late).toBe(0)
  vi.advanceTimersByTime(600)
  expect(state.late).toBe(1)
})

test('a forwarded QUIT has its own, longer time, begun anew by the octets of messages before it', () => {
  const { state, watch } = watching()
  vi.advanceTimersByTime(500)
  state.quit = 'sent'
  watch.look()
  vi.advanceTimersByTime(999)
  watch.look()
  watch.alive()
  vi.advanceTimersByTime(999)
  expect(state.late).toBe(0)
  vi.advanceTimersByTime(1)
  expect(state.late).toBe(1)
})

test('behind the answer to QUIT no octet buys time', () => {
  const { state, watch } = watching()
  state.quit = 'answered'
  watch.look()
  vi.advanceTimersByTime(9)
  watch.alive()
  vi.advanceTimersByTime(1)
  expect(state.late).toBe(1)
})

test('a QUIT that was refused brings the idle time back', () => {
  const { state, watch } = watching()
  state.quit = 'sent'
  watch.look()
  state.quit = 'none'
  watch.look()
  vi.advanceTimersByTime(600)
  expect(state.late).toBe(1)
})

test('who restarts it is told again, who stops it is not', () => {
  const { state, watch } = watching()
  vi.advanceTimersByTime(600)
  watch.restart()
  vi.advanceTimersByTime(600)
  expect(state.late).toBe(2)
  watch.restart()
  watch.stop()
  vi.advanceTimersByTime(5_000)
  expect(state.late).toBe(2)
})
