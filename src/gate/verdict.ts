import type { RuleAt } from '../audit/events.ts'

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

/** The gate as the fronts get it. A check that is off is null. */
export type CompiledGate = {
  networks: { mode: 'enforce' | 'monitor'; allow: CompiledList; deny: CompiledList } | null
}
