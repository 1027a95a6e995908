/** The quantities of policy files: durations, sizes and rates. Faults are words that follow the text that was read. */
import { faulty, parsed, type Parsed } from './parsed.ts'

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
const DURATIONS = 'write a duration such as 30s, 15m, 12h or 7d'
const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1_024],
  ['MiB', 1_048_576],
  ['GiB', 1_073_741_824],
  ['TiB', 1_099_511_627_776],
])
const SIZES = 'write a size such as 64KiB, 10MiB or 20GiB'
const RATES = 'write a rate such as 30/1m: how many, a slash, in what time'

/** So many in any stretch of `per` milliseconds. */
export type Rate = { count: number; per: number }

/** Needs `800ms`, `30s`, `15m`, `12h` or `7d`; gives milliseconds. */
export function parseDuration(text: string): Parsed<number> {
  return readQuantity(text, DURATION_UNITS, DURATIONS)
}

/** Needs `512B`, `64KiB`, `10MiB`, `20GiB` or `1TiB`; gives octets. */
export function parseSize(text: string): Parsed<number> {
  return readQuantity(text, SIZE_UNITS, SIZES)
}

/** Needs `30/1m`; gives the count and the time in milliseconds. Neither may be zero. */
export function parseRate(text: string): Parsed<Rate> {
  const parts = /^(\d{1,9})\/(.+)$/.exec(text)
  if (parts === null) return faulty(`is no rate; ${RATES}`)
  const count = Number(parts[1])
  const per = parseDuration(parts[2] ?? '')
  if (!per.ok) return faulty(`has no duration behind the slash; ${RATES}`)
  if (count === 0 || per.value === 0) return faulty(`holds a zero; ${RATES}`)
  return parsed({ count, per: per.value })
}

function readQuantity(text: string, units: ReadonlyMap<string, number>, help: string): Parsed<number> {
  const parts = /^(\d+)([A-Za-z]*)$/.exec(text)
  if (parts === null) return faulty(`is not a whole number with a unit; ${help}`)
  const unit = parts[2] ?? ''
  if (unit === '') return faulty(`has no unit; ${help}`)
  const scale = units.get(unit)
  if (scale === undefined) return faulty(`has the unknown unit ${unit}; ${help}`)
  const value = Number(parts[1]) * scale
  return Number.isSafeInteger(value) ? parsed(value) : faulty(`is too large; ${help}`)
}
