/** The list files that policies name: read here, parsed and compiled by whom the load was given for that. */
import { relative } from 'node:path'
import { LIST_FILE_MAX } from '../base/limits.ts'
import { parseRange } from '../base/ip.ts'
import type { Made, ParseJob, Report, Source } from '../compiler/job.ts'
import type { CompiledGate, CompiledList } from '../gate/verdict.ts'
import { keyName } from './examine.ts'
import type { Finding } from './findings.ts'
import type { Opened as OpenedFile, Reading } from './reading.ts'
import type { Networks } from './schema.ts'
import type { Path, YamlFile } from './yaml-file.ts'

/** A key that names list files, which count as one list. `everybody`: what it means when that list leaves nobody out. */
export type ListKey = { at: Path; files: readonly string[]; everybody: string }

/** A list file that could be read. `shown`: as the operator would type it. */
type Opened = { i: number; path: string; shown: string; source: Source }

/** Needs networks.yaml as read and as examined; gives the compiled check, or null when its lists could not be compiled. */
export async function loadNetworks(
  reading: Reading,
  opened: OpenedFile,
  { mode, allow, deny }: Networks,
): Promise<CompiledGate['networks']> {
  const lists = await loadLists(reading, opened, [
    { at: ['allow'], files: allow, everybody: 'everybody passes the later checks' },
    { at: ['deny'], files: deny, everybody: 'nobody gets in' },
  ])
  const [allowed, denied] = lists ?? []
  return allowed && denied ? { mode, allow: allowed, deny: denied } : null
}

/** Needs a policy file and keys in it; gives one compiled list a key, or null when one could not be compiled. Faults are in the reading. */
export async function loadLists(
  reading: Reading,
  { file, name }: OpenedFile,
  keys: readonly ListKey[],
): Promise<CompiledList[] | null> {
  const opened: Opened[][] = []
  for (const key of keys) {
    const ofKey: Opened[] = []
    for (const [i, path] of key.files.entries()) {
      const one = await openList(reading, path, { file, name, key, i })
      if (one !== null) ofKey.push(one)
    }
    opened.push(ofKey)
  }
  const jobs = opened.map((ofKey): ParseJob => ({ do: 'lists', sources: ofKey.map(({ source }) => source) }))
  const made = jobs.length === 0 ? [] : await reading.compile(jobs)
  const lists = keys.map((key, n) => take(reading, made[n], opened[n] ?? [], { file, name, key }))
  return lists.every((list) => list !== null) ? lists : null
}

type NamedBy = { file: YamlFile; name: string; key: ListKey }

async function openList(reading: Reading, path: string, by: NamedBy & { i: number }): Promise<Opened | null> {
  const shown = reading.shown(path)
  const octets = await reading.reader.octets(path, 'list', LIST_FILE_MAX)
  if (octets.ok) {
    const source = { name: relative(reading.folder, path), bytes: octets.bytes, digest: octets.sha256 }
    return { i: by.i, path, shown, source }
  }
  reading.findings.faults.push(unread(by, shown, octets.message))
  return null
}

function unread(by: NamedBy & { i: number }, shown: string, words: string): Finding {
  const path = [...by.key.at, by.i]
  const place = by.file.place(path)
  const written = by.file.written(path)?.replace(/^["']|["']$/g, '') ?? ''
  const message = parseRange(written).ok
    ? `\`${keyName(path)}: ${written}\` is no list file; write networks into a file and name that here`
    : `\`${keyName(path)}\`: ${shown} ${words}; mend it, or take it off this list`
  return { file: by.name, ...place, message }
}

function take(reading: Reading, made: Made | undefined, opened: Opened[], by: NamedBy): CompiledList | null {
  const { findings } = reading
  const place = by.file.place(by.key.at)
  const key = keyName(by.key.at)
  if (made?.at !== 'lists') {
    const reason = made?.at === 'failed' ? made.reason : 'not compiled'
    findings.faults.push({ file: by.name, ...place, message: `\`${key}\` cannot be compiled: ${reason}` })
    return null
  }
  for (const [n, one] of opened.entries()) {
    const report = made.reports[n]
    if (report !== undefined) tell(reading, report, one, by)
  }
  for (const family of made.covers) {
    findings.warnings.push({
      file: by.name,
      ...place,
      message: `\`${key}\` covers all of ${family}: ${by.key.everybody}`,
    })
  }
  return made.list
}

function tell({ findings, now }: Reading, report: Report, { i, shown }: Opened, by: NamedBy): void {
  const { unreadable, faults, ends } = report
  if (unreadable !== null) findings.faults.push(unread({ ...by, i }, shown, unreadable.message))
  findings.faults.push(...faults.map((fault) => ({ file: shown, ...fault })))
  if (ends === null || ends.until > now) return
  const message = 'this entry has run out; take it off the list'
  findings.warnings.push({ file: shown, line: ends.line, column: 1, message })
}
