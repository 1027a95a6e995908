/** The list files that networks.yaml names: read, parsed, and compiled for the gate. */
import { relative } from 'node:path'
import { LIST_FILE_MAX } from '../base/limits.ts'
import { parseRange } from '../base/ip.ts'
import { compileLists, type NamedList } from '../compiler/prefixes.ts'
import { parseListFile } from '../compiler/list-file.ts'
import type { CompiledGate, CompiledList } from '../gate/verdict.ts'
import type { Finding, Place } from './findings.ts'
import type { Reading } from './reading.ts'
import type { Networks } from './schema.ts'
import type { YamlFile } from './yaml-file.ts'

type Key = 'allow' | 'deny'

/** Needs networks.yaml as read and as examined; gives the compiled check. Faults of the lists go to the reading. */
export async function loadNetworks(
  reading: Reading,
  file: YamlFile,
  name: string,
  networks: Networks,
): Promise<NonNullable<CompiledGate['networks']>> {
  const load = async (key: Key): Promise<CompiledList> => {
    const lists: NamedList[] = []
    for (const [i, path] of networks[key].entries()) lists.push(await loadList(reading, path, { file, name, key, i }))
    const compiled = compileLists(lists)
    reading.findings.warnings.push(...widths(compiled, key, { ...file.place([key]), file: name }))
    return compiled
  }
  return { mode: networks.mode, allow: await load('allow'), deny: await load('deny') }
}

type NamedBy = { file: YamlFile; name: string; key: Key; i: number }

async function loadList(reading: Reading, path: string, by: NamedBy): Promise<NamedList> {
  const { findings, reader } = reading
  const shown = reading.shown(path)
  const named: NamedList = { name: relative(reading.folder, path), entries: [] }
  const text = await reader.read(path, 'list', LIST_FILE_MAX)
  if (!text.ok) {
    const place = by.file.place([by.key, by.i])
    const written = by.file.written([by.key, by.i])?.replace(/^["']|["']$/g, '') ?? ''
    const isRange = parseRange(written).ok
    const message = isRange
      ? `\`${by.key}[${by.i}]: ${written}\` is no list file; write networks into a file and name that here`
      : `\`${by.key}[${by.i}]\`: ${shown} ${text.message}; mend it, or take it off this list`
    findings.faults.push({ file: by.name, ...place, message })
    return named
  }
  const list = parseListFile(text.text)
  findings.faults.push(...list.faults.map((fault) => ({ file: shown, ...fault })))
  const over = list.entries.find((entry) => entry.until <= reading.now)
  if (over !== undefined) {
    findings.warnings.push({
      file: shown,
      line: over.line,
      column: 1,
      message: 'this entry has run out; take it off the list',
    })
  }
  return { ...named, entries: list.entries }
}

/** Everybody denied, or everybody past the checks: seldom meant. Also seen when several entries make up the whole. */
function widths(list: CompiledList, key: Key, at: Place & { file: string }): Finding[] {
  const families = [
    { family: 'IPv4', all: coversAll(list.v4From, list.v4To, 1) },
    { family: 'IPv6', all: coversAll(list.v6From, list.v6To, 4) },
  ]
  const means = key === 'allow' ? 'everybody passes the later checks' : 'nobody gets in'
  return families
    .filter(({ all }) => all)
    .map(({ family }) => ({ ...at, message: `\`${key}\` covers all of ${family}: ${means}` }))
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
