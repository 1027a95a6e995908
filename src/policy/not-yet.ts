/** What the contract has a place for and this version does not do. Building one of these deletes its row. */
import type { Path } from './yaml-file.ts'

export type PolicyName =
  'postern.yaml' | 'login.yaml' | 'networks.yaml' | 'reputation.yaml' | 'geofence.yaml' | 'rates.yaml'

/**
 * `at`: the key, `*` for each item of a list. `built`: the values that work today, as they are written; an empty list
 * means that the key must not stand there at all.
 */
type Row = { file: PolicyName; at: string; built: readonly unknown[] }

const ROWS: readonly Row[] = [
  { file: 'postern.yaml', at: 'state.store', built: ['sqlite'] },
  { file: 'reputation.yaml', at: 'crowdsec', built: [null] },
]

/** `whole`: the key must not stand there at all. The message is the end of a sentence. */
export type Missing = { path: Path; whole: boolean; message: string }

/** Needs a policy file's name and its data as written; gives all in it that is not built. */
export function notYet(file: PolicyName, data: unknown): Missing[] {
  return ROWS.filter((row) => row.file === file).flatMap((row) =>
    placesOf(data, row.at.split('.'), [])
      .filter(({ value }) => !row.built.some((built) => isSame(built, value)))
      .map(({ path }) => ({
        path,
        whole: row.built.length === 0,
        message: `is not in this version yet; ${instead(row.built)}`,
      })),
  )
}

function placesOf(value: unknown, keys: readonly string[], path: Path): { path: Path; value: unknown }[] {
  const [key, ...rest] = keys
  if (key === undefined) return [{ path, value }]
  if (typeof value !== 'object' || value === null) return []
  if (key === '*') {
    return Array.isArray(value) ? value.flatMap((item: unknown, i) => placesOf(item, rest, [...path, i])) : []
  }
  return Object.hasOwn(value, key) ? placesOf((value as Record<string, unknown>)[key], rest, [...path, key]) : []
}

/** `off` and false are one. */
function isSame(built: unknown, value: unknown): boolean {
  const plain = value === false ? 'off' : value === true ? 'on' : value
  return JSON.stringify(built) === JSON.stringify(plain)
}

function instead(built: readonly unknown[]): string {
  if (built.length === 0) return 'leave it out'
  return `write ${built.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' or ')}`
}
