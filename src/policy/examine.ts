/** Holds one policy file against its schema, and turns what does not fit into faults with their places. */
import type { z } from 'zod'
import type { Finding } from './findings.ts'
import { nearest } from './nearest.ts'
import { notYet, type PolicyName } from './not-yet.ts'
import type { Path, YamlFile } from './yaml-file.ts'

/** What a schema made of a file: null when too little of it could be read. */
export type Examined<T> = { value: T | null; faults: Finding[] }

type Issue = z.core.$ZodIssue

/**
 * Needs a file that was read, its kind, the name to print, and its schema. Unknown keys are faults; all else is then
 * examined as if they were not there, so that one slip does not hide the next.
 */
export function examine<T>(file: YamlFile, kind: PolicyName, shown: string, schema: z.ZodType<T>): Examined<T> {
  const faults: Finding[] = file.faults.map((fault) => ({ file: shown, ...fault }))
  if (!file.readable) return { value: null, faults }
  const told = new Set(file.faults.map(({ line, column }) => `${line}:${column}`))
  const add = (path: Path, message: string, place = file.place(path)) => {
    // Once is enough: of a variable that is not set, or of a value that does not fit and is not built either.
    const name = path.map(String).join(' ')
    if (told.has(name) || told.has(`${place.line}:${place.column}`)) return
    told.add(name)
    faults.push({ file: shown, ...place, message })
  }
  const first = schema.safeParse(file.data, { error: wording })
  const issues = first.success ? [] : first.error.issues
  const missing = notYet(kind, file.data)
  for (const issue of issues) {
    // Of a key that is not built at all, no value can be right.
    if (missing.some(({ path, whole }) => whole && path.every((key, i) => issue.path[i] === key))) continue
    if (issue.code !== 'unrecognized_keys') add(issue.path, sentence(file, issue.path, issue.message))
    else
      for (const { key, message } of unknownKeys(issue))
        add([...issue.path, key], message, file.placeOfKey(issue.path, key))
  }
  for (const { path, message } of missing) add(path, sentence(file, path, message))
  if (first.success) return { value: first.data, faults }
  const second = schema.safeParse(without(file.data, issues))
  return { value: second.success ? second.data : null, faults }
}

/** `limits.idle_time: 12` has no unit; … */
export function sentence(file: YamlFile, path: Path, message: string): string {
  if (path.length === 0) return `the file ${message}`
  const name = keyName(path)
  const written = file.written(path)
  return written === null || written === '' ? `\`${name}\` ${message}` : `\`${name}: ${written}\` ${message}`
}

/** Gives a path as an operator would name it: `limits.idle_time`, `rules[0].users`. */
export function keyName(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
}

function unknownKeys(issue: Extract<Issue, { code: 'unrecognized_keys' }>): { key: string; message: string }[] {
  const known = issue.message.split(' ')
  return issue.keys.map((key) => {
    const near = nearest(key, known)
    const help = near === null ? `known here: ${known.join(', ')}` : `did you mean ${near}?`
    return { key, message: `unknown key \`${shortened(key)}\`; ${help}` }
  })
}

function shortened(key: string): string {
  return key.length > 60 ? `${key.slice(0, 60)}…` : key
}

/** The words for what no schema of ours has words for. */
function wording(issue: z.core.$ZodRawIssue): string {
  if (issue.code !== 'invalid_type') return issue.message ?? 'does not fit'
  if (issue.input === undefined) return 'is missing'
  if (issue.input === null) return 'is empty; give it a value or leave the key out'
  return issue.expected === 'array'
    ? 'is no list; write [one, two], or a dash and an item a line'
    : 'is no section of keys'
}

/** The data without the keys that nobody knows. */
function without(data: unknown, issues: readonly Issue[]): unknown {
  const copy: unknown = structuredClone(data)
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue
    let section: unknown = copy
    for (const key of issue.path) section = (section as Record<PropertyKey, unknown>)[key]
    for (const key of issue.keys) Reflect.deleteProperty(section as object, key)
  }
  return copy
}
