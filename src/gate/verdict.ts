import type { RuleAt } from '../audit/events.ts'
import type { Range } from '../base/ip.ts'

/**
 * What a check says of a connection. `unsure` is a fact of its own (a store is down, a zone is silent);
 * the check's policy states what it means then. `admit` ends the walk with a pass (an allow entry).
 */
export type Verdict =
  { say: 'pass' } | { say: 'admit'; by: RuleAt } | { say: 'deny'; by: RuleAt } | { say: 'unsure'; by: RuleAt }

export const PASS: Verdict = { say: 'pass' }

/**
 * One list compiled for lookup: ranges sorted by start, none overlapping, in typed arrays that travel to the fronts as they are.
 * IPv6 keys are four 32-bit words each. Each range names the place of its narrowest entry.
 */
export type CompiledList = {
  v4From: Uint32Array
  v4To: Uint32Array
  v4Place: Uint32Array
  /** How many IPv4 ranges start before each /16, and in all: 65,537 figures. Empty for short lists. */
  v4Index: Uint32Array
  v6From: Uint32Array
  v6To: Uint32Array
  v6Place: Uint32Array
  /** Per place: index into `files`, line, and until when it counts (ms since 1970, Infinity for ever). */
  placeFile: Uint16Array
  placeLine: Uint32Array
  placeUntil: Float64Array
  /** Per place: the place that counts once this one has run out (a wider entry that lives longer), or -1. */
  placeNext: Int32Array
  files: string[]
}

/** A feed of reputation.yaml. `list` is null as long as its server has never given one; `onError` says what that means. */
export type CompiledFeed = {
  name: string
  mode: 'enforce' | 'monitor'
  onError: 'allow' | 'deny'
  /** Where the feed stands in reputation.yaml. */
  at: { file: string; line: number }
  list: CompiledList | null
}

/** `connections`: so many at once, made good evenly within `per` milliseconds. `concurrent`: connections that have not logged in. */
export type RateLimit = { connections: { count: number; per: number }; concurrent: number; by: RuleAt }

/** rates.yaml as the keeper has it: it alone sees the connections of all fronts. */
export type CompiledRates = {
  mode: 'enforce' | 'monitor'
  perAddress: RateLimit
  perNetwork: RateLimit
  /** Prefix lengths of a network. */
  network: { ipv4: number; ipv6: number }
  knownFactor: number
}
/**
 * A database of countries or of AS numbers, compiled for lookup: the starts of its ranges, sorted; each reaches up to the
 * next one. IPv6 starts are four 32-bit words each. The value 0 is not known; a country is its two letters as one number.
 */
export type GeoTable = { v4From: Uint32Array; v4Value: Uint32Array; v6From: Uint32Array; v6Value: Uint32Array }

/** geofence.yaml. Lines are those of the rule that would decide. */
export type CompiledGeofence = {
  mode: 'enforce' | 'monitor'
  /** Relative to the policy folder. */
  file: string
  /** Denied country, denied AS number: the line. */
  deny: ReadonlyMap<string, number>
  asns: ReadonlyMap<number, number>
  /** Null: whoever is not denied passes. */
  allow: { countries: ReadonlySet<string>; line: number } | null
  unknown: { say: 'allow' | 'deny'; line: number }
  /** `exceptions` of login.yaml: countries that pass, until when (ms since 1970), to be judged at login. */
  travellers: readonly Traveller[]
}

/** A country that passes the gate until then (ms since 1970), to be judged at login. */
export type Traveller = { country: string; until: number }

/** Break-glass: a network that passes the gate for a while. `until`: ms since 1970. */
export type Pass = { range: Range; until: number; reason: string }

/** What changes while the policies stay, and so reaches the fronts by itself. A database that is not wanted is null. */
export type GateData = {
  country: GeoTable | null
  asn: GeoTable | null
  passes: readonly Pass[]
  travellers: readonly Traveller[]
}

/** What of it an operator changes by command. Databases go with the snapshot. */
export type Commanded = Pick<GateData, 'passes' | 'travellers'>

/** Before anything is known. */
export const NO_DATA: GateData = { country: null, asn: null, passes: [], travellers: [] }

/** The gate as the fronts get it. A check that is off is null. */
export type CompiledGate = {
  networks: { mode: 'enforce' | 'monitor'; allow: CompiledList; deny: CompiledList } | null
  reputation: { mode: 'enforce' | 'monitor'; feeds: CompiledFeed[] } | null
  geofence: CompiledGeofence | null
  data: GateData
}
