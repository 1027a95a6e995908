/** The common case of a list line, read in a fraction of the time: lists of 200,000 lines are nearly all of this form. */
import { parseRange, type Range } from '../base/ip.ts'
import type { Parsed } from '../base/parsed.ts'

const DOT = 46
const SLASH = 47
const ZERO = 48

/** Reads what {@link parseRange} reads, with the same result, and plain IPv4 addresses and networks without its detours. */
export function readRange(text: string): Parsed<Range> {
  return quick(text) ?? parseRange(text)
}

/** Null for all that is not plainly right: the slow reader has the words for it. */
function quick(text: string): { ok: true; value: Range } | null {
  let at = 0
  let word = 0
  const figure = (most: number, digits: number): number => {
    const start = at
    let value = 0
    for (let sign = text.charCodeAt(at) - ZERO; sign >= 0 && sign <= 9; sign = text.charCodeAt(++at) - ZERO) {
      value = value * 10 + sign
    }
    const written = at - start
    const padded = written > 1 && text.charCodeAt(start) === ZERO
    return written === 0 || written > digits || padded || value > most ? -1 : value
  }
  for (let octet = 0; octet < 4; octet++) {
    if (octet > 0 && text.charCodeAt(at++) !== DOT) return null
    const value = figure(255, 3)
    if (value < 0) return null
    word = word * 256 + value
  }
  if (at === text.length) return { ok: true, value: { family: 4, from: [word], to: [word], text } }
  if (text.charCodeAt(at++) !== SLASH) return null
  const length = figure(32, 2)
  if (length < 0 || at !== text.length) return null
  const rest = 2 ** (32 - length) - 1
  if (word % (rest + 1) !== 0) return null
  return { ok: true, value: { family: 4, from: [word], to: [word + rest], text } }
}
