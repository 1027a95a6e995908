import type { RuleAt } from '../audit/events.ts'
import type { Address } from '../base/ip.ts'
import { asnOf, countryOf } from './geo-table.ts'
import { type CompiledGeofence, type GateData, PASS, type Traveller, type Verdict } from './verdict.ts'

/**
 * The check of geofence.yaml. Needs its rules, the databases, the address and the moment; gives `deny` for a country or an
 * autonomous system that may not come in, else a pass. A country that `exceptions` of login.yaml or a journey names passes,
 * to be judged at login. In monitor mode a denial is added to `would` instead.
 */
export function judgeGeofence(
  fence: CompiledGeofence,
  data: GateData,
  address: Address,
  now: number,
  would: RuleAt[],
): Verdict {
  const country = countryOf(data.country, address)
  const isExpected = (one: Traveller) => one.country === country && now < one.until
  const expected = fence.travellers.some(isExpected) || data.travellers.some(isExpected)
  for (const by of [expected ? null : countryDenial(fence, country), asnDenial(fence, data, address)]) {
    if (by === null) continue
    if (fence.mode === 'enforce') return { say: 'deny', by }
    would.push(by)
  }
  return PASS
}

/** Gives the rule that shuts out a country (null: not known), exceptions left aside; null when none does. */
export function countryDenial(fence: CompiledGeofence, country: string | null): RuleAt | null {
  const line = deniedAt(fence, country)
  return line === null ? null : { file: fence.file, line, rule: 'geofence.country' }
}

function deniedAt({ deny, allow, unknown }: CompiledGeofence, country: string | null): number | null {
  if (country === null) return unknown.say === 'deny' ? unknown.line : null
  const denied = deny.get(country)
  if (denied !== undefined) return denied
  return allow === null || allow.countries.has(country) ? null : allow.line
}

/** An address whose system is not known is in no list of systems: there is nothing but `deny`. */
function asnDenial({ asns, file }: CompiledGeofence, data: GateData, address: Address): RuleAt | null {
  const asn = asns.size === 0 ? null : asnOf(data.asn, address)
  const line = asn === null ? undefined : asns.get(asn)
  return line === undefined ? null : { file, line, rule: 'geofence.asn' }
}
