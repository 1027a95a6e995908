import { expect, test } from 'vitest'
import { endOfDay, parseDay } from '../../../src/base/day.ts'
import { parseDuration, parseRate, parseSize } from '../../../src/base/quantity.ts'

test.each([
  ['800ms', 800],
  ['0s', 0],
  ['30s', 30_000],
  ['15m', 900_000],
  ['12h', 43_200_000],
  ['7d', 604_800_000],
])('%s lasts %i ms', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ok: true, value: ms })
})

test.each([
  ['512B', 512],
  ['64KiB', 65_536],
  ['10MiB', 10_485_760],
  ['20GiB', 21_474_836_480],
])('%s holds %i octets', (text, octets) => {
  expect(parseSize(text)).toEqual({ ok: true, value: octets })
})

test('a rate is a count and a time', () => {
  expect(parseRate('30/1m')).toEqual({ ok: true, value: { count: 30, per: 60_000 } })
})

const durations = 'write a duration such as 30s, 15m, 12h or 7d'
const sizes = 'write a size such as 64KiB, 10MiB or 20GiB'
const rates = 'write a rate such as 30/1m: how many, a slash, in what time'
test.each([
  [parseDuration, '12', `has no unit; ${durations}`],
  [parseDuration, '', `is not a whole number with a unit; ${durations}`],
  [parseDuration, '-1s', `is not a whole number with a unit; ${durations}`],
  [parseDuration, '1.5h', `is not a whole number with a unit; ${durations}`],
  [parseDuration, '1h30m', `is not a whole number with a unit; ${durations}`],
  [parseDuration, ' 1s', `is not a whole number with a unit; ${durations}`],
  [parseDuration, '3w', `has the unknown unit w; ${durations}`],
  [parseDuration, '9999999999999999d', `is too large; ${durations}`],
  [parseSize, '10MB', `has the unknown unit MB; ${sizes}`],
  [parseSize, '10', `has no unit; ${sizes}`],
  [parseRate, '30', `is no rate; ${rates}`],
  [parseRate, '30/m', `has no duration behind the slash; ${rates}`],
  [parseRate, '0/1m', `holds a zero; ${rates}`],
  [parseRate, '5/0s', `holds a zero; ${rates}`],
])('%o refuses %j: %s', (parse, text, fault) => {
  expect(parse(text)).toEqual({ ok: false, fault })
})

test('a day ends where the next begins, in UTC', () => {
  const day = parseDay('2027-01-31')
  expect(day.ok && new Date(endOfDay(day.value)).toISOString()).toBe('2027-02-01T00:00:00.000Z')
})

test.each(['2027-02-29', '2027-13-01', '2027-1-1', '31.01.2027', '2027-01-31T00:00', ''])('%j is no day', (text) => {
  expect(parseDay(text)).toEqual({ ok: false, fault: 'is no day; write it like 2027-01-31' })
})
