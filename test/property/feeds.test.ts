import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Address, contains, isPrivate, parseAddress, parseRange } from '../../src/base/ip.ts'
import { LIST_INDEX_LEAST } from '../../src/base/gate-limits.ts'
import { parseFeed } from '../../src/compiler/feed.ts'
import { parseListFile } from '../../src/compiler/list-file.ts'
import { compileLists } from '../../src/compiler/prefixes.ts'
import { readRange } from '../../src/compiler/quick-range.ts'
import { earlyVerdict } from '../../src/gate/gate.ts'
import { find } from '../../src/gate/lookup.ts'
import type { CompiledGate } from '../../src/gate/verdict.ts'
import { OPEN } from '../unit/gate/lists.ts'

const octet = fc.constantFrom(0, 1, 9, 10, 99, 100, 127, 128, 192, 254, 255)
const v4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'))
const v6 = fc
  .array(fc.constantFrom('0', '1', '2001', 'db8', 'ffff', '8000'), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.join(':'))
const anyAddress = fc.oneof(
  v4,
  v6,
  v4.map((text) => `::ffff:${text}`),
)

/** What looks like a network, whether it is one or not. */
const odd = fc.oneof(
  anyAddress,
  fc.tuple(v4, fc.integer({ min: -1, max: 40 })).map(([text, length]) => `${text}/${length}`),
  fc.tuple(v6, fc.integer({ min: 0, max: 130 })).map(([text, length]) => `${text}/${length}`),
  fc.tuple(anyAddress, anyAddress).map(([a, b]) => `${a}-${b}`),
  fc.stringMatching(/^[0-9./]{0,20}$/),
  fc.tuple(v4, fc.constantFrom('', ' ', '0', '/', '/08', '/+8', '.', '/8 ')).map((parts) => parts.join('')),
)

test('the quick reader says what the careful one says', () => {
  let read = 0
  fc.assert(
    fc.property(odd, (text) => {
      const careful = parseRange(text)
      expect(readRange(text)).toEqual(careful)
      if (careful.ok) read++
    }),
    { numRuns: 5_000 },
  )
  expect(read).toBeGreaterThan(1_000)
})

const network = odd.filter((text) => parseRange(text).ok)
const comment = fc.constantFrom('', ' # x', ' ; SBL1', '#', '\r')

/** The same networks in each of the formats. */
const formats: Record<string, (networks: [string, string][]) => string> = {
  lines: (networks) => networks.map(([text, tail]) => `${text}${tail}\n`).join(''),
  'JSON lines': (networks) =>
    `${networks.map(([cidr]) => `${JSON.stringify({ cidr, sblid: 'x' })}\n`).join('')}{"type":"metadata"}\n`,
}

const gateOf = (
  feeds: { body: string; mode: 'enforce' | 'monitor' }[],
  allow: string[],
  deny: string[],
): CompiledGate => ({
  ...OPEN,
  networks: { mode: 'enforce', allow: listOf(allow), deny: listOf(deny) },
  reputation: {
    mode: 'enforce',
    feeds: feeds.map(({ body, mode }, i) => {
      const read = parseFeed(Buffer.from(body))
      const entries = read.ok ? read.value.entries : []
      return {
        name: `f${i}`,
        mode,
        onError: 'deny',
        at: { file: 'r', line: 1 },
        list: compileLists([{ name: 'f', entries }]),
      }
    }),
  },
})
const listOf = (lines: string[]) => compileLists([{ name: 'l', entries: parseListFile(lines.join('\n')).entries }])

const inSome = (lines: string[], one: Address) =>
  lines.some((text) => {
    const range = parseRange(text)
    return range.ok && contains(range.value, one)
  })

/** What the words of the contract say: deny, allow, then the feeds, which know no private address. */
function naive(feeds: { networks: string[]; mode: string }[], allow: string[], deny: string[], one: Address): string {
  if (inSome(deny, one)) return 'networks.deny'
  if (inSome(allow, one)) return 'admit'
  if (isPrivate(one)) return 'pass'
  const by = feeds.findIndex(({ networks, mode }) => mode === 'enforce' && inSome(networks, one))
  return by === -1 ? 'pass' : `reputation.f${by}`
}

test('lists and feeds of every format agree with a naive reader of their words', () => {
  const feed = fc.record({
    networks: fc.array(fc.tuple(network, comment), { minLength: 1, maxLength: 12 }),
    format: fc.constantFrom(...Object.keys(formats)),
    mode: fc.constantFrom('enforce' as const, 'monitor' as const),
  })
  const lines = fc.array(network, { maxLength: 4 })
  const told = new Map<string, number>()
  fc.assert(
    fc.property(
      fc.array(feed, { maxLength: 4 }),
      lines,
      lines,
      fc.array(anyAddress, { maxLength: 10 }),
      (feeds, allow, deny, asked) => {
        const written = feeds.map(({ networks, format, mode }) => ({ mode, body: formats[format]?.(networks) ?? '' }))
        const plain = feeds.map(({ networks, mode }) => ({ mode, networks: networks.map(([text]) => text) }))
        const gate = gateOf(written, allow, deny)
        const ends = plain.flatMap(({ networks }) => networks.map((text) => text.split(/[/-]/)[0] ?? ''))
        for (const text of [...asked, ...ends]) {
          const one = parseAddress(text)
          if (one === null) throw new Error(`no address: ${text}`)
          const { verdict } = earlyVerdict(gate, one, 0)
          const said = verdict.say === 'deny' ? verdict.by.rule : verdict.say
          expect(said).toBe(naive(plain, allow, deny, one))
          told.set(said, (told.get(said) ?? 0) + 1)
        }
      },
    ),
    { numRuns: 600 },
  )
  for (const said of ['networks.deny', 'admit', 'pass', 'reputation.f0', 'reputation.f3'])
    expect(told.get(said)).toBeGreaterThan(10)
})

test('a list that is long enough for an index finds what one without it finds', () => {
  const random = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  const entry = fc.tuple(random, fc.integer({ min: 1, max: 32 })).map(([word, length]) => {
    const from = word - (word % 2 ** (32 - length))
    return `${from >>> 24}.${(from >>> 16) & 255}.${(from >>> 8) & 255}.${from & 255}/${length}`
  })
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 3_000, maxLength: 3_000, size: 'max' }),
      fc.array(random, { minLength: 300 }),
      (lines, words) => {
        const indexed = listOf(lines)
        const { v4From, v4To } = indexed
        if (v4From.length >= LIST_INDEX_LEAST) expect(indexed.v4Index).toHaveLength(65_537)
        const bare = { ...indexed, v4Index: new Uint32Array(0) }
        const edges = [
          ...v4From.subarray(0, 500),
          ...v4To.subarray(0, 500),
          ...v4To.map((to) => to + 1).subarray(0, 500),
        ]
        for (const word of [...words, ...edges, 0, 2 ** 32 - 1]) {
          const one: Address = { family: 4, words: [word], text: '' }
          expect(find(indexed, one, 0)).toEqual(find(bare, one, 0))
        }
      },
    ),
    { numRuns: 20 },
  )
})
