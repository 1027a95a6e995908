/** The keeper's parts, as its other files see them, and what is sent to the fronts. */
import { randomBytes } from 'node:crypto'
import type { AuditEvent } from '../audit/events.ts'
import type { Log } from '../base/log.ts'
import type { CompiledGate } from '../gate/verdict.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Admission } from './admission.ts'
import type { Backends } from './backends.ts'
import type { Concentration } from './concentration.ts'
import type { Databases } from './databases.ts'
import type { Delivery } from './delivery.ts'
import type { Dnsbl } from './dnsbl.ts'
import type { LiveSessions } from './end-sessions.ts'
import type { Feeds } from './feeds.ts'
import type { InForce, PolicySet } from './in-force.ts'
import type { Judge } from './judge.ts'
import type { Known as GateKnown } from './gate-data.ts'
import type { Known } from './known.ts'
import type { LateGate } from './late-gate.ts'
import type { FromKeeper, Snapshot } from './messages.ts'
import type { Outlets } from './outlets.ts'
import { limitsOf, type Resources } from './resources.ts'
import type { SessionTable } from './sessions.ts'
import type { SkewWatch } from './skew.ts'
import type { Supervisor } from './supervise.ts'

export type Rig = GateKnown & {
  log: Log
  resources: Resources
  metrics: Metrics
  sessions: SessionTable
  admission: Admission
  concentration: Concentration
  known: Known
  backends: Backends
  force: InForce
  /** Set, as `force` is, before the first event. */
  outlets: Outlets
  feeds: Feeds
  delivery: Delivery
  /** The gate that the delivery last asked for: out of which one it was made, and with what databases. */
  gate: { from: CompiledGate; gate: CompiledGate } | null
  databases: Databases
  dnsbl: Dnsbl
  lateGate: LateGate
  judge: Judge
  live: LiveSessions
  /** Codes of another time. */
  skew: SkewWatch
  /** What was found out at the start about the clock of this machine. */
  clockWarning: string | null
  emit(event: AuditEvent): void
  /** Set once the fronts are started. */
  supervisor: Supervisor | null
  ticketKeys: Buffer
  draining: boolean
  /** What the store last said when it failed; null when it last worked. */
  storeFault: string | null
  users: Record<string, number>
  /** Locks that stand, as last counted. */
  locks: number
}

/** Gives 16 octets of name, 16 of HMAC key, 16 of AES key, as OpenSSL wants them for RFC 5077 tickets. */
export const makeTicketKeys = (): Buffer => randomBytes(48)

/** New connections see the new policies; sessions go on. */
export function takeUp(rig: Rig, set: PolicySet): void {
  rig.resources.journal.use(limitsOf(set.policies.postern))
  rig.backends.use(set.snapshot.backends)
  rig.feeds.use(set.policies)
  rig.outlets.use(set.policies)
  sendSnapshot(rig)
  void rig.backends.probeAll()
}

/** The snapshot in force, with feeds and databases as they came and what is known of the backends by now. */
export function snapshotOf(rig: Rig): Snapshot {
  const { snapshot } = rig.force.current()
  return { ...snapshot, gate: gateOf(rig, rig.feeds.gate(snapshot.gate)), backends: rig.backends.plans() }
}

/** The same object as long as it is the same gate: the delivery goes by that. */
function gateOf(rig: Rig, gate: CompiledGate): CompiledGate {
  const { country, asn } = rig.databases.tables()
  const known = rig.gate
  if (known?.from === gate && known.gate.data.country === country && known.gate.data.asn === asn) return known.gate
  rig.gate = { from: gate, gate: { ...gate, data: { ...gate.data, country, asn } } }
  return rig.gate.gate
}

/** Brings the newest snapshot to all fronts. */
export function sendSnapshot(rig: Rig): void {
  for (const front of rig.supervisor?.fronts() ?? []) rig.delivery.to(front)
}

/** Says something to all fronts. */
export function broadcast(rig: Rig, message: FromKeeper): void {
  for (const front of rig.supervisor?.fronts() ?? []) front.say(message)
}

/** New keys for TLS tickets, the same for all fronts, so that a client may resume at any of them. */
export function renewTicketKeys(rig: Rig): void {
  rig.ticketKeys = makeTicketKeys()
  broadcast(rig, { kind: 'ticket-keys', keys: rig.ticketKeys })
}
