/** Builds the keeper's parts and wires them to each other. Nothing listens yet when that is done. */
import { join } from 'node:path'
import type { AuditEvent } from '../audit/events.ts'
import { createTails } from '../audit/follow.ts'
import { systemClock } from '../base/clock.ts'
import { KNOWN_FOR_MS } from '../base/gate-limits.ts'
import { PER_ADDRESS_SHARE } from '../base/limits.ts'
import { createLog, type Log } from '../base/log.ts'
import { argon2id } from '../factors/password-hash.ts'
import { createMetrics, type Metrics } from '../metrics/metrics.ts'
import { createAdmission } from './admission.ts'
import { watchBackends } from './backends.ts'
import { livePasses } from './break-glass.ts'
import { createConcentration } from './concentration.ts'
import { databaseCompiler } from './database-compiler.ts'
import { createDatabases, DATABASES_FOLDER } from './databases.ts'
import { createDelivery } from './delivery.ts'
import { askResolver } from './dns-client.ts'
import { createDnsbl } from './dnsbl.ts'
import { takeEnvironment } from './environment.ts'
import { gatewaysOf } from './gateways.ts'
import { createFeedsApart, compileApartAs, helperIdentity } from './helpers.ts'
import { putInForce, readPolicies, type InForce, type PolicySet } from './in-force.ts'
import { createJudge, type Judge } from './judge.ts'
import { gateData } from './gate-data.ts'
import { createKnown } from './known.ts'
import { createLateGate } from './late-gate.ts'
import { liveSessionsOf, tellToEnd } from './live.ts'
import { openOutlets, type Outlets } from './outlets.ts'
import type { Policies } from '../policy/load.ts'
import { createReachable } from './reachable.ts'
import { openResources, type Resources } from './resources.ts'
import { renamedUsers, sharedMailboxes } from './roster-sense.ts'
import { sessionTable, type Ceilings } from './sessions.ts'
import { StateFault } from '../state/fault.ts'
import { createSkewWatch } from './skew.ts'
import { broadcast, makeTicketKeys, sendSnapshot, snapshotOf, takeUp, type Rig } from './rig.ts'
import { withTravels } from './travel.ts'

/** Reads the policies, takes lock, key, store and journal, and wires the rest. Throws one line; holds nothing then. */
export async function buildRig(file: string): Promise<Rig> {
  const environment = takeEnvironment()
  const compileAs = compileApartAs()
  const first = await readPolicies(file, environment, compileAs)
  const { log: wanted } = first.policies.postern
  const log = createLog(wanted.level, wanted.format)
  const tails = createTails(first.policies.postern.audit.path)
  const resources = await openResources(first.policies, systemClock, log, tails.written)
  try {
    const rig = wire(log, resources, first.policies, await gatewaysOf())
    rig.outlets = await openOutlets({ state: first.policies.postern.state.path, tails, log, emit: rig.emit })
    const since = systemClock.now() - KNOWN_FOR_MS
    for (const { ip, at } of await resources.store.provenSince(since)) rig.known.proven(ip, at)
    rig.passes = await livePasses(resources.store, systemClock.now())
    rig.travels = await resources.store.travels()
    rig.force = await putInForce(first, {
      file,
      environment,
      log,
      emit: rig.emit,
      compileAs,
      prepare: rig.feeds.prepare,
      databases: rig.databases,
      faultsOf: async (policies) => [
        ...(await sharedMailboxes(policies)),
        ...(await renamedUsers(policies, () => resources.store.known())),
      ],
      changed: (set) => {
        takeUp(rig, set)
      },
    })
    rig.feeds.use(first.policies)
    rig.outlets.use(first.policies)
    rig.backends.use(rig.force.current().snapshot.backends)
    return rig
  } catch (error) {
    await resources.close()
    throw error
  }
}

