/** What goes to disk in one go: lines as they were pushed, and the bytes that they become. */
import { AUDIT_BATCH_MAX } from '../base/audit-limits.ts'
import { chain, type Head } from './chain.ts'

/** The JSON text of a line, or what makes it once the line before it is known: a seal. */
export type Body = string | ((before: Head) => string)

export type Item = { do: 'write'; body: Body; at: number; octets: number } | { do: 'rotate'; octets: number }
export type Batch = { items: Item[]; bytes: Buffer; head: Head }

const LF = 0x0a

/** Gives the lines at the queue's head that go together: up to a rotation, and not too many octets. At least one. */
export function takeFrom(queue: readonly Item[]): Item[] {
  let octets = 0
  const over = queue.findIndex((item) => item.do === 'rotate' || (octets += item.octets) > AUDIT_BATCH_MAX)
  return queue.slice(0, over < 0 ? queue.length : Math.max(1, over))
}

/** Binds the lines to each other and to the one before. */
export function chained(items: Item[], from: Head): Batch {
  let head = from
  let text = ''
  for (const item of items) {
    if (item.do !== 'write') continue
    const next = chain(typeof item.body === 'string' ? item.body : item.body(head), head)
    head = next.head
    text += next.line
  }
  return { items, bytes: Buffer.from(text), head }
}

/** Splits a batch into its lines, each with its LF. */
export function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let from = 0
  for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, from)) {
    lines.push(bytes.subarray(from, end + 1))
    from = end + 1
  }
  return lines
}
