/** Which lines of the audit somebody asks for. A cheap look at the bytes comes first: most lines of a large stream are not parsed. */
import { clean } from '../base/clean.ts'
import { contains, parseAddress, parseRange, type Range } from '../base/ip.ts'
import { CLEAN_USER_MAX } from '../base/limits.ts'
import { readRecord, timeOf, type Recorded } from './recorded.ts'

/** Each null or absent one asks for nothing. Times are milliseconds since 1970; `until` itself is out. */
export type Wanted = {
  user?: string | undefined
  network?: Range | undefined
  ja4?: string | undefined
  since?: number | null
  until?: number | null
  /** Leaves the signatures over the stream out: nothing for people is in them. */
  withoutSeals?: boolean
}

/** A quote inside a value is escaped, so no value can pose as this. */
const SEAL = Buffer.from('"action":"audit-sealed"')

/** Gives what tells whether a line is asked for. A line that sums many is, when the network it speaks of touches the one asked for. */
export function createFilter({
  user,
  network,
  ja4,
  since = null,
  until = null,
  withoutSeals = false,
}: Wanted): (line: Buffer) => boolean {
  const from = since === null ? '' : new Date(since).toISOString()
  const to = until === null ? '~' : new Date(until).toISOString()
  const names = user === undefined ? [] : spellingsOf(user)
  const hints = names.map((name) => Buffer.from(`"name":${JSON.stringify(name)}`))
  const print = ja4 === undefined ? null : Buffer.from(`"ja4":${JSON.stringify(ja4)}`)
  const timed = since !== null || until !== null
  const anybody = hints.length === 0 && print === null && network === undefined
  return (line) => {
    if (timed) {
      const time = timeOf(line)
      // What is no line of ours is somebody's doing, and worth a look at any time.
      if (time === null) return anybody
      if (time < from || time >= to) return false
    }
    if (withoutSeals && line.includes(SEAL)) return false
    if (hints.length > 0 && !hints.some((hint) => line.includes(hint))) return false
    if (print !== null && !line.includes(print)) return false
    if (anybody) return true
    const record = readRecord(line)
    if (record === null) return false
    if (names.length > 0 && !names.includes(record.user ?? '')) return false
    if (ja4 !== undefined && record.ja4 !== ja4) return false
    return network === undefined || touches(record, network)
  }
}

/** As the audit has names: the canonical form is in lower case, and one that nobody has stands as it was typed. */
function spellingsOf(user: string): string[] {
  const typed = clean(user, CLEAN_USER_MAX)
  return [...new Set([typed, typed.toLowerCase()])]
}

function touches({ ip, network }: Recorded, wanted: Range): boolean {
  const address = parseAddress(ip ?? '')
  if (address !== null && contains(wanted, address)) return true
  const summed = network === undefined ? null : parseRange(network)
  const first = parseAddress(wanted.text.split(/[/-]/)[0] ?? '')
  return summed?.ok === true && first !== null && contains(summed.value, first)
}
