/**
 * What Prometheus scrapes, with the names of the README. Fed by audit events ({@link Metrics.observe}) and by what the keeper knows
 * besides. Labels are bounded: never a user, never a client's address; names that a front reports are counted under `other` beyond
 * a ceiling, as a front that was taken over could invent them.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { AuditEvent } from '../audit/events.ts'
import { METRIC_VALUES_MAX } from '../base/limits.ts'

/** What one front's relay carried since it last told: octets each way, messages. */
export type Relayed = { toClient: number; fromClient: number; retrieved: number; deleted: number }

/** Read at each scrape. */
export type Readings = {
  fronts(): number
  sessionsActive(): number
  auditLagSeconds(): number
  /** How many users are in each state, such as `{ enrolled: 12, pending: 3 }`. */
  users(): Record<string, number>
  /** Locks of users, addresses and networks that stand. */
  locksActive(): number
  /** Seconds since each feed of reputation.yaml was last confirmed. */
  feedAges(): Record<string, number>
  /** What part of the connections one private or gateway address makes, 0 to 1. */
  originConcentration(): number
  /** The collectors of the policies: how old the oldest line is that they were not sent, and what they will never get. */
  forwards(): { to: string; fault: string | null; lag: number; again: number; lost: number }[]
}

export type Metrics = {
  /** Needs every audit event, before denials are summed. */
  observe(event: AuditEvent): void
  relayed(part: Relayed): void
  tlsHandshake(ms: number): void
  /** From `authenticate` to `settle`; the old server's share of it. */
  login(ms: number): void
  backendLogin(ms: number): void
  /** A password was not looked at for `password-exposed`. */
  passwordCheckSkipped(): void
  /** Gives the exposition text and its content type. */
  scrape(): Promise<{ type: string; text: string }>
}

/** Up to what Postern itself waits: a login at a slow old server takes minutes. */
const LOGIN_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180]
const HANDSHAKE_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** Makes the registry. It is ours alone: nothing global, no collectors that run by themselves. */
export function createMetrics(readings: Readings): Metrics {
  const registry = new Registry()
  const parts = eventMetrics(registry)
  const timers = histograms(registry)
  const carried = counter(registry, 'postern_relay_bytes_total', 'POP3 octets carried after login', ['direction'])
  const messages = counter(registry, 'postern_messages_total', 'Messages retrieved and deleted', ['action'])
  const skipped = counter(registry, 'postern_password_checks_skipped_total', 'Not looked at for password-exposed', [])
  gauges(registry, readings)
  processMetrics(registry)
  return {
    observe: (event) => {
      observe(parts, event)
    },
    relayed({ toClient, fromClient, retrieved, deleted }) {
      carried.inc({ direction: 'to_client' }, toClient)
      carried.inc({ direction: 'from_client' }, fromClient)
      messages.inc({ action: 'retrieved' }, retrieved)
      messages.inc({ action: 'deleted' }, deleted)
    },
    tlsHandshake: (ms) => {
      timers.handshake.observe(ms / 1000)
    },
    login: (ms) => {
      timers.login.observe(ms / 1000)
    },
    backendLogin: (ms) => {
      timers.backendLogin.observe(ms / 1000)
    },
    passwordCheckSkipped: () => {
      skipped.inc()
    },
    scrape: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  }
}

type Parts = ReturnType<typeof eventMetrics>

function eventMetrics(registry: Registry) {
  const connections =
    'Connections by how they ended or got on: denied, violation, tls-failed, closed (before login), session'
  return {
    connections: counter(registry, 'postern_connections_total', connections, ['listener', 'result']),
    denied: counter(registry, 'postern_denied_total', 'Connections denied, by rule', ['rule']),
    logins: counter(registry, 'postern_logins_total', 'Logins by result and factor', ['result', 'factor']),
    backendUp: gauge(registry, 'postern_backend_up', '1 when the old server answers there', ['backend', 'address']),
    degraded: gauge(
      registry,
      'postern_policy_degraded',
      '1 while the policies on disk are refused and older ones hold',
    ),
    expiry: gauge(registry, 'postern_certificate_expiry_timestamp_seconds', 'When the certificate ends', ['name']),
    listener: bounded(METRIC_VALUES_MAX),
    rule: bounded(METRIC_VALUES_MAX),
  }
}

