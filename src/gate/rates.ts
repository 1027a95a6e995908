/**
 * The check of rates.yaml: how often one address and one network may connect, and how many of their connections may wait for a login.
 * It runs in the keeper, which alone sees the connections of all fronts: what it counts, no front can exceed.
 */
import { RATE_KEYS_MAX } from '../base/gate-limits.ts'
import type { CompiledRates, RateLimit } from './verdict.ts'
import type { RuleAt } from '../audit/events.ts'

/** Who asks for a place. `waiting`: how many connections of its address, and of its network, have not logged in. */
export type Applicant = {
  ip: string
  network: string
  /** A login was proven from this address lately: `known_factor` counts. */
  known: boolean
  waiting: { here: number; there: number }
}

/** `afterMs`: so long it will be denied again, whatever comes; 0 where that cannot be told. */
export type RateVerdict = { say: 'pass' } | { say: 'deny'; by: RuleAt; afterMs: number }

export type Rates = {
  /** Needs who asks, and the time (monotonic ms). Gives `pass` and counts the connection, or `deny` and counts nothing. */
  judge(policy: CompiledRates, who: Applicant, now: number): RateVerdict
}

/** Gives rates that have seen nobody. */
export function createRates(): Rates {
  const addresses = createBuckets()
  const networks = createBuckets()
  return {
    judge({ perAddress, perNetwork, knownFactor }, { ip, network, known, waiting }, now) {
      const factor = known ? knownFactor : 1
      const address = { key: ip, limit: perAddress, waiting: waiting.here, buckets: addresses }
      const whole = { key: network, limit: perNetwork, waiting: waiting.there, buckets: networks }
      for (const { key, limit, waiting, buckets } of [address, whole]) {
        const afterMs = buckets.fullFor(key, perMs(limit, factor), now)
        if (afterMs > 0 || waiting >= limit.concurrent * factor) return { say: 'deny', by: limit.by, afterMs }
      }
      for (const { key, limit, buckets } of [address, whole]) buckets.take(key, perMs(limit, factor), now)
      return { say: 'pass' }
    },
  }
}

/** A rate as a bucket has it: it holds what flows in within `per`, one each `every` ms. */
type Flow = { every: number; per: number }

function perMs({ connections: { count, per } }: RateLimit, factor: number): Flow {
  return { every: per / (count * factor), per }
}

type Buckets = {
  /** How long there will be no room yet; 0 when there is. */
  fullFor(key: string, flow: Flow, now: number): number
  take(key: string, flow: Flow, now: number): void
}

/** What adding up fractions of a millisecond may be off by. */
const SLACK_MS = 1e-6

/**
 * One number a key: the moment at which its bucket will be full again, which says all (the generic cell rate algorithm).
 * ATTACK: a stranger with a /8 of addresses fills the table. Two generations of half the ceiling each: who was not seen for a whole
 * generation is forgotten, at no cost, and who is busy is always kept. To be forgotten, one has to be slow.
 */
function createBuckets(): Buckets {
  let young = new Map<string, number>()
  let old = new Map<string, number>()
  const fullAt = (key: string, now: number) => Math.max(young.get(key) ?? old.get(key) ?? now, now)
  const keep = (key: string, at: number) => {
    young.set(key, at)
    if (young.size < RATE_KEYS_MAX / 2) return
    old = young
    young = new Map()
  }
  return {
    fullFor(key, { every, per }, now) {
      const at = fullAt(key, now)
      const ms = at + every - now - per
      if (ms <= SLACK_MS) return 0
      // Who is turned away keeps its place in the table, or turning away would in the end let in.
      if (!young.has(key)) keep(key, at)
      return ms
    },
    take(key, { every }, now) {
      keep(key, fullAt(key, now) + every)
    },
  }
}
