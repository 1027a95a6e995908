import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { readAnswers } from '../../../src/compiler/answer.ts'
import { parseListFile } from '../../../src/compiler/list-file.ts'
import { compileLists } from '../../../src/compiler/prefixes.ts'
import { readFrame, toFrame } from '../../../src/compiler/wire.ts'
import type { CompiledList } from '../../../src/gate/verdict.ts'

const CEILINGS = { head: 100_000, all: 1_000_000 }

function read(octets: Buffer, piece = 65_536, ceilings = CEILINGS): Promise<unknown> {
  const pieces = Array.from({ length: Math.ceil(octets.length / piece) }, (_, i) =>
    octets.subarray(i * piece, (i + 1) * piece),
  )
  return readFrame(Readable.from(pieces), ceilings)
}

const framed = (message: unknown) => Buffer.concat(toFrame(message))

describe('a frame', () => {
  const message = [
    { at: 'x', list: new Uint32Array([1, 2 ** 32 - 1]), none: new Uint8Array(0), far: new Float64Array([Infinity]) },
    null,
  ]

  test.each([1, 2, 3, 7, 8, 9, 1_000])('arrives whole in pieces of %d', async (piece) => {
    expect(await read(framed(message), piece)).toEqual(message)
  })

  test('that is cut at any octet is none', async () => {
    const octets = framed(message)
    for (let length = 0; length < octets.length; length++) {
      await expect(read(octets.subarray(0, length))).rejects.toThrow('it ended')
    }
  })

  test('that goes on behind its end is none', async () => {
    await expect(read(Buffer.concat([framed(message), Buffer.from('x')]))).rejects.toThrow('more octets')
  })

  test('over a ceiling is refused before anything is kept', async () => {
    const octets = framed({ list: new Uint8Array(2_000) })
    await expect(read(octets, 100, { head: 100_000, all: 1_500 })).rejects.toThrow('ceiling')
    await expect(read(octets, 100, { head: 10, all: 100_000 })).rejects.toThrow('ceiling')
    const boast = Buffer.alloc(8)
    boast.writeUInt32LE(2, 0)
    boast.writeUInt32LE(2 ** 32 - 1, 4)
    await expect(read(boast)).rejects.toThrow('ceiling')
  })

  test.each([
    ['no JSON', 'not json', 0],
    ['lengths that do not add up', '{"data":1,"lengths":[5]}', 4],
    ['lengths below zero', '{"data":1,"lengths":[5,-1]}', 4],
    ['no lengths', '{"data":1}', 0],
    ['an array that is not there', '{"data":{"@part":1,"of":"Uint8Array"},"lengths":[1]}', 1],
    ['an array of an unknown kind', '{"data":{"@part":0,"of":"BigInt64Array"},"lengths":[1]}', 1],
    ['an array that its octets do not fill', '{"data":{"@part":0,"of":"Uint32Array"},"lengths":[3]}', 3],
  ])('with %s is refused', async (_, head, arrays) => {
    const start = Buffer.alloc(8)
    start.writeUInt32LE(head.length, 0)
    start.writeUInt32LE(arrays, 4)
    await expect(read(Buffer.concat([start, Buffer.from(head), Buffer.alloc(arrays)]))).rejects.toThrow()
  })
})

describe('an answer of a compiler that was taken over', () => {
  const lines = Array.from({ length: 3_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/25`)
  const sound = compileLists([
    { name: 'a', entries: parseListFile([...lines, '2001:db8::/32', '2001:db9::/48'].join('\n')).entries },
  ])
  const answered = (list: CompiledList) =>
    readAnswers([{ at: 'feed', list, feed: { entries: 1, bad: 0, firstBad: 0, covers: [] } }], 1)

  test('is told from a good one', async () => {
    expect(await answered(sound)).toHaveLength(1)
    expect(sound.v4Index).toHaveLength(65_537)
  })

  type Change = (list: CompiledList) => Partial<CompiledList>
  const changes: [string, Change][] = [
    ['ranges that are not sorted', ({ v4From, v4To }) => ({ v4From: v4From.toReversed(), v4To: v4To.toReversed() })],
    ['ranges that overlap', ({ v4To }) => ({ v4To: v4To.map((to) => to + 512) })],
    ['a range that runs backwards', ({ v4From, v4To }) => ({ v4From: v4To, v4To: v4From })],
    ['IPv6 ranges that are not sorted', ({ v6From }) => ({ v6From: v6From.toReversed() })],
    ['arrays of different lengths', ({ v4To }) => ({ v4To: v4To.subarray(1) })],
    ['IPv6 keys that are cut', ({ v6To }) => ({ v6To: v6To.subarray(1) })],
    ['a place that is not there', ({ v4Place }) => ({ v4Place: v4Place.with(5, 4_000_000_000) })],
    ['an IPv6 place that is not there', ({ v6Place }) => ({ v6Place: v6Place.with(0, 99_999) })],
    ['a place in no file', ({ placeFile }) => ({ placeFile: placeFile.with(0, 7) })],
    ['places that lead in a circle', ({ placeNext }) => ({ placeNext: placeNext.with(0, 0) })],
    ['places that lead on', ({ placeNext }) => ({ placeNext: placeNext.with(0, 1) })],
    ['an index that is cut', ({ v4Index }) => ({ v4Index: v4Index.subarray(1) })],
    ['an index that leads astray', ({ v4Index }) => ({ v4Index: v4Index.with(0x0a01, 0) })],
    ['an index beyond the ranges', ({ v4Index }) => ({ v4Index: v4Index.fill(99_999) })],
    ['no files', () => ({ files: [] })],
    ['what is no array', () => ({ v4From: [1] as unknown as Uint32Array })],
    ['more than it should say', () => ({ more: 1 }) as Partial<CompiledList>],
  ]
  test.each(changes)('with %s is refused', async (_, change) => {
    expect(await answered({ ...sound, ...change(structuredClone(sound)) })).toBeNull()
  })

  test('to more or fewer questions than there were is refused', async () => {
    const answer = { at: 'not-modified' }
    expect(await readAnswers([answer], 2)).toBeNull()
    expect(await readAnswers([answer, answer], 1)).toBeNull()
    expect(await readAnswers(answer, 1)).toBeNull()
    expect(await readAnswers([answer], 1)).toEqual([answer])
  })
})
