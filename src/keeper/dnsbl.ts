/** Asks zones of DNS whether they list an address (RFC 5782). What one says is remembered, also that it says nothing. */
import type { Clock } from '../base/clock.ts'
import { type Address, contains } from '../base/ip.ts'
import {
  DNSBL_CACHE_MAX,
  DNSBL_ERROR_CACHE_MS,
  DNSBL_FAILURES_LEAST,
  DNSBL_IN_FLIGHT_MAX,
} from '../base/gate-limits.ts'
import { isErrorAnswer, type DnsblZone } from '../policy/dnsbl.ts'
import type { Ask } from './dns-client.ts'

/** What a zone says of an address. `error`: nothing, and why; never taken for a listing nor for its absence. */
export type Listing = { say: 'listed'; answers: Address[] } | { say: 'clear' } | { say: 'error'; reason: string }

export type Dnsbl = {
  /** Resolves within the zone's timeout. Never rejects. */
  look(zone: DnsblZone, address: Address): Promise<Listing>
  /** What is wrong with a zone that keeps failing; null while it answers, and as long as nobody asked. */
  fault(zone: DnsblZone): string | null
}

/** Told when a zone begins to fail, and with null when it answers again. */
type Report = (zone: string, fault: string | null) => void

/** Needs a way to ask and a clock. One for each keeper: a question that is under way is not asked twice. */
export function createDnsbl(ask: Ask, clock: Clock, report: Report = () => undefined): Dnsbl {
  const known = new Map<string, { listing: Listing; until: number }>()
  const underWay = new Map<string, Promise<Listing>>()

  const keep = (key: string, listing: Listing, ms: number) => {
    known.delete(key)
    if (ms <= 0) return
    const [oldest] = known.keys()
    if (known.size >= DNSBL_CACHE_MAX && oldest !== undefined) known.delete(oldest)
    known.set(key, { listing, until: clock.monotonic() + ms })
  }
  const failures = new Map<string, { times: number; reason: string }>()
  const note = (zone: string, listing: Listing) => {
    const times = failures.get(zone)?.times ?? 0
    if (listing.say === 'error') failures.set(zone, { times: times + 1, reason: listing.reason })
    else failures.delete(zone)
    if (listing.say === 'error' && times + 1 === DNSBL_FAILURES_LEAST) report(zone, listing.reason)
    if (listing.say !== 'error' && times >= DNSBL_FAILURES_LEAST) report(zone, null)
  }
  const asked = async (key: string, { zone, resolver, timeout, cache }: DnsblZone, address: Address) => {
    const answer = await ask(resolver, `${reversed(address)}.${zone}`, timeout)
    const listing = listingOf(answer)
    keep(key, listing, listing.say === 'error' ? Math.min(cache, DNSBL_ERROR_CACHE_MS) : cache)
    underWay.delete(key)
    note(zone, listing)
    return listing
  }
  return {
    look(zone, address) {
      const key = `${zone.resolver.host} ${zone.resolver.port} ${zone.zone} ${address.text}`
      const found = known.get(key)
      if (found !== undefined && clock.monotonic() < found.until) return Promise.resolve(found.listing)
      const standing = underWay.get(key)
      if (standing !== undefined) return standing
      if (underWay.size >= DNSBL_IN_FLIGHT_MAX)
        return Promise.resolve({ say: 'error', reason: 'too many questions are under way' })
      const asking = asked(key, zone, address)
      underWay.set(key, asking)
      return asking
    },
    fault({ zone }) {
      const found = failures.get(zone)
      return found !== undefined && found.times >= DNSBL_FAILURES_LEAST ? found.reason : null
    },
  }
}

function listingOf(answer: Awaited<ReturnType<Ask>>): Listing {
  if (answer.say === 'none') return { say: 'clear' }
  if (answer.say === 'failed') return { say: 'error', reason: answer.reason }
  const wrong = answer.addresses.find(isErrorAnswer)
  if (wrong === undefined) return { say: 'listed', answers: answer.addresses }
  return { say: 'error', reason: `the zone answers ${wrong.text}, which lists nothing` }
}

/** Gives the name under which a zone has an address: its octets, or its nibbles, the last one first (RFC 5782, 2.1 and 2.4). */
export function reversed({ family, words }: Address): string {
  const hex = words.map((word) => word.toString(16).padStart(8, '0')).join('')
  if (family === 6) return [...hex].toReversed().join('.')
  return (hex.match(/../g) ?? [])
    .map((octet) => Number.parseInt(octet, 16))
    .toReversed()
    .join('.')
}

/** What a listing means by the policy of its zone. `answer` is what was listed, or why nobody knows. */
export type ZoneVerdict = { say: 'pass' } | { say: 'deny' | 'unsure'; answer: string }

/** Needs the zone's policy and what it said. A listing that `deny_on` does not name passes; so does an error with `on_error: allow`. */
export function judgeListing({ denyOn, onError }: DnsblZone, listing: Listing): ZoneVerdict {
  if (listing.say === 'clear') return { say: 'pass' }
  if (listing.say === 'error') return onError === 'allow' ? { say: 'pass' } : { say: 'unsure', answer: listing.reason }
  const hit = listing.answers.find((answer) => denyOn.some((range) => contains(range, answer)))
  return hit === undefined ? { say: 'pass' } : { say: 'deny', answer: hit.text }
}
