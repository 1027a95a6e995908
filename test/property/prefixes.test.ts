import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Address, contains, parseAddress } from '../../src/base/ip.ts'
import { type ListEntry, parseListFile } from '../../src/compiler/list-file.ts'
import { compileLists } from '../../src/compiler/prefixes.ts'
import { find } from '../../src/gate/lookup.ts'

const DAYS = ['2026-01-01', '2026-01-02', '2026-01-03', '2026-01-04'] as const
/** Few distinct bits, so that entries nest, touch and overlap all the time. */
const octet = fc.constantFrom(0, 1, 2, 127, 128, 254, 255)
const group = fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff)
const ipv4 = fc.tuple(octet, octet, octet, octet)
const ipv6 = fc.tuple(group, group, group, group, group, group, group, group)
const v4text = ipv4.map((octets) => octets.join('.'))
const v6text = ipv6.map((groups) => groups.map((one) => one.toString(16)).join(':'))
const anyAddress = fc.oneof(
  v4text,
  v6text,
  v4text.map((text) => `::ffff:${text}`),
)

const masked = (words: number[], width: number, length: number) =>
  words.map((word, i) => word & ~(2 ** Math.min(width, Math.max(0, (i + 1) * width - length)) - 1))
const v4network = fc
  .tuple(ipv4, fc.integer({ min: 0, max: 32 }))
  .map(([octets, length]) => [masked(octets, 8, length).join('.'), length] as const)
const v6network = fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(
  ([groups, length]) =>
    `${masked(groups, 16, length)
      .map((one) => one.toString(16))
      .join(':')}/${length}`,
)
const span = fc.oneof(fc.tuple(v4text, v4text), fc.tuple(v6text, v6text)).map(([a, b]) => {
  const [left, right] = [a, b].map((text) => parseAddress(text))
  if (left === null || right === null || left === undefined || right === undefined) throw new Error('no address')
  const turned = { family: left.family, from: right.words, to: left.words, text: '' }
  return left.family === right.family && contains(turned, left) ? `${b}-${a}` : `${a}-${b}`
})
const entry = fc
  .tuple(
    fc.oneof(
      anyAddress,
      v4network.map(([text, length]) => `${text}/${length}`),
      v4network.map(([text, length]) => `::ffff:${text}/${length + 96}`),
      v6network,
      span,
    ),
    fc.option(fc.constantFrom(...DAYS), { nil: undefined }),
  )
  .map(([range, day]) => (day === undefined ? range : `${range} until ${day}`))

const size = (one: ListEntry) =>
  one.range.to.reduce((sum, word, i) => (sum << 32n) + BigInt(word) - BigInt(one.range.from[i] ?? 0), 0n)

/** What the words of the contract say, with no cleverness at all. */
function naive(entries: readonly ListEntry[], address: Address, now: number): number | null {
  let best: ListEntry | null = null
  for (const one of entries) {
    if (now >= one.until || !contains(one.range, address)) continue
    if (best === null || size(one) < size(best)) best = one
  }
  return best?.line ?? null
}

test('a compiled list says what its lines say, for every address and moment', () => {
  const lines = fc.array(entry, { maxLength: 40 })
  const moment = fc.constantFrom(...DAYS, '2025-12-31', '2026-01-05').map((day) => Date.parse(`${day}T12:00:00Z`))
  let hits = 0
  fc.assert(
    fc.property(lines, fc.array(anyAddress, { maxLength: 20 }), moment, (written, asked, now) => {
      const { entries, faults } = parseListFile(written.join('\n'))
      expect(faults.filter((fault) => !fault.message.includes('one IP version'))).toEqual([])
      const compiled = compileLists([{ name: 'list', entries }])
      const ends = entries.flatMap(({ range }) => [range.from, range.to])
      for (const address of [...asked.map((text) => parseAddress(text)), ...ends.map(fromWords)]) {
        if (address === null) throw new Error('the test makes only addresses')
        const line = find(compiled, address, now)?.line ?? null
        expect(line).toBe(naive(entries, address, now))
        if (line !== null) hits++
      }
    }),
    { numRuns: 1000 },
  )
  expect(hits).toBeGreaterThan(1000)
})

test('the ranges of a compiled list are sorted, apart, and fewer than twice its entries', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 40 }), (written) => {
      const { entries } = parseListFile(written.join('\n'))
      const { v4From, v4To, v6Place } = compileLists([{ name: 'list', entries }])
      expect(v4From.every((from, i) => from <= (v4To[i] ?? -1) && (i === 0 || from > (v4To[i - 1] ?? 0)))).toBe(true)
      expect(v4From.length + v6Place.length).toBeLessThanOrEqual(2 * entries.length)
    }),
  )
})

function fromWords(words: readonly number[]): Address {
  return { family: words.length === 1 ? 4 : 6, words, text: '' }
}
