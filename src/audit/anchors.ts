/**
 * What an auditor notes elsewhere: the text that `audit key` prints. One fact a line: `anchor` with the root of the sealing keys, `head`
 * with stream, number and hash of a line. Notes of many days may stand in one file; each of them is held against the streams.
 */
import { STREAMS, type Stream } from './events.ts'
import type { Heads } from './upkeep.ts'

export type Notes = { anchors: Buffer[]; heads: { stream: Stream; seq: number; hash: string }[] }

const ANCHOR = /^anchor ([A-Za-z0-9_-]{43})$/
const HEAD = /^head ([a-z]+) ([1-9][0-9]{0,15}) ([0-9a-f]{64})$/

/** Gives the lines to note, with a comment that says when (ISO 8601). */
export function printNotes(anchor: Buffer, heads: Heads, at: string): string[] {
  const standing = STREAMS.flatMap((stream) => {
    const head = heads[stream]
    return head === undefined || head.seq === 0 ? [] : [`head ${stream} ${head.seq} ${head.prev}`]
  })
  return [`# postern audit key, ${at}`, `anchor ${anchor.toString('base64url')}`, ...standing]
}

/** Reads such a text. Throws a line that names `name` and the place of the first line that is none of these. */
export function parseNotes(text: string, name: string): Notes {
  const notes: Notes = { anchors: [], heads: [] }
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const [, anchor] = ANCHOR.exec(line) ?? []
    const [, word, seq, hash] = HEAD.exec(line) ?? []
    const stream = STREAMS.find((one) => one === word)
    if (anchor !== undefined) notes.anchors.push(Buffer.from(anchor, 'base64url'))
    else if (stream !== undefined && hash !== undefined) notes.heads.push({ stream, seq: Number(seq), hash })
    else throw new Error(`${name}:${i + 1}: this is no line of \`postern audit key\``)
  }
  if (notes.anchors.length === 0) throw new Error(`${name}: it holds no anchor; \`postern audit key\` prints it`)
  return notes
}

/** Gives the notes of one stream by number. Two notes of one number that differ cannot both hold: the last one counts. */
export function notedOf({ heads }: Notes, stream: Stream): ReadonlyMap<number, string> {
  return new Map(heads.filter((head) => head.stream === stream).map(({ seq, hash }) => [seq, hash]))
}