/** Each connection counts once: by its denial, its failed handshake, its end before login, or its session. */
function observe(to: Parts, event: AuditEvent): void {
  switch (event.action) {
    case 'connection-denied':
      to.denied.inc({ rule: to.rule(event.by.rule) }, event.count ?? 1)
      return countAs('denied', to, event)
    case 'protocol-violation':
      // One that was admitted is counted by its end.
      if (event.connection.session === undefined) countAs('violation', to, event)
      return
    case 'tls-failed':
      return countAs('tls-failed', to, event)
    case 'connection-closed':
      return countAs('closed', to, event)
    case 'session-opened':
      to.connections.inc({ listener: to.listener(event.connection.listener), result: 'session' })
      return
    case 'login-succeeded':
      to.logins.inc({ result: 'succeeded', factor: event.factor })
      return
    case 'login-failed':
      to.logins.inc({ result: event.reason, factor: 'none' }, event.count ?? 1)
      return
    case 'backend-up':
    case 'backend-down':
      to.backendUp.set({ backend: event.backend, address: event.address }, event.action === 'backend-up' ? 1 : 0)
      return
    case 'policy-loaded':
    case 'policy-rejected':
      to.degraded.set(event.action === 'policy-rejected' ? 1 : 0)
      return
    case 'certificate-loaded':
    case 'certificate-expiring':
      to.expiry.set({ name: event.name }, Date.parse(event.notAfter) / 1000)
      return
    default:
    // Other events are for the streams alone.
  }
}

function countAs(result: string, to: Parts, event: Extract<AuditEvent, { stream: 'access' }>): void {
  to.connections.inc({ listener: to.listener(event.connection.listener), result }, event.count ?? 1)
}

function histograms(registry: Registry) {
  const of = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers: [registry] })
  return {
    handshake: of(
      'postern_tls_handshake_seconds',
      'From the ClientHello to the end of the handshake',
      HANDSHAKE_BUCKETS,
    ),
    login: of('postern_login_seconds', 'From the password to the answer', LOGIN_BUCKETS),
    backendLogin: of('postern_backend_login_seconds', 'What the old server took for a login', LOGIN_BUCKETS),
  }
}

function gauges(registry: Registry, readings: Readings): void {
  read(registry, 'postern_fronts', 'Front processes that run', readings.fronts)
  read(registry, 'postern_sessions_active', 'Sessions that are open', readings.sessionsActive)
  read(registry, 'postern_audit_lag_seconds', 'Age of the oldest audit line not on disk', readings.auditLagSeconds)
  read(registry, 'postern_locks_active', 'Users, addresses and networks that are locked', readings.locksActive)
  readEach(registry, 'postern_users', 'Users by state', 'state', readings.users)
  forwardMetrics(registry, readings)
  readEach(registry, 'postern_feed_age_seconds', 'Since a feed was last confirmed', 'feed', readings.feedAges)
  read(
    registry,
    'postern_origin_concentration',
    'Part of the connections that one private or gateway address makes; over 0.5 the real addresses are being lost',
    readings.originConcentration,
  )
}

function forwardMetrics(registry: Registry, { forwards }: Readings): void {
  const each = (name: string, help: string, value: (one: ReturnType<Readings['forwards']>[number]) => number) => {
    readEach(registry, name, help, 'forward', () => Object.fromEntries(forwards().map((one) => [one.to, value(one)])))
  }
  each('postern_forward_lag_seconds', 'Age of the oldest audit line that was not sent', ({ lag }) => lag)
  each('postern_forward_up', '1 while there is a connection to the collector', ({ fault }) => (fault === null ? 1 : 0))
  each(
    'postern_forward_lost_lines',
    'Lines that rotation removed before they were sent, since the start',
    ({ lost }) => lost,
  )
  each('postern_forward_repeated_lines', 'Lines sent more than once, since the start', ({ again }) => again)
}

/** The keeper's own, as process exporters name them. */
function processMetrics(registry: Registry): void {
  const cpuSeconds = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  const cpu: Counter = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the keeper',
    registers: [registry],
    collect() {
      cpu.reset()
      cpu.inc(cpuSeconds())
    },
  })
  read(registry, 'process_resident_memory_bytes', 'Memory of the keeper', () => process.memoryUsage.rss())
  const started = Date.now() / 1000 - process.uptime()
  read(registry, 'process_start_time_seconds', 'When the keeper started', () => started)
}

function counter<T extends string>(registry: Registry, name: string, help: string, labelNames: T[]): Counter<T> {
  return new Counter({ name, help, labelNames, registers: [registry] })
}

function gauge<T extends string>(registry: Registry, name: string, help: string, labelNames: T[] = []): Gauge<T> {
  return new Gauge({ name, help, labelNames, registers: [registry] })
}

function read(registry: Registry, name: string, help: string, value: () => number): void {
  const made: Gauge = new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      made.set(value())
    },
  })
}

function readEach(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  values: () => Record<string, number>,
): void {
  const made: Gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      made.reset()
      for (const [one, value] of Object.entries(values())) made.set({ [label]: one }, value)
    },
  })
}

/** Gives a name back as long as fewer than `max` different ones came, `other` beyond. */
function bounded(max: number): (name: string) => string {
  const known = new Set<string>()
  return (name) => {
    if (known.size < max) known.add(name)
    return known.has(name) ? name : 'other'
  }
}
