/**
 * The chain that binds each line of a stream to the line before. `chain` is always the last key of a line and `hash` its last member.
 * To check a stream, keep `prev` (64 zeros) and `seq` (0), and for each line, without its LF:
 *   1. it ends in `,"hash":"` + 64 hex digits + `"}}`; call the digits `hash`
 *   2. SHA-256 over the bytes before that ending, as lower case hex, equals `hash`
 *   3. those bytes end in `,"chain":{"seq":` + a number + `,"prev":"` + 64 hex digits + `"`
 *   4. these digits equal `prev`, and the number equals `seq` + 1
 *   5. `prev` becomes `hash`, `seq` grows by one
 * What is hashed holds the hash of the line before, so each hash covers the whole stream up to it. Nothing has to be parsed to prove it,
 * so no two JSON libraries can disagree about it.
 */
import { hash as digest } from 'node:crypto'
import { AUDIT_LINE_MAX } from '../base/audit-limits.ts'
import type { Stream } from './events.ts'

/** Where a stream stands: the number and the hash of its last line. */
export type Head = { seq: number; prev: string }

/** Before the first line. */
export const GENESIS: Head = { seq: 0, prev: '0'.repeat(64) }

/** Needs a JSON text as `bodyOf` gives it and where the stream stands. Gives the line with its LF, and where the stream stands then. */
export function chain(body: string, head: Head): { line: string; head: Head } {
  const seq = head.seq + 1
  const open = `${body.slice(0, -1)},"chain":{"seq":${seq},"prev":"${head.prev}"`
  const hash = digest('sha256', open, 'hex')
  return { line: `${open},"hash":"${hash}"}}\n`, head: { seq, prev: hash } }
}

export type Link = { seq: number; prev: string; hash: string }

const HASH_AT = ',"hash":"'
const PREV_AT = ',"prev":"'
const CHAIN_AT = ',"chain":{"seq":'
const DIGITS = 64
const HASH_MEMBER = HASH_AT.length + DIGITS + '"}}'.length
const PREV_MEMBER = PREV_AT.length + DIGITS + '"'.length
/** Numbers of up to 16 digits: more than a double counts exactly. */
const CHAIN_MEMBER = CHAIN_AT.length + 16
const SEQ = /^[1-9][0-9]{0,15}$/

/**
 * Needs the bytes of a line without its LF. Gives its place in the chain when the line is one of ours and its own hash fits it,
 * or null. Whether it follows the line before is for the caller to see. Works on bytes: decoding would forgive broken UTF-8.
 */
export function linkOf(line: Buffer): Link | null {
  const end = line.length - HASH_MEMBER
  const prevAt = end - PREV_MEMBER
  if (prevAt < CHAIN_AT.length || line.length > AUDIT_LINE_MAX) return null
  const tail = line.toString('latin1', Math.max(0, prevAt - CHAIN_MEMBER))
  const from = tail.length - HASH_MEMBER - PREV_MEMBER
  const chainAt = tail.lastIndexOf(CHAIN_AT, from)
  if (chainAt < 0 || !tail.startsWith(PREV_AT, from)) return null
  const ending = tail.length - HASH_MEMBER
  if (!tail.startsWith(HASH_AT, ending) || !tail.endsWith('"}}') || tail[ending - 1] !== '"') return null
  const seq = tail.slice(chainAt + CHAIN_AT.length, from)
  const hash = tail.slice(ending + HASH_AT.length, -3)
  const prev = tail.slice(from + PREV_AT.length, ending - 1)
  // That `prev` is hex shows when it equals the hash before: whatever else stands there, nothing follows from it.
  if (!SEQ.test(seq) || digest('sha256', line.subarray(0, end), 'hex') !== hash) return null
  return { seq: Number(seq), prev, hash }
}

/** Tells whether a line is of that stream. Quotes inside a value are escaped, so no value can pose as this field. */
export function isOf(line: Buffer, stream: Stream): boolean {
  return line.includes(`"dataset":"postern.${stream}"`)
}
