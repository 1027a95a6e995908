import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { chain, GENESIS } from '../../src/audit/chain.ts'
import { bodyOf } from '../../src/audit/line.ts'
import { verifyStream } from '../../src/audit/verify.ts'
import { everyEvent } from '../support/audit-events.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

const lines: string[] = []
let head = GENESIS
for (const event of everyEvent('Jürgen')) {
  const next = chain(bodyOf(event, 0), head)
  head = next.head
  lines.push(next.line)
}
const stream = Buffer.from(lines.join(''))

const place = fc.nat({ max: stream.length - 1 })
const damage = fc.oneof(
  fc.tuple(place, fc.nat({ max: 255 })).map(([at, byte]) => {
    const copy = Buffer.from(stream)
    copy[at] = byte
    return copy
  }),
  fc.tuple(place, fc.integer({ min: 1, max: 2_000 })).map(([at, length]) => {
    return Buffer.concat([stream.subarray(0, at), stream.subarray(at + length)])
  }),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 50 })).map(([at, bytes]) => {
    return Buffer.concat([stream.subarray(0, at), bytes, stream.subarray(at)])
  }),
  fc.tuple(place, place, place).map(([from, to, at]) => {
    return Buffer.concat([
      stream.subarray(0, at),
      stream.subarray(Math.min(from, to), Math.max(from, to)),
      stream.subarray(at),
    ])
  }),
)

test('damage of any kind is found, and in no line before it; only a tail cut at a line end needs a head noted elsewhere', async () => {
  await fc.assert(
    fc.asyncProperty(damage, async (bytes) => {
      const file = join(folder, 'x.jsonl')
      writeFileSync(file, bytes)
      const found = await verifyStream([{ path: file, first: null }])
      const same = firstDifference(bytes)
      if (found.at === 'whole') {
        expect(bytes.equals(stream.subarray(0, bytes.length))).toBe(true)
        if (found.head.prev === head.prev) expect(bytes.equals(stream)).toBe(true)
      } else {
        const untouched = stream.subarray(0, same).filter((byte) => byte === 0x0a).length
        expect(found.line).toBeGreaterThanOrEqual(untouched)
      }
    }),
    { numRuns: 300 },
  )
})

function firstDifference(bytes: Buffer): number {
  let at = 0
  while (at < bytes.length && bytes[at] === stream[at]) at++
  return at
}
