/** A candidate policy folder, asked what it would have done: through the very code that a server judges with, at the recorded times. */
import type { AuditEvent, RuleAt } from '../audit/events.ts'
import type { Listed, Visit } from '../audit/visits.ts'
import { createHeap } from '../base/heap.ts'
import { parseAddress, parseRange } from '../base/ip.ts'
import { earlyVerdict } from '../gate/gate.ts'
import { countryOf } from '../gate/geo-table.ts'
import type { CompiledGate, CompiledRates, Pass } from '../gate/verdict.ts'
import { createAdmission } from '../keeper/admission.ts'
import { createDnsbl, judgeListing } from '../keeper/dnsbl.ts'
import { createKnown } from '../keeper/known.ts'
import { createLateGate } from '../keeper/late-gate.ts'
import type { LoginPolicy } from '../keeper/login-policy.ts'
import { sessionTable } from '../keeper/sessions.ts'
import type { DnsblZone } from '../policy/dnsbl.ts'
import { rulingOn, type Places } from './replay-login.ts'

/** A pass of `postern allow`, as the audit has it. `until` null: it was ended then. */
export type PassEvent = { at: number; network: string; until: number | null; reason: string }

export type CandidateParts = {
  gate: CompiledGate
  /** Null where `checks` does not name rates. */
  rates: CompiledRates | null
  zones: readonly DnsblZone[]
  login: LoginPolicy
  places: Places
  /** In the order of their times. */
  passes: readonly PassEvent[]
}

/**
 * `gate`: what turns the connection away, or null. `tries`: what refuses each login, in the order of the visit's. `listed`: the zones that
 * count now of those that had the address. `unsure`: a sum, whose rates cannot be told.
 */
export type Judged = {
  gate: RuleAt | null
  unsure: boolean
  tries: (RuleAt | null)[]
  listed: { was: Listed; now: RuleAt | null }[]
  country: string | null
}

export type Candidate = {
  /** Needs the visits in the order in which they came. */
  judge(visit: Visit): Judged
  /** Somebody logged in from there, before the first visit: rates know the address. */
  proven(ip: string, at: number): void
}

/** Gives one that has seen nobody. */
export function createCandidate({ gate, rates, zones, login, places, passes }: CandidateParts): Candidate {
  let now = 0
  let current = gate
  const clock = { now: () => now, monotonic: () => now }
  const turn = turnTo(gate, passes)
  const known = createKnown()
  const nothing = (_: AuditEvent) => undefined
  const sessions = sessionTable(nothing, clock.now)
  const ceilings = { connections: Infinity, perAddress: Infinity }
  const admission = createAdmission({
    clock,
    sessions,
    known,
    concentration: { note: () => undefined },
    rates: () => rates,
    ceilings: () => ceilings,
    emit: nothing,
    evicted: () => undefined,
  })
  const silent = createDnsbl(() => Promise.resolve({ say: 'none' }), clock)
  const lateGate = createLateGate({ dnsbl: silent, clock, gate: () => current, zones: () => [] })
  const country = (ip: string) => {
    const address = parseAddress(ip)
    return address === null ? null : countryOf(gate.data.country, address)
  }
  const loginJudge = { policy: login, places, fenced: lateGate.fenced, country }
  /** What becomes of those who were let in: they leave, or log in. */
  const later = createHeap<() => void>()

  const goTo = (at: number) => {
    for (let due = later.least(); due !== null && due <= at; due = later.least()) {
      now = due
      later.pop()?.()
    }
    now = at
    current = turn(at)
  }

  const admit = ({ ip, listener, end, denied }: Visit): RuleAt | null => {
    const place = admission.admit(0, { kind: 'admit', call: 0, ip, listener, port: 0 })
    if (place.say === 'denied') return place.by
    if (place.say !== 'admitted') return null
    const session = sessions.of(0, place.session)
    // How long one would have waited that was turned away then, nobody knows.
    later.push(denied === null ? Math.max(end, now) : now, () => {
      if (typeof session === 'object') sessions.close(session, 'quit', null)
    })
    return null
  }

  return {
    proven: known.proven,
    judge(visit) {
      goTo(visit.at)
      const address = parseAddress(visit.ip)
      if (address === null) return { gate: null, unsure: true, tries: [], listed: [], country: null }
      const country = countryOf(gate.data.country, address)
      const { verdict } = earlyVerdict(current, address, now)
      const shut = verdict.say === 'deny' || verdict.say === 'unsure' ? verdict.by : null
      const isSum = visit.count > 1
      const by = shut ?? (isSum ? null : admit(visit))
      if (by !== null) return { gate: by, unsure: false, tries: [], listed: [], country }
      const tries = visit.tries.map((attempt) => rulingOn(loginJudge, visit, attempt))
      for (const [i, { reason, at }] of visit.tries.entries()) {
        if (reason === null && tries[i] === null) later.push(Math.max(at, now), () => known.proven(visit.ip, at))
      }
      const spared = verdict.say === 'admit'
      const listed = visit.listed.map((was) => ({ was, now: spared ? null : listingBy(zones, was) }))
      return { gate: null, unsure: isSum && rates !== null, tries, listed, country }
    },
  }
}

/** A zone is not asked: what it said then counts, if the candidate still looks at it. */
function listingBy(zones: readonly DnsblZone[], { zone: name, answer }: Listed): RuleAt | null {
  const zone = zones.find((one) => one.zone === name)
  const said = parseAddress(answer)
  if (zone?.mode !== 'enforce' || said === null) return null
  const verdict = judgeListing(zone, { say: 'listed', answers: [said] })
  return verdict.say === 'deny' ? { file: zone.file, line: zone.line, rule: `dnsbl.${name}` } : null
}

/** Gives the gate as it was at a moment: with the passes that stood then. Needs moments that only grow. */
function turnTo(gate: CompiledGate, events: readonly PassEvent[]): (at: number) => CompiledGate {
  const standing = new Map<string, Pass>()
  let next = 0
  let current = gate
  return (at) => {
    const before = next
    for (let event = events[next]; event !== undefined && event.at <= at; event = events[++next]) {
      const range = parseRange(event.network)
      if (event.until === null || !range.ok) standing.delete(event.network)
      else standing.set(event.network, { range: range.value, until: event.until, reason: event.reason })
    }
    if (next > before) current = { ...gate, data: { ...gate.data, passes: [...standing.values()] } }
    return current
  }
}
