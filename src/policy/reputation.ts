/** reputation.yaml: its feeds. Files are read here; what is fetched by URL is named here, and kept by the keeper. */
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { writeDay } from '../base/day.ts'
import { FEED_STALE_FILE_MS, FEED_STALE_TIMES } from '../base/gate-limits.ts'
import { LIST_FILE_MAX } from '../base/limits.ts'
import type { CompiledGate, CompiledList } from '../gate/verdict.ts'
import type { Reading } from './reading.ts'
import type { Reputation } from './reputation-schema.ts'
import type { Remarks } from './sense.ts'
import { sentence } from './examine.ts'
import type { Path, YamlFile } from './yaml-file.ts'

/** A feed out of a file is part of the policies; one by URL is fetched, and its list comes later. */
export type FeedSource =
  | { from: 'file'; list: CompiledList; entries: number; changedAt: number }
  | { from: 'url'; url: string; refreshMs: number }

export type FeedPolicy = {
  name: string
  mode: 'enforce' | 'monitor'
  onError: 'allow' | 'deny'
  /** Where it stands in reputation.yaml. */
  at: { file: string; line: number }
  source: FeedSource
}

export type ReputationPolicy = { mode: 'enforce' | 'monitor'; feeds: FeedPolicy[] }

const REFRESH_MS = 43_200_000

/** Where the keeper has the copies of feeds: the text as it came, and a note of where it came from. */
export function copyOf(state: string, name: string): { text: string; note: string } {
  return { text: join(state, 'feeds', `${name}.txt`), note: join(state, 'feeds', `${name}.json`) }
}

/** Needs reputation.yaml as examined; gives what no single value shows. */
export function reputationSense({ feeds }: Reputation): Remarks {
  const remarks: Remarks = { faults: [], warnings: [] }
  const names = feeds.map(({ name }) => name.toLowerCase())
  for (const [i, { name, file, url, refresh, on_error }] of feeds.entries()) {
    const fault = (message: string, ...path: string[]) => remarks.faults.push({ path: ['feeds', i, ...path], message })
    if (names.indexOf(name.toLowerCase()) < i) fault('names two feeds', 'name')
    if ((file === undefined) === (url === undefined)) fault('needs `file` or `url`, and not both')
    if (file !== undefined && refresh !== undefined)
      fault('is for feeds with a `url`; files are read when they change', 'refresh')
    const warn = (message: string) => remarks.warnings.push({ path: ['feeds', i], message })
    if (url?.startsWith('http:') === true) warn('comes over http: whoever is on the way can change it; use https')
    if (on_error === 'allow' && file !== undefined)
      warn('has an `on_error` that says nothing: a file is there, or is a fault')
  }
  return remarks
}

/** Needs reputation.yaml as read and examined, and the state folder; gives the feeds. Faults go to the reading. */
export async function loadReputation(
  reading: Reading,
  { file, name }: { file: YamlFile; name: string },
  reputation: Reputation,
  state: string | null,
): Promise<ReputationPolicy> {
  const feeds: FeedPolicy[] = []
  for (const [i, feed] of reputation.feeds.entries()) {
    const at = { file: 'reputation.yaml', line: file.place(['feeds', i]).line }
    const common = { name: feed.name, mode: feed.mode, onError: feed.on_error, at }
    if (feed.file !== undefined) {
      const source = await loadFile(reading, { file, name, path: ['feeds', i] }, feed.file)
      if (source !== null) feeds.push({ ...common, source })
    } else if (feed.url !== undefined) {
      const source = { from: 'url', url: feed.url, refreshMs: feed.refresh ?? REFRESH_MS } as const
      feeds.push({ ...common, source })
      if (state !== null) await lookAtCopy(reading, { file, name, path: ['feeds', i] }, state, feed.name, source)
    }
  }
  return { mode: reputation.mode, feeds }
}

/** Gives the check as the fronts get it. `fetched` gives the list of a feed by URL, null while there is none. */
export function gateOf(
  reputation: ReputationPolicy | null,
  fetched: (name: string) => CompiledList | null,
): CompiledGate['reputation'] {
  if (reputation === null) return null
  const feeds = reputation.feeds.map(({ name, mode, onError, at, source }) => {
    return { name, mode, onError, at, list: source.from === 'file' ? source.list : fetched(name) }
  })
  return { mode: reputation.mode, feeds }
}

type NamedBy = { file: YamlFile; name: string; path: Path }

async function loadFile(reading: Reading, by: NamedBy, path: string): Promise<FeedSource | null> {
  const { findings, now } = reading
  const shown = reading.shown(path)
  const place = { file: by.name, ...by.file.place(by.path) }
  const fault = (words: string) => {
    findings.faults.push({ ...place, message: sentence(by.file, by.path, `${shown} ${words}`) })
    return null
  }
  const octets = await reading.reader.octets(path, 'list', LIST_FILE_MAX)
  if (!octets.ok) return fault(`${octets.message}; mend it, or take the feed out`)
  const source = { name: relative(reading.folder, path), bytes: octets.bytes, digest: octets.sha256 }
  const [made] = await reading.compile([{ do: 'feed', source }])
  if (made?.at !== 'feed') {
    const reason = made?.at === 'failed' ? made.reason.replace(/^the body /, '') : 'cannot be compiled'
    return fault(`${reason}; mend it, or take the feed out`)
  }
  const { entries, bad, firstBad, covers } = made.feed
  const warn = (words: string) => findings.warnings.push({ ...place, message: sentence(by.file, by.path, words) })
  if (bad > 0) warn(`${shown} has ${bad} lines that cannot be read, the first is line ${firstBad}`)
  for (const family of covers) warn(`${shown} covers all of ${family}: nobody gets in`)
  if (now - octets.changedAt > FEED_STALE_FILE_MS)
    warn(`${shown} did not change since ${writeDay(octets.changedAt)}: is it still kept up?`)
  return { from: 'file', list: made.list, entries, changedAt: octets.changedAt }
}

/** A copy that nobody can read, or that is not there yet, says nothing: `serve` fetches it. */
async function lookAtCopy(
  { findings, now }: Reading,
  by: NamedBy,
  state: string,
  name: string,
  { refreshMs }: Extract<FeedSource, { from: 'url' }>,
): Promise<void> {
  try {
    const note = JSON.parse(await readFile(copyOf(state, name).note, 'utf8')) as { confirmed?: unknown }
    const confirmed = typeof note.confirmed === 'number' ? note.confirmed : now
    if (now - confirmed <= refreshMs * FEED_STALE_TIMES) return
    const words = `is stale: the server last confirmed it on ${writeDay(confirmed)}; see \`feed-failed\` in the audit`
    findings.warnings.push({ file: by.name, ...by.file.place(by.path), message: sentence(by.file, by.path, words) })
  } catch {
    // See above.
  }
}
