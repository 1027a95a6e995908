import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { COMMAND_LINE_MAX, SASL_LINE_MAX } from '../../src/base/limits.ts'
import { lineReader, type LineKind, type NextLine } from '../../src/pop3/line-reader.ts'

/** Bytes that are mostly short lines, now and then long ones, with every kind of line end and stray CR and NUL. */
const stream = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('\n', '\r\n', '\r', '\0', 'AUTH ', 'auth PLAIN ', 'USER bob', '\r\r\n') },
      { weight: 3, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 20 }) },
      { weight: 2, arbitrary: fc.integer({ min: 240, max: 260 }).map((n) => 'x'.repeat(n)) },
      { weight: 1, arbitrary: fc.integer({ min: 12_270, max: 12_300 }).map((n) => 'y'.repeat(n)) },
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'))

const cuts = fc.array(fc.nat({ max: 600 }), { maxLength: 60 })
const kinds = fc.constantFrom<LineKind>('command', 'sasl')

function drain(reader: ReturnType<typeof lineReader>, kind: LineKind, into: NextLine[]): void {
  for (let next = reader.next(kind); next.got !== 'none'; next = reader.next(kind)) into.push(next)
}

function readInPieces(bytes: Buffer, sizes: readonly number[], kind: LineKind): NextLine[] {
  const reader = lineReader()
  const got: NextLine[] = []
  let at = 0
  for (const size of [...sizes, bytes.length]) {
    reader.push(bytes.subarray(at, at + size))
    at = Math.min(bytes.length, at + size)
    drain(reader, kind, got)
  }
  return got
}

/** The same by the book: split the whole text at LF. The last part has no line end; it counts only once it is too long. */
function byTheBook(bytes: Buffer, kind: LineKind): NextLine[] {
  const parts = bytes.toString('latin1').split('\n')
  return parts.flatMap((part, index): NextLine[] => {
    const last = index === parts.length - 1
    const ceiling = kind === 'sasl' || /^auth /i.test(part) ? SASL_LINE_MAX : COMMAND_LINE_MAX
    if (part.length + 1 > ceiling) return [{ got: 'too-long' }]
    return last ? [] : [{ got: 'line', line: Buffer.from(part.replace(/\r$/, ''), 'latin1') }]
  })
}

test('cut anywhere, the lines are those of the whole', () => {
  fc.assert(
    fc.property(stream, cuts, kinds, (bytes, sizes, kind) => {
      expect(readInPieces(bytes, sizes, kind)).toEqual(byTheBook(bytes, kind))
    }),
    { numRuns: 1000 },
  )
})

test('what was not taken as a line is handed over byte for byte', () => {
  const lines = fc.array(fc.string({ unit: 'binary-ascii', maxLength: 40 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(lines, fc.nat({ max: 5 }), cuts, (texts, wanted, sizes) => {
      const bytes = Buffer.from(texts.join('\r\n'), 'latin1')
      const reader = lineReader()
      let at = 0
      let taken = 0
      for (const size of [...sizes, bytes.length]) {
        reader.push(bytes.subarray(at, at + size))
        at = Math.min(bytes.length, at + size)
        while (taken < wanted && reader.next('command').got === 'line') taken++
      }
      const behind = bytes.toString('latin1').split('\n').slice(taken).join('\n')
      expect(reader.size()).toBe(behind.length)
      expect(reader.rest().toString('latin1')).toBe(behind)
    }),
  )
})

test('a line that arrives one byte at a time costs memory in proportion to its length', () => {
  const alloc = vi.spyOn(Buffer, 'alloc')
  const reader = lineReader()
  const full = Buffer.from(`${'A'.repeat(SASL_LINE_MAX - 1)}\n`)
  for (const byte of full) {
    expect(reader.next('sasl').got).toBe('none')
    reader.push(Uint8Array.of(byte))
  }
  expect(reader.next('sasl').got).toBe('line')
  const octets = alloc.mock.calls.reduce((sum, [size]) => sum + size, 0)
  alloc.mockRestore()
  // A reader that joins all it holds at each byte would take 75 million.
  expect(octets).toBeLessThan(8 * SASL_LINE_MAX)
})
