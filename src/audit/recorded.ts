/** An audit line, read back. Files may have been altered by anyone: what does not fit its type counts as absent. */
import type { RuleAt } from './events.ts'

/** Times are milliseconds since 1970. A field that the line does not have, or has in another form, is undefined. */
export type Recorded = {
  at: number
  stream: string
  action: string
  reason: string | undefined
  /** How often it happened: 1 for most lines. */
  count: number
  /** On a line that sums several: where they came from. */
  network: string | undefined
  user: string | undefined
  ip: string | undefined
  country: string | undefined
  listener: string | undefined
  session: string | undefined
  /** When the connection got its place. */
  connected: number | undefined
  tlsVersion: string | undefined
  ja4: string | undefined
  /** What became of the client's certificate: `good`, or OpenSSL's word for why it is none. */
  certificate: string | undefined
  rule: RuleAt | undefined
  factor: string | undefined
  durationMs: number | undefined
  /** All that stands under `postern`. */
  detail: Fields
}

type Fields = Readonly<Record<string, unknown>>

/** The length of `{"@timestamp":"`, and of the time behind it: every line begins so. */
const TIME_FROM = 15
const TIME_TO = TIME_FROM + 24
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Gives the time of a line as text, which sorts as time does; null when it does not begin as ours do. Parses nothing. */
export function timeOf(line: Buffer): string | null {
  const text = line.toString('latin1', TIME_FROM, TIME_TO)
  return TIME.test(text) ? text : null
}

const SEQ = /"chain":\{"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\}$/
const SEQ_MAX = 256

/** Where a line says that it stands in its chain. Nothing is proven here: that is what `audit verify` does. */
export type Place = { seq: number; prev: string; hash: string }

/** Gives the place in the chain that a line claims, or null. */
export function placeOf(line: Buffer): Place | null {
  const tail = line.toString('latin1', Math.max(0, line.length - SEQ_MAX))
  const [, seq, prev, hash] = SEQ.exec(tail) ?? []
  return seq === undefined || prev === undefined || hash === undefined ? null : { seq: Number(seq), prev, hash }
}

/** Gives what a line says, or null when it is no line of ours. */
export function readRecord(line: Buffer): Recorded | null {
  const data = parsed(line)
  if (data === null) return null
  const event = fields(data['event'])
  const at = Date.parse(text(data['@timestamp']) ?? '')
  const action = text(event['action'])
  if (Number.isNaN(at) || action === undefined) return null
  const source = fields(data['source'])
  const detail = fields(data['postern'])
  const tls = fields(data['tls'])
  const count = number(event['count'])
  const nanoseconds = number(event['duration'])
  const connected = Date.parse(text(detail['connected']) ?? '')
  return {
    at,
    stream: (text(event['dataset']) ?? '').replace(/^postern\./, ''),
    action,
    reason: text(event['reason']),
    count: count !== undefined && count > 0 ? count : 1,
    network: text(detail['network']),
    user: text(fields(data['user'])['name']),
    ip: text(source['ip']),
    country: text(fields(source['geo'])['country_iso_code']),
    listener: text(detail['listener']),
    session: text(fields(data['session'])['id']),
    connected: Number.isNaN(connected) ? undefined : connected,
    tlsVersion: text(tls['version']),
    ja4: text(fields(tls['client'])['ja4']),
    certificate: text(fields(tls['client'])['certificate_verdict']),
    rule: ruleOf(data, detail),
    factor: text(detail['factor']),
    durationMs: nanoseconds === undefined ? undefined : nanoseconds / 1e6,
    detail,
  }
}

/** Gives a value when it is a text. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Gives a value when it is a number that can be counted with. */
export function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** Gives a value when it is an object, else an empty one. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function parsed(line: Buffer): Fields | null {
  try {
    const data: unknown = JSON.parse(line.toString())
    return typeof data === 'object' && data !== null ? (data as Fields) : null
  } catch {
    return null
  }
}

function ruleOf(data: Fields, detail: Fields): RuleAt | undefined {
  const rule = text(fields(data['rule'])['name'])
  if (rule === undefined) return undefined
  const place = fields(detail['rule'])
  return { file: text(place['file']) ?? '', line: number(place['line']) ?? 0, rule }
}
