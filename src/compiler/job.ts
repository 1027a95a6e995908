/**
 * What the compiler is asked and what it makes of it. {@link work} is the whole of its work but for the fetching; the
 * keeper has it done in a process without powers, commands do it in their own.
 */
import { decodeText } from '../base/utf8.ts'
import type { CompiledList } from '../gate/verdict.ts'
import { parseFeed } from './feed.ts'
import { type LineFault, parseListFile } from './list-file.ts'
import { compileLists, type NamedList } from './prefixes.ts'

/** A file's name as verdicts print it, its content, and what tells one content from another. */
export type Source = { name: string; bytes: Uint8Array; digest: string }

/** `last` figures are those of the copy in force, for the server to say that nothing changed. */
export type FetchJob = {
  do: 'fetch'
  name: string
  url: string
  etag: string | null
  lastModified: string | null
  /** Certificates that are trusted besides Node's own, in PEM form. */
  ca: string[]
}

export type ParseJob = { do: 'lists'; sources: Source[] } | { do: 'feed'; source: Source }
export type Job = ParseJob | FetchJob

/** Of one list file. `ends`: the entry that is the first to run out (ms since 1970), if one ever does. */
export type Report = {
  unreadable: LineFault | null
  faults: LineFault[]
  ends: { line: number; until: number } | null
}

/** `covers`: of which IP versions the list leaves no address out. */
export type Covers = ('IPv4' | 'IPv6')[]
export type FeedFacts = { entries: number; bad: number; firstBad: number; covers: Covers }

export type Made =
  | { at: 'lists'; list: CompiledList; covers: Covers; reports: Report[] }
  | { at: 'feed'; list: CompiledList; feed: FeedFacts }
  | {
      at: 'fetched'
      list: CompiledList
      feed: FeedFacts
      body: Uint8Array
      /** SHA-256 of the body. */
      digest: string
      etag: string | null
      lastModified: string | null
    }
  | { at: 'not-modified' }
  | { at: 'failed'; reason: string }

/** Who does the jobs: one answer a job, in their order. Never rejects for what a file holds. */
export type Compile = (jobs: ParseJob[]) => Promise<Made[]>

/** Does a job at once. Gives `failed` for a feed that is none; bad lines of operators' lists are in the reports. */
export function work(job: ParseJob): Made {
  return job.do === 'lists' ? lists(job.sources) : feed(job.source)
}

/** Does the jobs in this process: for commands, which have nobody else's time to take. */
export const workHere: Compile = (jobs) => Promise.resolve(jobs.map(work))

function lists(sources: Source[]): Made {
  const named: NamedList[] = []
  const reports = sources.map(({ name, bytes }): Report => {
    const text = decodeText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    if (!text.ok) return { unreadable: text, faults: [], ends: null }
    const { entries, faults } = parseListFile(text.text)
    named.push({ name, entries })
    let ends: Report['ends'] = null
    for (const { line, until } of entries) if (until < (ends?.until ?? Infinity)) ends = { line, until }
    return { unreadable: null, faults, ends }
  })
  const list = compileLists(named)
  return { at: 'lists', list, covers: coversOf(list), reports }
}

function feed({ name, bytes }: Omit<Source, 'digest'>): Made {
  const read = parseFeed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  if (!read.ok) return { at: 'failed', reason: `the body ${read.fault}` }
  const { entries, bad, firstBad } = read.value
  const list = compileLists([{ name, entries }])
  return { at: 'feed', list, feed: { entries: entries.length, bad, firstBad, covers: coversOf(list) } }
}

/** Also seen when several entries make up the whole. */
function coversOf(list: CompiledList): Covers {
  const ipv4 = coversAll(list.v4From, list.v4To, 1)
  const ipv6 = coversAll(list.v6From, list.v6To, 4)
  return [...(ipv4 ? ['IPv4' as const] : []), ...(ipv6 ? ['IPv6' as const] : [])]
}

/** Tells whether sorted ranges leave no gap from the first address to the last. */
function coversAll(from: Uint32Array, to: Uint32Array, words: number): boolean {
  const key = (keys: Uint32Array, i: number) =>
    keys.subarray(i * words, (i + 1) * words).reduce((value, word) => (value << 32n) | BigInt(word), 0n)
  const count = from.length / words
  let next = 0n
  for (let i = 0; i < count; i++) {
    if (key(from, i) !== next) return false
    next = key(to, i) + 1n
  }
  return next === 1n << BigInt(32 * words)
}
