import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPlaces, type Place } from '../../../src/keeper/places.ts'

const here = () => new AbortController()
beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('no more places than the backend has, each given on in the order of asking', async () => {
  const places = createPlaces()
  const first = await places.take('old', 1, here().signal)
  const got: string[] = []
  const ask = (name: string) =>
    places.take('old', 1, here().signal).then((place) => {
      got.push(name)
      return place
    })
  const waiting = [ask('second'), ask('third')]
  await Promise.resolve()
  expect(got).toEqual([])
  first?.release()
  const second = await waiting[0]
  expect(got).toEqual(['second'])
  second?.release()
  await waiting[1]
  expect(got).toEqual(['second', 'third'])
})

test('who comes later does not pass who waits', async () => {
  const places = createPlaces()
  const first = await places.take('old', 1, here().signal)
  const waits = places.take('old', 1, here().signal)
  first?.release()
  const late = places.take('old', 1, here().signal)
  expect(await waits).not.toBeNull()
  await vi.advanceTimersByTimeAsync(5000)
  expect(await late).toBeNull()
})

test('a place given back twice is given on once', async () => {
  const places = createPlaces()
  const first = await places.take('old', 1, here().signal)
  first?.release()
  first?.release()
  expect(await places.take('old', 1, here().signal)).not.toBeNull()
  const more = places.take('old', 1, here().signal)
  await vi.advanceTimersByTimeAsync(5000)
  expect(await more).toBeNull()
})

test('five seconds of waiting, then no', async () => {
  const places = createPlaces()
  await places.take('old', 1, here().signal)
  let answer: Place | null | undefined
  void places.take('old', 1, here().signal).then((place) => (answer = place))
  await vi.advanceTimersByTimeAsync(4999)
  expect(answer).toBeUndefined()
  await vi.advanceTimersByTimeAsync(1)
  expect(answer).toBeNull()
})

test('a hundred may wait, the next one may not', async () => {
  const places = createPlaces()
  await places.take('old', 1, here().signal)
  const waiting = Array.from({ length: 100 }, () => places.take('old', 1, here().signal))
  expect(await places.take('old', 1, here().signal)).toBeNull()
  await vi.advanceTimersByTimeAsync(5000)
  expect(new Set(await Promise.all(waiting))).toEqual(new Set([null]))
})

test('who is gone gets no place, and the next one does', async () => {
  const places = createPlaces()
  const first = await places.take('old', 1, here().signal)
  const leaver = here()
  const left = places.take('old', 1, leaver.signal)
  const stays = places.take('old', 1, here().signal)
  leaver.abort()
  expect(await left).toBeNull()
  first?.release()
  expect(await stays).not.toBeNull()
  expect(await places.take('old', 9, leaver.signal)).toBeNull()
})

test('backends do not share places, and a ceiling that was raised lets more in', async () => {
  const places = createPlaces()
  await places.take('one', 1, here().signal)
  expect(await places.take('two', 1, here().signal)).not.toBeNull()
  expect(await places.take('one', 2, here().signal)).not.toBeNull()
})
