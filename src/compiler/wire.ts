/**
 * How keeper and compiler talk: over pipes, in frames of plain octets. Attack: a hostile feed takes over the compiler, which
 * then sends what it likes. So no part of an answer goes through a deserializer of objects: lengths are held against
 * ceilings before anything is kept, the head is JSON, and the rest are octets of arrays.
 */
import { bytesOf, putTogether, takeApart } from '../base/parts.ts'

export type Ceilings = { head: number; all: number }

const LENGTHS = 8
/** A compiled list has eleven. */
const ARRAYS_MAX = 10_000

/** Gives the octets of a message: the lengths of head and arrays, the head as JSON, the arrays. */
export function toFrame(message: unknown): Uint8Array[] {
  const arrays: Uint8Array[] = []
  const data = takeApart(message, (array) => arrays.push(bytesOf(array)) - 1)
  const head = Buffer.from(JSON.stringify({ data, lengths: arrays.map((array) => array.length) }))
  const start = Buffer.alloc(LENGTHS)
  start.writeUInt32LE(head.length, 0)
  start.writeUInt32LE(
    arrays.reduce((sum, array) => sum + array.length, 0),
    4,
  )
  return [start, head, ...arrays]
}

/** Reads one frame to its end; gives the message, of which nothing is known yet. Throws when it is none, or too large. */
export async function readFrame(stream: AsyncIterable<Buffer>, ceilings: Ceilings): Promise<unknown> {
  const start = new Uint8Array(LENGTHS)
  const wanted: Uint8Array<ArrayBuffer>[] = [start]
  let announced = 0
  let data: unknown
  let now = 0
  let filled = 0
  for await (const chunk of stream) {
    for (let rest: Uint8Array = chunk; rest.length > 0;) {
      const into = wanted[now]
      if (into === undefined) throw new Error('more octets than were announced')
      const part = rest.subarray(0, into.length - filled)
      into.set(part, filled)
      filled += part.length
      rest = rest.subarray(part.length)
      if (filled < into.length) continue
      filled = 0
      now++
      if (now === 1) {
        const head = sizesOf(start, ceilings)
        announced = head.arrays
        wanted.push(new Uint8Array(head.head))
      } else if (now === 2) {
        const head = readHead(into, announced)
        data = head.data
        wanted.push(...head.lengths.map((length) => new Uint8Array(length)))
      }
      while (wanted[now]?.length === 0) now++
    }
  }
  if (now < 2 || now < wanted.length) throw new Error('it ended in the midst of its answer')
  return putTogether(data, (number) => {
    const array = wanted[2 + number]
    if (array === undefined) throw new Error('an array that is not there')
    return array
  })
}

function sizesOf(start: Uint8Array<ArrayBuffer>, ceilings: Ceilings): { head: number; arrays: number } {
  const view = new DataView(start.buffer)
  const [head, arrays] = [view.getUint32(0, true), view.getUint32(4, true)]
  if (head === 0 || head > ceilings.head || head + arrays > ceilings.all) throw new Error('larger than its ceiling')
  return { head, arrays }
}

function readHead(head: Uint8Array<ArrayBuffer>, announced: number): { data: unknown; lengths: number[] } {
  const { data, lengths } = JSON.parse(Buffer.from(head.buffer).toString()) as { data?: unknown; lengths?: unknown }
  if (!Array.isArray(lengths) || lengths.length > ARRAYS_MAX) throw new Error('no lengths in its head')
  const read = lengths.map((length: unknown) => {
    if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) throw new Error('no length')
    return length
  })
  if (read.reduce((sum, length) => sum + length, 0) !== announced) throw new Error('lengths that do not fit')
  return { data, lengths: read }
}
