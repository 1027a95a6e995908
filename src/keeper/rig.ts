/** The keeper's parts, wired to each other. Nothing listens yet when it is built. */
import { randomBytes } from 'node:crypto'
import type { AuditEvent } from '../audit/events.ts'
import { systemClock } from '../base/clock.ts'
import { PER_ADDRESS_SHARE } from '../base/limits.ts'
import { createLog, type Log } from '../base/log.ts'
import { createMetrics, type Metrics } from '../metrics/metrics.ts'
import { watchBackends, type Backends } from './backends.ts'
import { takeEnvironment } from './environment.ts'
import { putInForce, readPolicies, type InForce, type PolicySet } from './in-force.ts'
import { createJudge, type Judge } from './judge.ts'
import type { FromKeeper, Snapshot } from './messages.ts'
import { openResources, type Resources } from './resources.ts'
import { sessionTable, type Ceilings, type SessionTable } from './sessions.ts'
import { StateFault } from '../state/fault.ts'
import type { Supervisor } from './supervise.ts'

export type Rig = {
  log: Log
  resources: Resources
  metrics: Metrics
  sessions: SessionTable
  backends: Backends
  force: InForce
  judge: Judge
  emit(event: AuditEvent): void
  ceilings(): Ceilings
  /** Set once the fronts are started. */
  supervisor: Supervisor | null
  ticketKeys: Buffer
  draining: boolean
  /** What the store last said when it failed; null when it last worked. */
  storeFault: string | null
  users: Record<string, number>
}

/** 16 octets of name, 16 of HMAC key, 16 of AES key, as OpenSSL wants them for RFC 5077 tickets. */
const TICKET_KEYS_LENGTH = 48

/** Reads the policies, takes lock, key, store and journal, and wires the rest. Throws one line; holds nothing then. */
export async function buildRig(file: string): Promise<Rig> {
  const environment = takeEnvironment()
  const first = await readPolicies(file, environment)
  const { log: wanted } = first.policies.postern
  const log = createLog(wanted.level, wanted.format)
  const resources = await openResources(first.policies, systemClock, log)
  try {
    const rig = wire(log, resources)
    rig.force = await putInForce(first, {
      file,
      environment,
      log,
      emit: rig.emit,
      changed: (set) => {
        takeUp(rig, set)
      },
    })
    rig.backends.use(rig.force.current().snapshot.backends)
    return rig
  } catch (error) {
    await resources.close()
    throw error
  }
}

/** Everything but the policies, which are put in when they are known to be good. */
function wire(log: Log, resources: Resources): Rig {
  const { journal } = resources
  const metrics: Metrics = createMetrics({
    fronts: () => rig.supervisor?.fronts().length ?? 0,
    sessionsActive: () => rig.sessions.active().length,
    auditLagSeconds: () => journal.lagSeconds(),
    users: () => rig.users,
  })
  const emit = (event: AuditEvent) => {
    metrics.observe(event)
    journal.write(event)
  }
  const backends = watchBackends(
    () => rig.supervisor?.fronts().at(-1),
    () => {
      broadcast(rig, { kind: 'backends', backends: backends.plans() })
    },
    emit,
  )
  const rig: Rig = {
    log,
    resources,
    metrics,
    sessions: sessionTable(emit),
    backends,
    force: undefined as unknown as InForce,
    judge: judgeOf(resources, log, emit, () => rig),
    emit,
    ceilings: () => ceilingsOf(rig.force.current()),
    supervisor: null,
    ticketKeys: randomBytes(TICKET_KEYS_LENGTH),
    draining: false,
    storeFault: null,
    users: {},
  }
  return rig
}

function judgeOf({ store, keys, journal }: Resources, log: Log, emit: Rig['emit'], rig: () => Rig): Judge {
  return createJudge({
    store,
    keys,
    clock: systemClock,
    policy: () => rig().force.current().login,
    emit,
    durable: () => journal.durable(),
    opened: (id, { user, backend }) => {
      rig().sessions.loggedIn(id, user, backend)
    },
    broken: (error) => {
      const text = error instanceof Error ? error.message : String(error)
      if (error instanceof StateFault) rig().storeFault = text
      log.error(`a login could not be judged: ${text}`)
    },
    breach: (session, what) => {
      log.error({ session }, `a front broke the protocol: ${what}`)
      const { supervisor, sessions } = rig()
      supervisor
        ?.fronts()
        .find(({ id }) => id === sessions.frontOf(session))
        ?.kill(what)
    },
  })
}

function ceilingsOf({ snapshot: { limits } }: PolicySet): Ceilings {
  return {
    connections: limits.connections,
    perAddress: Math.max(1, Math.floor(limits.connections * PER_ADDRESS_SHARE)),
  }
}

/** New connections see the new policies; sessions go on. */
function takeUp(rig: Rig, set: PolicySet): void {
  rig.backends.use(set.snapshot.backends)
  broadcast(rig, { kind: 'snapshot', snapshot: snapshotOf(rig) })
  void rig.backends.probeAll()
}

/** The snapshot in force, with what is known of the backends by now. */
export function snapshotOf(rig: Rig): Snapshot {
  return { ...rig.force.current().snapshot, backends: rig.backends.plans() }
}

/** Says something to all fronts. */
export function broadcast(rig: Rig, message: FromKeeper): void {
  for (const front of rig.supervisor?.fronts() ?? []) front.say(message)
}

/** New keys for TLS tickets, the same for all fronts, so that a client may resume at any of them. */
export function renewTicketKeys(rig: Rig): void {
  rig.ticketKeys = randomBytes(TICKET_KEYS_LENGTH)
  broadcast(rig, { kind: 'ticket-keys', keys: rig.ticketKeys })
}
