/** Follows the seals of one stream: each must hold, and none may be missing between two that stand. */
import { AUDIT_UNSEALED_MAX_MS } from '../base/audit-limits.ts'
import type { Link } from './chain.ts'
import type { Beginnings, Seal, Stream } from './events.ts'
import { NO_CERTIFICATE, type SealCheck } from './seal-proof.ts'

type Place = { path: string; line: number }
type Fault = { kind: 'forged-seal' | 'recomputed' | 'cut-tail' | 'replayed' | 'unknown-version'; detail: string }

export type SealWatch = {
  readonly isProving: boolean
  /** Needs a line whose chain was proven. Gives what is wrong with it when it is a seal, or null. */
  take(line: Buffer, link: Link, place: Place, removed?: (begins: Beginnings) => void): Fault | null
  endsInSeal(): boolean
  /** The last line that is sealed. */
  sealed(): { seq: number; at: string } | null
  /** The first line that should have been sealed by now, or null. */
  late(): { place: Place; detail: string } | null
}

/** What the audit says of itself; a quote inside a value is escaped, so no value can pose as this. */
const OF_AUDIT = Buffer.from('"action":"audit-')
const TIME = /^\{"@timestamp":"([^"]{20,30})"/

type Told = {
  '@timestamp': string
  event: { action: string; dataset: string }
  postern: { seal?: Seal; begins?: Beginnings }
}

/**
 * `check` null: seals are not proven. `fromStart`: the stream is read from its first line, so its first seal must be the first.
 * `isPart`: the certificate of its first seals may stand before what is read; these seals prove nothing then.
 */
export function createSealWatch(check: SealCheck | null, fromStart: boolean, isPart = false): SealWatch {
  const intervals = new Map<string, number>()
  let sealed: { seq: number; at: string } | null = null
  let open: { place: Place; at: number } | null = null
  let last: Buffer | null = null
  let onSeal = false

  const judge = ({ '@timestamp': at, event, postern: { seal } }: Told, link: Link): Fault | null => {
    if (seal === undefined || check === null) return null
    const stream = event.dataset.slice('postern.'.length) as Stream
    const said = check(seal, { stream, seq: link.seq, prev: link.prev, at })
    if (said === NO_CERTIFICATE && isPart) {
      open = null
      return null
    }
    if (said !== null) return faultOf(said, sealed?.seq ?? null, link.seq)
    const before = intervals.get(seal.anchor) ?? (fromStart ? -1 : seal.interval - 1)
    if (seal.interval < before)
      return { kind: 'replayed', detail: `this seal is of interval ${seal.interval}, and ${before} was there already` }
    if (seal.interval > before + 1) {
      const gone = `the seals of the intervals ${before + 1} to ${seal.interval - 1} are gone, with the lines before them`
      return { kind: 'cut-tail', detail: gone }
    }
    intervals.set(seal.anchor, seal.interval)
    sealed = { seq: link.seq, at }
    open = null
    onSeal = true
    return null
  }

  return {
    isProving: check !== null,
    take(line, link, place, removed) {
      onSeal = false
      last = line
      open ??= { place, at: timeOf(line) }
      if (!line.includes(OF_AUDIT)) return null
      const told = toldBy(line)
      if (told === null) return { kind: 'forged-seal', detail: 'this line poses as one that the audit says of itself' }
      if (told.event.action === 'audit-removed' && told.postern.begins !== undefined) removed?.(told.postern.begins)
      return told.event.action === 'audit-sealed' ? judge(told, link) : null
    },
    endsInSeal: () => onSeal,
    sealed: () => sealed,
    late() {
      const late = open === null || last === null || check === null ? 0 : timeOf(last) - open.at
      if (open === null || late <= AUDIT_UNSEALED_MAX_MS) return null
      const minutes = Math.round(late / 60_000)
      return { place: open.place, detail: `from here on nothing is sealed, for ${minutes} minutes of lines` }
    },
  }
}

/** Whoever makes a line with a hash that fits may write anything into it. */
function toldBy(line: Buffer): Told | null {
  try {
    const told = JSON.parse(line.toString()) as { [K in keyof Told]?: Partial<Told[K]> | null }
    const { event, postern } = told
    const whole = typeof event?.action === 'string' && typeof event.dataset === 'string' && postern instanceof Object
    const seal: unknown = postern?.seal ?? undefined
    const sealed = event?.action !== 'audit-sealed' || seal instanceof Object
    return whole && sealed && typeof told['@timestamp'] === 'string' ? (told as Told) : null
  } catch {
    return null
  }
}

function timeOf(line: Buffer): number {
  return Date.parse(TIME.exec(line.toString('latin1', 0, 64))?.[1] ?? '')
}

function faultOf(said: string, sealed: number | null, seq: number): Fault {
  const detail = `this seal ${said}`
  if (said.includes('unknown version')) return { kind: 'unknown-version', detail }
  if (!said.startsWith('was not made for')) return { kind: 'forged-seal', detail }
  const from = (sealed ?? 0) + 1
  return { kind: 'recomputed', detail: `${detail}: numbers ${from} to ${seq - 1} were written anew, or some of them` }
}
