/** What the policies on disk would do to an address, check by check. Asks nobody but the resolvers of the zones, counts nothing. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { clean } from '../base/clean.ts'
import { systemClock } from '../base/clock.ts'
import { type Address, contains, isPrivate } from '../base/ip.ts'
import { asnOf, countryOf } from '../gate/geo-table.ts'
import { eachVerdict } from '../gate/gate.ts'
import { countryDenial } from '../gate/geofence.ts'
import type { CompiledGate, Verdict } from '../gate/verdict.ts'
import { livePasses } from '../keeper/break-glass.ts'
import { askResolver, type Ask } from '../keeper/dns-client.ts'
import { createDnsbl, judgeListing } from '../keeper/dnsbl.ts'
import type { RuleAt } from '../audit/events.ts'
import { compilePolicies } from '../policy/compile.ts'
import type { Policies } from '../policy/load.ts'
import { gateOf } from '../policy/reputation.ts'
import { travellersOf } from '../keeper/travel.ts'
import type { PassRow, TravelRow } from '../state/store.ts'
import { fetchedLists } from './feed-lists.ts'
import { readTables } from './tables.ts'

/**
 * One check. `would deny`: a denial that its monitor mode suspends. `off`: the policies leave it out. `spared`: an allow
 * entry above lets the address past it. `later`: judged by what only the running server knows.
 */
export type Step = {
  check: string
  verdict: Verdict['say'] | 'would deny' | 'off' | 'spared' | 'later'
  by?: RuleAt
  /** What the rule's line reads, or what a zone answered. */
  detail?: string
}

export type Explanation = {
  ip: string
  at: string
  private: boolean
  country: string | null
  asn: number | null
  steps: Step[]
  /** `login`: passes, but only to a login that an exception allows, as `by` shuts out its country. */
  gate: { verdict: 'passes' | 'denied' | 'unsure' | 'login'; by: RuleAt | null }
  remarks: string[]
}

export type Question = {
  address: Address
  at: number
  passes: readonly PassRow[]
  travels?: readonly TravelRow[]
  ask?: Ask
}

/** Needs policies without a fault; gives every check in the gate's order, and the verdict of all. */
export async function explainAddress(policies: Policies, question: Question): Promise<Explanation> {
  const { address, at } = question
  const { remarks, country, asn } = await readTables(policies, at)
  const passes = await livePasses({ passes: () => Promise.resolve([...question.passes]) }, at)
  const travellers = travellersOf(question.travels ?? [])
  const reputation = gateOf(policies.reputation, await fetchedLists(policies))
  const gate: CompiledGate = {
    ...compilePolicies(policies, 0).gate,
    reputation,
    data: { country, asn, passes, travellers },
  }
  const early = await earlySteps(policies, gate, question)
  const admitted = early.find(({ verdict }) => verdict === 'admit')
  const late = await zoneSteps(policies, question, admitted !== undefined)
  const rates: Step = policies.postern.checks.includes('rates')
    ? { check: 'rates', verdict: 'later', detail: 'by what comes from there at that moment' }
    : { check: 'rates', verdict: 'off' }
  const steps = [...early, ...late, rates]
  const place = countryOf(country, address)
  return {
    ip: address.text,
    at: new Date(at).toISOString(),
    private: isPrivate(address),
    country: place,
    asn: asnOf(asn, address),
    steps,
    gate: verdictOf(steps, admitted === undefined ? fenceOf(gate, place) : null),
    remarks: remarks.map(({ plan, message }) => policies.tell('geofence.yaml', [plan.feed], message)),
  }
}

function fenceOf({ geofence }: CompiledGate, country: string | null): RuleAt | null {
  return geofence?.mode === 'enforce' ? countryDenial(geofence, country) : null
}

function verdictOf(steps: readonly Step[], fence: RuleAt | null): Explanation['gate'] {
  const ends = steps.find(({ verdict }) => verdict === 'deny' || verdict === 'admit')
  if (ends?.verdict === 'deny') return { verdict: 'denied', by: ends.by ?? null }
  if (ends?.verdict === 'admit') return { verdict: 'passes', by: ends.by ?? null }
  const unsure = steps.find(({ verdict }) => verdict === 'unsure')
  if (unsure !== undefined) return { verdict: 'unsure', by: unsure.by ?? null }
  return fence === null ? { verdict: 'passes', by: null } : { verdict: 'login', by: fence }
}

async function earlySteps(policies: Policies, gate: CompiledGate, { address, at }: Question): Promise<Step[]> {
  const steps: Step[] = []
  let admitted = false
  for (const { check, verdict, would } of eachVerdict(gate, address, at)) {
    const isOff = check !== 'break-glass' && gate[check] === null
    const spared = admitted && verdict.say !== 'pass'
    for (const by of would) steps.push({ check, verdict: 'would deny', by, ...(await entryAt(policies, by)) })
    if (isOff) steps.push({ check, verdict: 'off' })
    else if (verdict.say === 'pass') steps.push({ check, verdict: 'pass' })
    else {
      const said = check === 'break-glass' ? passWords(gate, address, at) : await entryAt(policies, verdict.by)
      steps.push({ check, verdict: spared ? 'spared' : verdict.say, by: verdict.by, ...said })
    }
    admitted ||= verdict.say === 'admit'
  }
  return steps
}

function passWords({ data }: CompiledGate, address: Address, at: number): { detail: string } {
  const pass = data.passes.find(({ range, until }) => at < until && contains(range, address))
  return {
    detail: pass === undefined ? '' : `${pass.range.text} until ${new Date(pass.until).toISOString()}: ${pass.reason}`,
  }
}

/** The line of a policy or list file that decided. */
async function entryAt({ folder }: Policies, { file, line }: RuleAt): Promise<{ detail?: string }> {
  const lines = await readFile(resolve(folder, file), 'utf8').then(
    (text) => text.split('\n'),
    () => [],
  )
  const text = lines[line - 1]?.trim() ?? ''
  return text === '' ? {} : { detail: clean(text, 120) }
}

async function zoneSteps(
  { dnsbl }: Policies,
  { address, ask = askResolver }: Question,
  spared: boolean,
): Promise<Step[]> {
  const { look } = createDnsbl(ask, systemClock)
  return Promise.all(
    dnsbl.map(async (zone): Promise<Step> => {
      const check = `dnsbl.${zone.zone}`
      const by = { file: zone.file, line: zone.line, rule: check }
      if (spared) return { check, verdict: 'spared', by }
      if (isPrivate(address)) return { check, verdict: 'pass', detail: 'private addresses are not asked for' }
      const listing = await look(zone, address)
      const verdict = judgeListing(zone, listing)
      const detail =
        listing.say === 'listed'
          ? `answers ${listing.answers.map(({ text }) => text).join(' ')}`
          : listing.say === 'error'
            ? listing.reason
            : 'not listed'
      if (verdict.say === 'pass') return { check, verdict: 'pass', detail }
      return { check, verdict: zone.mode === 'monitor' ? 'would deny' : verdict.say, by, detail }
    }),
  )
}