/** Everything but the policies, which are put in when they are known to be good. */
function wire(log: Log, resources: Resources, { postern }: Policies, gateways: ReadonlySet<string>): Rig {
  const { journal } = resources
  const metrics = metricsOf(resources, () => rig)
  const emit = (said: AuditEvent) => {
    const event = located(said, rig)
    metrics.observe(event)
    if (event.action === 'login-failed' && event.skewSeconds !== undefined) rig.skew.note(event.user, event.skewSeconds)
    journal.write(event)
    rig.outlets.tell(event)
  }
  const backends = watchBackends(
    () => rig.supervisor?.fronts().at(-1),
    () => {
      broadcast(rig, { kind: 'backends', backends: backends.plans() })
    },
    emit,
    (text) => {
      log.warn(text)
    },
  )
  const rig: Rig = {
    log,
    resources,
    metrics,
    ...entrance(log, emit, gateways, () => rig),
    ...gateParts(log, postern, emit, () => rig),
    passes: [],
    travels: [],
    backends,
    force: undefined as unknown as InForce,
    outlets: undefined as unknown as Outlets,
    feeds: createFeedsApart(log, emit, () => {
      sendSnapshot(rig)
    }),
    delivery: createDelivery(() => snapshotOf(rig)),
    gate: null,
    judge: judgeOf(resources, log, emit, () => rig),
    live: liveSessionsOf(emit, () => rig),
    ...clockParts(),
    emit,
    supervisor: null,
    ticketKeys: makeTicketKeys(),
    draining: false,
    storeFault: null,
    users: {},
    locks: 0,
  }
  return rig
}

function metricsOf({ journal }: Resources, rig: () => Rig): Metrics {
  return createMetrics({
    fronts: () => rig().supervisor?.fronts().length ?? 0,
    sessionsActive: () => rig().sessions.active().length,
    auditLagSeconds: () => journal.lagSeconds(),
    users: () => rig().users,
    locksActive: () => rig().locks,
    feedAges: () => ({
      ...Object.fromEntries(
        rig()
          .feeds.states()
          .flatMap(({ name, age }) => (age === null ? [] : [[name, age]])),
      ),
      ...rig().databases.ages(),
    }),
    forwards: () => rig().outlets.forwards(),
    originConcentration: () => rig().concentration.largest(systemClock.monotonic())?.share ?? 0,
  })
}

function judgeOf({ store, keys, journal }: Resources, log: Log, emit: Rig['emit'], rig: () => Rig): Judge {
  return createJudge({
    store,
    keys,
    clock: systemClock,
    policy: () => withTravels(rig().force.current().login, rig().travels),
    emit,
    durable: () => journal.loginsDurable(),
    hasher: argon2id,
    skipped: () => {
      rig().metrics.passwordCheckSkipped()
    },
    fenced: (ip) => rig().lateGate.fenced(ip),
    reachable: createReachable(() => rig().backends, systemClock),
    country: (ip) => rig().databases.country(ip),
    opened: (id, login) => {
      const ip = rig().sessions.loggedIn(id, login)
      if (ip !== null) rig().known.proven(ip, systemClock.now())
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

function clockParts(): Pick<Rig, 'skew' | 'clockWarning'> {
  return { skew: createSkewWatch(systemClock), clockWarning: null }
}

/** What stands between a connection and its place. */
function entrance(log: Log, emit: Rig['emit'], gateways: ReadonlySet<string>, rig: () => Rig) {
  const sessions = sessionTable(emit, systemClock.now, (ip) => rig().databases.where(ip))
  const known = createKnown()
  const concentration = createConcentration(gateways, (warning) => {
    log.warn(warning)
  })
  const admission = createAdmission({
    clock: systemClock,
    sessions,
    known,
    concentration,
    rates: () => rig().force.current().policies.rates,
    ceilings: () => ceilingsOf(rig().force.current()),
    emit,
    evicted: (session) => {
      tellToEnd(rig(), session, 'evicted')
    },
  })
  return { sessions, known, concentration, admission }
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
    compile: databaseCompiler(helperIdentity(processes.user)),
    clock: systemClock,
    log,
    emit,
    changed: () => {
      sendSnapshot(rig())
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

/** Every line about a connection says where it comes from; that of one with a place was looked up when it got it. */
function located(event: AuditEvent, { databases }: Rig): AuditEvent {
  if (!('connection' in event) || event.connection.session !== undefined) return event
  return { ...event, connection: { ...databases.where(event.connection.ip), ...event.connection } }
}

function ceilingsOf({ snapshot: { limits } }: PolicySet): Ceilings {
  return {
    connections: limits.connections,
    perAddress: Math.max(1, Math.floor(limits.connections * PER_ADDRESS_SHARE)),
  }
}
