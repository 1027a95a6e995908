/**
 * Reads a reputation feed. Its format is told by its content: lines of networks, addresses or ranges with `#` and `;`
 * comments (plain lists, FireHOL netsets, Spamhaus DROP text), or Spamhaus DROP as JSON lines, whose last line is metadata.
 * A feed comes from outside: a few lines that nobody can read are passed over and counted, but what is no list of networks
 * at all never becomes one.
 */
import { FEED_BAD_SHARE } from '../base/gate-limits.ts'
import { LIST_ENTRIES_MAX, LIST_LINE_MAX } from '../base/limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import type { ListEntry } from './list-file.ts'
import { readRange } from './quick-range.ts'

/** `firstBad`: the 1-based line of the first one that could not be read; 0 for none. */
export type Feed = { entries: ListEntry[]; bad: number; firstBad: number }

type Read = ListEntry['range'] | 'nothing' | 'bad'

/** A JSON line of DROP has under 200 characters; one of this length is no line of networks. */
const JSON_LINE_MAX = 4_096

/** Needs a feed's body as octets; gives its entries, or why the body is no feed (words that follow "the body"). */
export function parseFeed(body: Buffer): Parsed<Feed> {
  const text = body.toString('latin1').replace(/^\xef\xbb\xbf/, '')
  const first = /\S/.exec(text)?.[0]
  if (first === undefined) return faulty('is empty')
  if (first === '<') return faulty('is HTML or XML, not a list of networks')
  if (first === '[') return faulty('is one JSON document; JSON lines are read, one object a line')
  if (text.slice(0, 1_024).includes('\0')) return faulty('is no text')
  return first === '{' ? gather(text, readJsonLine) : gather(text, readPlainLine)
}

function gather(text: string, read: (line: string, isLast: boolean) => Read): Parsed<Feed> {
  const feed: Feed = { entries: [], bad: 0, firstBad: 0 }
  const end = text.trimEnd().length
  let line = 0
  for (let at = 0; at < end;) {
    const next = text.indexOf('\n', at)
    const behind = next === -1 ? end : Math.min(next, end)
    line++
    const got = read(text.slice(at, behind), behind === end)
    at = behind + 1
    if (got === 'nothing') continue
    if (got === 'bad') {
      feed.bad++
      if (feed.firstBad === 0) feed.firstBad = line
    } else if (feed.entries.length < LIST_ENTRIES_MAX) feed.entries.push({ range: got, until: Infinity, line })
    else return faulty(`holds more than ${LIST_ENTRIES_MAX} networks`)
  }
  const { entries, bad, firstBad } = feed
  if (bad > FEED_BAD_SHARE * (entries.length + bad)) {
    const read = `${bad} of ${entries.length + bad} lines cannot be read`
    return faulty(`is no list of networks: ${read}, the first is line ${firstBad}`)
  }
  return entries.length === 0 ? faulty('holds no network') : parsed(feed)
}

function readPlainLine(line: string): Read {
  const content = line.replace(/[#;].*/, '').trim()
  if (content === '') return 'nothing'
  if (content.length > LIST_LINE_MAX) return 'bad'
  const range = readRange(content)
  return range.ok ? range.value : 'bad'
}

/** An object without `cidr` is metadata, and stands in the last line alone. */
function readJsonLine(line: string, isLast: boolean): Read {
  if (line.trim() === '') return 'nothing'
  if (line.length > JSON_LINE_MAX) return 'bad'
  try {
    const object: unknown = JSON.parse(line)
    if (typeof object !== 'object' || object === null) return 'bad'
    if (!('cidr' in object)) return isLast ? 'nothing' : 'bad'
    const range = typeof object.cidr === 'string' ? readRange(object.cidr) : faulty('')
    return range.ok ? range.value : 'bad'
  } catch {
    return 'bad'
  }
}
