/**
 * The part of the gate that takes longer than an accept may: DNS lists, asked while TLS is made and judged before the
 * login, and countries that only some users may come from, judged when it is known who comes. The keeper trusts no front
 * with either, so it looks again who is spared.
 */
import type { RuleAt } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import { type Address, isPrivate, parseAddress } from '../base/ip.ts'
import { judgePasses } from '../gate/break-glass.ts'
import { countryDenial } from '../gate/geofence.ts'
import { countryOf } from '../gate/geo-table.ts'
import { judgeNetworks } from '../gate/networks.ts'
import type { CompiledGate } from '../gate/verdict.ts'
import type { DnsblZone } from '../policy/dnsbl.ts'
import { judgeListing, type Dnsbl, type Listing } from './dnsbl.ts'

/** `deny`: a zone lists the address. `unsure`: a zone that must answer did not. `answer` is its word, fit for the audit. */
export type LateVerdict = { say: 'pass' } | { say: 'deny' | 'unsure'; by: RuleAt; answer: string }

/** `would`: zones in monitor mode that would have denied; told once for each connection. */
export type Judged = { verdict: LateVerdict; would: { by: RuleAt; answer: string }[] }

/** A connection: the same object as long as it lasts. */
export type Comer = { facts: { ip: string } }

export type LateGate = {
  /** Starts to ask, so that the answers are there when they are wanted. */
  begin(comer: Comer): void
  /** Judges before a login. Takes as long as the slowest zone may. Never rejects. */
  judge(comer: Comer): Promise<Judged>
  /** The country of an address, where the geofence shuts it out and only `exceptions` can let it in; else null. */
  fenced(ip: string): { country: string | null; by: RuleAt } | null
}

export type LateGateContext = {
  dnsbl: Dnsbl
  clock: Clock
  /** As they are in force now. */
  gate(): CompiledGate
  zones(): readonly DnsblZone[]
}

type Asked = { zone: DnsblZone; listing: Promise<Listing> }[]

/** One for each keeper. What it knows of a connection goes with the connection. */
export function createLateGate({ dnsbl, clock, gate, zones }: LateGateContext): LateGate {
  const asked = new WeakMap<Comer, Asked>()
  const told = new WeakSet<Comer>()
  const begin = (comer: Comer): Asked => {
    const address = parseAddress(comer.facts.ip)
    const spared = address === null || isPrivate(address) || isAllowed(gate(), address, clock.now())
    const asks = spared ? [] : zones().map((zone) => ({ zone, listing: dnsbl.look(zone, address) }))
    asked.set(comer, asks)
    return asks
  }
  return {
    begin(comer) {
      begin(comer)
    },
    async judge(comer) {
      const judged = await judgeAll(asked.get(comer) ?? begin(comer))
      // What failed may work at the next try.
      if (judged.verdict.say === 'unsure') asked.delete(comer)
      if (told.has(comer)) return { ...judged, would: [] }
      told.add(comer)
      return judged
    },
    fenced(ip) {
      const address = parseAddress(ip)
      const { geofence, data } = gate()
      if (geofence?.mode !== 'enforce' || address === null) return null
      const country = countryOf(data.country, address)
      const by = countryDenial(geofence, country)
      return by === null || isAllowed(gate(), address, clock.now()) ? null : { country, by }
    },
  }
}

/** The first zone that denies decides; an unsure one only where none does. */
async function judgeAll(asks: Asked): Promise<Judged> {
  const would: Judged['would'] = []
  let unsure: LateVerdict = { say: 'pass' }
  for (const { zone, listing } of asks) {
    const verdict = judgeListing(zone, await listing)
    if (verdict.say === 'pass') continue
    const { answer } = verdict
    const by = { file: zone.file, line: zone.line, rule: `dnsbl.${zone.zone}` }
    if (zone.mode === 'monitor') would.push({ by, answer })
    else if (verdict.say === 'deny') return { verdict: { say: 'deny', by, answer }, would }
    else if (unsure.say === 'pass') unsure = { say: 'unsure', by, answer }
  }
  return { verdict: unsure, would }
}

/** Break-glass and the allow lists spare an address the rest of the gate. */
function isAllowed({ networks, data }: CompiledGate, address: Address, now: number): boolean {
  if (judgePasses(data.passes, address, now).say === 'admit') return true
  return networks !== null && judgeNetworks(networks, address, now, []).say === 'admit'
}
