import type { Address } from '../base/ip.ts'
import type { GeoTable } from './verdict.ts'

/** 6to4 (RFC 3056): the IPv4 address is in the 32 bits behind this. Its holder is meant, or a denied one could dress up. */
const SIX_TO_FOUR = 0x2002

/** Gives the ISO 3166-1 code of the country of an address, or null where it is not known (or there is no table). */
export function countryOf(table: GeoTable | null, address: Address): string | null {
  const value = table === null ? 0 : valueOf(table, address)
  return value === 0 ? null : String.fromCharCode(value >>> 8, value & 255)
}

/** Gives the number of the autonomous system of an address, or null where it is not known (or there is no table). */
export function asnOf(table: GeoTable | null, address: Address): number | null {
  const value = table === null ? 0 : valueOf(table, address)
  return value === 0 ? null : value
}

function valueOf(table: GeoTable, { family, words }: Address): number {
  const [first = 0, second = 0] = words
  if (family === 4) return valueAt(table.v4From, table.v4Value, [first])
  if (first >>> 16 !== SIX_TO_FOUR) return valueAt(table.v6From, table.v6Value, words)
  return valueAt(table.v4From, table.v4Value, [((first << 16) | (second >>> 16)) >>> 0])
}

/** The value of the last range that starts at or before the key. The first range starts at zero. */
function valueAt(from: Uint32Array, values: Uint32Array, key: readonly number[]): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBehind(from, middle, key)) high = middle
    else low = middle + 1
  }
  return values[low - 1] ?? 0
}

function isBehind(from: Uint32Array, index: number, key: readonly number[]): boolean {
  for (let i = 0; i < key.length; i++) {
    const difference = (from[index * key.length + i] ?? 0) - (key[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return false
}
