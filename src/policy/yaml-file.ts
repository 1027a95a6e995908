/** Reads one YAML policy file into plain data, and knows where in the file each value stands. */
import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml'
import { type Environment, retype, substitute } from './environment.ts'
import type { Place } from './findings.ts'
import { START } from './findings.ts'

export type Path = readonly PropertyKey[]

export type YamlFile = {
  /** False when the form is so broken that its data says nothing; the faults say why. */
  readable: boolean
  data: unknown
  faults: (Place & { message: string })[]
  /** Names of the environment variables that the file uses. */
  used: string[]
  /** Where a value stands; where it is missing, where the section stands that should hold it. */
  place: (path: Path) => Place
  /** Where a key of a section stands. */
  placeOfKey: (path: Path, key: string) => Place
  /** A scalar as it is written in the file, so with `${NAME}` and not with what it stands for; null for others. */
  written: (path: Path) => string | null
}

/** What a fault says instead of the library's words, which quote the file and so could quote a secret. */
const SYNTAX: Readonly<Record<string, string>> = {
  BAD_DQ_ESCAPE: 'unknown escape in double quotes; write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'the indentation is wrong, or a bracket is not closed',
  BAD_SCALAR_START: 'a value may not start with this character; put the value in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'the indentation is wrong, or a value holds ": " and needs quotes',
  MISSING_CHAR: 'a colon, comma, quote or bracket is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; a colon may be missing',
  MULTIPLE_DOCS: 'a second document starts here; a policy file holds one',
  NON_STRING_KEY: 'a key must be a plain word',
  RESOURCE_EXHAUSTION: 'this is nested too deeply to be read',
  TAB_AS_INDENT: 'a tab is no indentation in YAML; use spaces',
  TAG_RESOLVE_FAILED: 'tags are not known here; leave it out',
}
const TWICE = 'this key stands here for the second time; keep one'
const ALIASES = 'anchors and aliases (& and *) are not taken; write the value out'
/** The address of a feed may hold the key to it. */
const SECRET_KEYS: ReadonlySet<PropertyKey> = new Set(['token', 'url'])

/** Needs the text of a file and the environment; gives its data with every `${NAME}` replaced, and all faults of form. */
export function readYaml(text: string, environment: Environment): YamlFile {
  const lines = new LineCounter()
  // The library's own look for keys that stand twice takes a minute for a file of nothing but keys.
  const form = { prettyErrors: false, schema: 'core', stringKeys: true, uniqueKeys: false } as const
  const document = parseDocument(text, { lineCounter: lines, ...form })
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const faults = syntaxFaults(document, text, at)
  if (faults.length > 0) return { readable: false, data: {}, faults, used: [], ...locator(document, text, at) }
  let aliased = false
  const used: string[] = []
  visit(document, {
    Alias: (_, node) => {
      aliased = true
      faults.push({ ...at(node.range?.[0] ?? 0), message: ALIASES })
    },
    Map: (_, node) => void faults.push(...repeatedKeys(node).map((offset) => ({ ...at(offset), message: TWICE }))),
    Scalar: (key, node) => {
      if (key === 'key') return
      const result = replaceVariables(node, environment)
      used.push(...result.used)
      faults.push(...result.faults.map((message) => ({ ...at(node.range?.[0] ?? 0), message })))
    },
  })
  if (faults.length === 0 && isEmpty(document.contents)) {
    faults.push({ ...START, message: 'the file holds no keys; write {} to take all defaults' })
  }
  const readable = !aliased && !isEmpty(document.contents)
  const data: unknown = readable ? document.toJS({ maxAliasCount: 0 }) : {}
  return { readable, data, faults, used, ...locator(document, text, at) }
}

/** One mistake often makes the parser stumble on: the first of each line is told. */
function syntaxFaults(document: Document.Parsed, text: string, at: (offset: number) => Place): YamlFile['faults'] {
  const told = new Set<number>()
  const faults: YamlFile['faults'] = []
  const lines = text.split('\n')
  for (const { code, pos } of [...document.errors, ...document.warnings]) {
    const place = at(pos[0])
    if (told.has(place.line)) continue
    told.add(place.line)
    const line = lines[place.line - 1] ?? ''
    const before = line.slice(0, Math.max(line.indexOf('${'), 0))
    const quote = /[[{]/.test(before) ? '; inside [ ] and { } put "${NAME}" in quotes' : ''
    faults.push({ ...place, message: `${SYNTAX[code] ?? 'this is no YAML that can be read'}${quote}` })
  }
  return faults
}

function repeatedKeys(map: YAMLMap): number[] {
  const seen = new Set<unknown>()
  return map.items.flatMap(({ key }) => {
    const name = isScalar(key) ? key.value : key
    if (!seen.has(name)) {
      seen.add(name)
      return []
    }
    return isScalar(key) && key.range ? [key.range[0]] : []
  })
}

function replaceVariables(node: Scalar, environment: Environment): { used: string[]; faults: string[] } {
  if (typeof node.value !== 'string' || !node.value.includes('${')) return { used: [], faults: [] }
  const result = substitute(node.value, environment)
  node.value = node.type === 'PLAIN' && result.used.length > 0 ? retype(result.text) : result.text
  return result
}

/** Nothing written at all, which YAML reads as null. */
function isEmpty(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null && (node.source ?? '') === '')
}

function locator(
  document: Document.Parsed,
  text: string,
  at: (offset: number) => Place,
): Pick<YamlFile, 'place' | 'placeOfKey' | 'written'> {
  const startOf = (node: unknown): number | undefined =>
    isScalar(node) || isCollection(node) ? node.range?.[0] : undefined
  const pairOf = (node: unknown, key: PropertyKey) =>
    isMap(node) ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key)) : undefined

  const place = (path: Path): Place => {
    let node: unknown = document.contents
    let offset = startOf(node) ?? 0
    for (const key of path) {
      const pair = pairOf(node, key)
      const next: unknown = isSeq(node) ? node.items[Number(key)] : pair?.value
      offset = (isEmpty(next) || next === undefined ? startOf(pair?.key) : startOf(next)) ?? offset
      if (next === undefined || next === null) break
      node = next
    }
    return at(offset)
  }
  const placeOfKey = (path: Path, key: string): Place => {
    const pair = pairOf(path.length === 0 ? document.contents : document.getIn(path, true), key)
    const offset = startOf(pair?.key)
    return offset === undefined ? place(path) : at(offset)
  }
  const written = (path: Path): string | null => {
    const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true)
    if (!isScalar(node) || !node.range) return null
    const source = text.slice(node.range[0], node.range[1])
    const named = /^["']?\$\{\w+\}["']?$/.test(source)
    if (!named && SECRET_KEYS.has(path.at(-1) ?? '')) return '[secret]'
    const [line = '', ...more] = source.split('\n')
    return line.length > 60 || more.length > 0 ? `${line.slice(0, 60)}…` : line
  }
  return { place, placeOfKey, written }
}
