import type { Address } from '../base/ip.ts'
import type { CompiledList } from './verdict.ts'

/**
 * Needs a compiled list, an address and the moment (ms since 1970); gives the file and line of the narrowest entry that
 * holds the address and still counts, or null. Runs at every connection: a miss allocates nothing.
 */
export function find(list: CompiledList, address: Address, now: number): { file: string; line: number } | null {
  const index = address.family === 4 ? findIpv4(list, address.words[0] ?? 0) : findIpv6(list, address.words)
  if (index === -1) return null
  let place = (address.family === 4 ? list.v4Place : list.v6Place)[index] ?? -1
  while (place !== -1 && now >= (list.placeUntil[place] ?? -Infinity)) place = list.placeNext[place] ?? -1
  if (place === -1) return null
  return { file: list.files[list.placeFile[place] ?? -1] ?? '', line: list.placeLine[place] ?? 0 }
}

/** The last range that starts at or before the address, if it reaches that far; else -1. */
function findIpv4(list: CompiledList, word: number): number {
  const { v4Index } = list
  const indexed = v4Index.length > 0
  let low = indexed ? (v4Index[word >>> 16] ?? 0) : 0
  let high = indexed ? (v4Index[(word >>> 16) + 1] ?? 0) : list.v4From.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((list.v4From[middle] ?? 0) <= word) low = middle + 1
    else high = middle
  }
  return low > 0 && word <= (list.v4To[low - 1] ?? -1) ? low - 1 : -1
}

/** Compares the first words in place: further ones are looked at only where those are equal. */
function findIpv6(list: CompiledList, words: readonly number[]): number {
  const { v6From } = list
  const first = words[0] ?? 0
  let low = 0
  let high = list.v6Place.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const start = v6From[middle * 4] ?? 0
    if (start < first || (start === first && compareAt(v6From, middle, words) <= 0)) low = middle + 1
    else high = middle
  }
  return low > 0 && compareAt(list.v6To, low - 1, words) >= 0 ? low - 1 : -1
}

function compareAt(keys: Uint32Array, index: number, words: readonly number[]): number {
  for (let i = 0; i < 4; i++) {
    const difference = (keys[index * 4 + i] ?? 0) - (words[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
