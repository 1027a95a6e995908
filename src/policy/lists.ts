/** The list files that networks.yaml names: read here, parsed and compiled by whom the load was given for that. */
import { relative } from 'node:path'
import { LIST_FILE_MAX } from '../base/limits.ts'
import { parseRange } from '../base/ip.ts'
import type { Made, ParseJob, Report, Source } from '../compiler/job.ts'
import type { CompiledGate, CompiledList } from '../gate/verdict.ts'
import type { Finding } from './findings.ts'
import type { Reading } from './reading.ts'
import type { Networks } from './schema.ts'
import type { YamlFile } from './yaml-file.ts'

type Key = 'allow' | 'deny'
const KEYS: readonly Key[] = ['allow', 'deny']

/** A list file that could be read. `shown`: as the operator would type it. */
type Opened = { i: number; path: string; shown: string; source: Source }

/** Needs networks.yaml as read and as examined; gives the compiled check, or null when its lists could not be compiled. */
export async function loadNetworks(
  reading: Reading,
  file: YamlFile,
  name: string,
  networks: Networks,
): Promise<CompiledGate['networks']> {
  const opened: Record<Key, Opened[]> = { allow: [], deny: [] }
  for (const key of KEYS) {
    for (const [i, path] of networks[key].entries()) {
      const one = await openList(reading, path, { file, name, key, i })
      if (one !== null) opened[key].push(one)
    }
  }
  const jobs = KEYS.map((key): ParseJob => ({ do: 'lists', sources: opened[key].map(({ source }) => source) }))
  const made = await reading.compile(jobs)
  const lists = KEYS.map((key, i) => take(reading, made[i], opened[key], { file, name, key }))
  const [allow, deny] = lists
  return allow && deny ? { mode: networks.mode, allow, deny } : null
}

type NamedBy = { file: YamlFile; name: string; key: Key }

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
  const place = by.file.place([by.key, by.i])
  const written = by.file.written([by.key, by.i])?.replace(/^["']|["']$/g, '') ?? ''
  const message = parseRange(written).ok
    ? `\`${by.key}[${by.i}]: ${written}\` is no list file; write networks into a file and name that here`
    : `\`${by.key}[${by.i}]\`: ${shown} ${words}; mend it, or take it off this list`
  return { file: by.name, ...place, message }
}

function take(reading: Reading, made: Made | undefined, opened: Opened[], by: NamedBy): CompiledList | null {
  const { findings } = reading
  const place = by.file.place([by.key])
  if (made?.at !== 'lists') {
    const reason = made?.at === 'failed' ? made.reason : 'not compiled'
    findings.faults.push({ file: by.name, ...place, message: `\`${by.key}\` cannot be compiled: ${reason}` })
    return null
  }
  for (const [n, one] of opened.entries()) {
    const report = made.reports[n]
    if (report !== undefined) tell(reading, report, one, by)
  }
  const means = by.key === 'allow' ? 'everybody passes the later checks' : 'nobody gets in'
  for (const family of made.covers) {
    findings.warnings.push({ file: by.name, ...place, message: `\`${by.key}\` covers all of ${family}: ${means}` })
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
