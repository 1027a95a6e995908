/** The gate and the login rules as a running server has them, over arrivals of the test's making; the clock is the arrivals'. */
import { createTally } from '../../src/audit/tally.ts'
import type { AuditEvent, RuleAt } from '../../src/audit/events.ts'
import { createHeap } from '../../src/base/heap.ts'
import { parseAddress } from '../../src/base/ip.ts'
import type { CandidateParts } from '../../src/cli/replay-candidate.ts'
import { earlyVerdict } from '../../src/gate/gate.ts'
import { createAdmission } from '../../src/keeper/admission.ts'
import { createDnsbl } from '../../src/keeper/dnsbl.ts'
import { exceptionFor } from '../../src/keeper/exceptions.ts'
import { createKnown } from '../../src/keeper/known.ts'
import { createLateGate } from '../../src/keeper/late-gate.ts'
import { sessionTable } from '../../src/keeper/sessions.ts'
import { CONNECTION } from './audit-events.ts'

/** `user`: who logs in, `after` ms; null for one that only connects. It leaves at `stays` ms. */
export type Arrival = { at: number; ip: string; user: string | null; after: number; stays: number }

/** `gate`: what turned it away, or null. `login`: the rule that refused it, null for a login, undefined for none. */
export type Outcome = { gate: RuleAt | null; login: RuleAt | null | undefined }

/** Runs a server with these policies; gives what became of each arrival, and tells the audit. */
export function runLive(
  { gate, rates, login }: Pick<CandidateParts, 'gate' | 'rates' | 'login'>,
  arrivals: readonly Arrival[],
  write: (event: AuditEvent, at: number) => void,
): Outcome[] {
  let now = 0
  const clock = { now: () => now, monotonic: () => now }
  const tally = createTally()
  const access = (events: ReturnType<typeof tally.due>) => {
    for (const event of events) write({ stream: 'access', ...event }, now)
  }
  const emit = (event: AuditEvent) => {
    if (event.stream === 'access') access(tally.take(event, now))
    else write(event, now)
  }
  const sessions = sessionTable(emit, clock.now)
  const known = createKnown()
  const ceilings = { connections: 1e6, perAddress: 1e6 }
  const admission = createAdmission({
    clock,
    sessions,
    known,
    concentration: { note: () => undefined },
    rates: () => rates,
    ceilings: () => ceilings,
    emit,
    evicted: () => undefined,
  })
  const dnsbl = createDnsbl(() => Promise.resolve({ say: 'none' }), clock)
  const { fenced } = createLateGate({ dnsbl, clock, gate: () => gate, zones: () => [] })
  const later = createHeap<() => void>()
  const until = (at: number) => {
    for (let due = later.least(); due !== null && due <= at; due = later.least()) {
      now = due
      later.pop()?.()
    }
    if (at !== Infinity) now = at
    access(tally.due(now))
  }

  const outcomes = arrivals.map(({ at, ip, user, after, stays }): Outcome => {
    until(at)
    const outcome: Outcome = { gate: null, login: undefined }
    const address = parseAddress(ip)
    if (address === null) throw new Error(ip)
    const connection = { listener: 'outside', ip, port: 4711 }
    const { verdict } = earlyVerdict(gate, address, now)
    if (verdict.say === 'deny') {
      emit({ stream: 'access', action: 'connection-denied', connection, by: verdict.by, count: 1 })
      return { ...outcome, gate: verdict.by }
    }
    const place = admission.admit(0, { kind: 'admit', call: 0, listener: 'outside', ip, port: 4711 })
    if (place.say === 'denied') return { ...outcome, gate: place.by }
    const session = place.say === 'admitted' ? sessions.of(0, place.session) : 'gone'
    if (typeof session !== 'object') throw new Error('no place')
    session.facts = { ...session.facts, tls: { ...CONNECTION.tls!, resumed: false } }
    later.push(at + stays, () => {
      sessions.close(session, 'quit', {
        bytesToClient: 0,
        bytesFromClient: 0,
        retrieved: 0,
        deleted: 0,
        marked: 0,
        durationMs: 1,
      })
    })
    if (user === null) return outcome
    later.push(at + after, () => {
      const fence = fenced(ip)
      const barred = fence !== null && exceptionFor(login.exceptions, user, fence.country, now) === null
      outcome.login = barred ? fence.by : null
      session.told = true
      if (barred)
        return emit({
          stream: 'auth',
          action: 'login-failed',
          connection: session.facts,
          user,
          reason: 'rule',
          by: fence.by,
        })
      sessions.loggedIn(session.id, { user, backend: 'old', factor: 'totp', device: null })
      known.proven(ip, now)
      emit({
        stream: 'auth',
        action: 'login-succeeded',
        connection: session.facts,
        user,
        factor: 'totp',
        backend: 'old',
      })
      emit({ stream: 'session', action: 'session-opened', connection: session.facts, user, backend: 'old' })
    })
    return outcome
  })
  until(Infinity)
  access(tally.flush())
  return outcomes
}
