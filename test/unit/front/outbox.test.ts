import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { OUTBOX_MAX, OUTBOX_MS } from '../../../src/base/limits.ts'
import { createOutbox } from '../../../src/front/outbox.ts'
import { readFromFront, type FromFront } from '../../../src/keeper/messages.ts'

const news = (text: string): FromFront => ({ kind: 'log', level: 'info', text })
const question = (call: number): FromFront => ({ kind: 'admit', call, listener: 'outside', ip: '192.0.2.1', port: 1 })

let sent: FromFront[][]
let outbox: ReturnType<typeof createOutbox>

beforeEach(() => {
  vi.useFakeTimers()
  sent = []
  outbox = createOutbox((messages) => void sent.push(messages))
})
afterEach(() => void vi.useRealTimers())

test('a question goes at once, and takes along what waits, in the order in which it was said', () => {
  outbox.post(news('one'), false)
  outbox.post(news('two'), false)
  expect(sent).toEqual([])
  outbox.post(question(1), true)
  expect(sent).toEqual([[news('one'), news('two'), question(1)]])
  vi.advanceTimersByTime(OUTBOX_MS)
  expect(sent).toHaveLength(1)
})

test('news goes by itself after a moment, and when it is much', () => {
  outbox.post(news('one'), false)
  vi.advanceTimersByTime(OUTBOX_MS)
  expect(sent).toEqual([[news('one')]])
  for (let n = 0; n < OUTBOX_MAX; n++) outbox.post(news('many'), false)
  expect(sent.map(({ length }) => length)).toEqual([1, OUTBOX_MAX])
})

test('what waits at the end is flushed, once', () => {
  outbox.post(news('last'), false)
  outbox.flush()
  outbox.flush()
  expect(sent).toEqual([[news('last')]])
})

test('the keeper takes all of a batch or nothing, and no more than an honest front sends', () => {
  const many = Array.from({ length: OUTBOX_MAX }, () => news('x'))
  expect(readFromFront(many)).toEqual(many)
  expect(readFromFront([...many, news('x')])).toBeNull()
  expect(readFromFront([news('x'), { kind: 'other' }])).toBeNull()
  expect(readFromFront(news('x'))).toEqual([news('x')])
})
