/** The keeper's parts, wired to each other. Nothing listens yet when it is built. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { AuditEvent } from '../audit/events.ts'
import { systemClock } from '../base/clock.ts'
import { PER_ADDRESS_SHARE } from '../base/limits.ts'
import { createLog, type Log } from '../base/log.ts'
import type { GateData, Pass } from '../gate/verdict.ts'
import { createMetrics, type Metrics } from '../metrics/metrics.ts'
import { livePasses } from './break-glass.ts'
import { watchBackends, type Backends } from './backends.ts'
import { databaseCompiler } from './database-compiler.ts'
import { createDatabases, DATABASES_FOLDER, type Databases } from './databases.ts'
import { askResolver } from './dns-client.ts'
import { createDnsbl, type Dnsbl } from './dnsbl.ts'
import { takeEnvironment } from './environment.ts'
import { putInForce, readPolicies, type InForce, type PolicySet } from './in-force.ts'
import { createJudge, type Judge } from './judge.ts'
import { createLateGate, type LateGate } from './late-gate.ts'
import type { FromKeeper, Snapshot } from './messages.ts'
import type { Policies } from '../policy/load.ts'
import { openResources, type Resources } from './resources.ts'
import { sessionTable, type Ceilings, type SessionTable } from './sessions.ts'
import { frontIdentity, type Supervisor } from './supervise.ts'

export type Rig = {
  log: Log
  resources: Resources
  metrics: Metrics
  sessions: SessionTable
  backends: Backends
  force: InForce
  databases: Databases
  dnsbl: Dnsbl
  lateGate: LateGate
  /** Break-glass. */
  passes: readonly Pass[]
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
    const rig = wire(log, resources, first.policies)
    rig.passes = await livePasses(resources.store, systemClock.now())
    rig.force = await putInForce(first, {
      file,
      environment,
      log,
      emit: rig.emit,
      databases: rig.databases,
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
function wire(log: Log, resources: Resources, { postern }: Policies): Rig {
  const { journal } = resources
  const metrics: Metrics = createMetrics({
    fronts: () => rig.supervisor?.fronts().length ?? 0,
    sessionsActive: () => rig.sessions.active().length,
    auditLagSeconds: () => journal.lagSeconds(),
    users: () => rig.users,
    feedAges: () => rig.databases.ages(),
  })
  const emit = (said: AuditEvent) => {
    const event = located(said, rig)
    metrics.observe(event)
    journal.write(event)
  }
  const judge = judgeFor(log, resources, emit, () => rig)
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
    ...gateParts(log, postern, emit, () => rig),
    passes: [],
    backends,
    force: undefined as unknown as InForce,
    judge,
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

function judgeFor(log: Log, { store, keys, journal }: Resources, emit: Rig['emit'], rig: () => Rig): Judge {
  return createJudge({
    store,
    keys,
    clock: systemClock,
    policy: () => rig().force.current().login,
    emit,
    durable: () => journal.durable(),
    fenced: (ip) => rig().lateGate.fenced(ip),
    opened: (id, { user, backend }) => {
      rig().sessions.loggedIn(id, user, backend)
    },
    broken: (error) => {
      rig().storeFault = error instanceof Error ? error.message : String(error)
      log.error(`a login could not be judged: ${rig().storeFault ?? ''}`)
    },
    breach: (session, what) => {
      log.error({ session }, `a front broke the protocol: ${what}`)
      const front = rig()
        .supervisor?.fronts()
        .find(({ id }) => id === rig().sessions.frontOf(session))
      front?.kill(what)
    },
  })
}

/** What the gate knows beyond the policies, and what of it takes its time. */
function gateParts(
  log: Log,
  { state, processes }: Policies['postern'],
  emit: Rig['emit'],
  rig: () => Rig,
): Pick<Rig, 'databases' | 'dnsbl' | 'lateGate'> {
  const databases = createDatabases({
    folder: join(state.path, DATABASES_FOLDER),
    compile: databaseCompiler(frontIdentity(processes.user, () => undefined)),
    clock: systemClock,
    log,
    emit,
    changed: (data) => {
      broadcast(rig(), { kind: 'gate-data', data })
    },
  })
  const dnsbl = createDnsbl(askResolver, systemClock, (zone, fault) => {
    if (fault === null) log.info(`dnsbl ${zone}: it answers again`)
    else log.warn(`dnsbl ${zone}: ${fault}`)
  })
  const lateGate = createLateGate({
    dnsbl,
    clock: systemClock,
    gate: () => ({ ...rig().force.current().snapshot.gate, data: gateData(rig()) }),
    zones: () => rig().force.current().policies.dnsbl,
  })
  return { databases, dnsbl, lateGate }
}

/** Every line about a connection says where it comes from. */
function located(event: AuditEvent, { databases }: Rig): AuditEvent {
  if (!('connection' in event)) return event
  return { ...event, connection: { ...databases.where(event.connection.ip), ...event.connection } }
}

/** What the fronts get of it. */
export function gateData({ databases, passes }: Rig): GateData {
  return { ...databases.tables(), passes }
}

/** The passes have changed. */
export async function takePasses(rig: Rig): Promise<void> {
  rig.passes = await livePasses(rig.resources.store, systemClock.now())
  broadcast(rig, { kind: 'gate-data', data: { passes: rig.passes } })
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
