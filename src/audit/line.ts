/** The shape of an audit line: one JSON text of the Elastic Common Schema. `chain.ts` says what binds it to the line before. */
import { clean } from '../base/clean.ts'
import { AUDIT_LIST_MAX } from '../base/audit-limits.ts'
import { CLEAN_USER_MAX } from '../base/limits.ts'
import { never } from '../base/never.ts'
import { appPasswordDetail, type AppPasswordEvent } from './app-password-detail.ts'
import { numbered, trailOf, type Trail } from './detail.ts'
import { guessingOf, type GuessingEvent } from './guessing.ts'
import { type Fields, tlsOf } from './tls-fields.ts'
import type { AuditEvent, ConnectionFacts, RuleAt, SealedEvent, SessionCounts } from './events.ts'

const ECS_VERSION = '8.17.0'

type Kind = { category: string; type: string[]; outcome?: 'success' | 'failure' }

/** The ECS sorting of each action. A denial is a success of ours: that is how ECS has a firewall say it. */
const KINDS: Record<(AuditEvent | SealedEvent)['action'], Kind> = {
  'connection-denied': { category: 'network', type: ['connection', 'denied'], outcome: 'success' },
  'connection-would-deny': { category: 'network', type: ['connection', 'allowed'], outcome: 'success' },
  'connection-closed': { category: 'network', type: ['connection', 'end'] },
  'tls-failed': { category: 'network', type: ['connection', 'protocol'], outcome: 'failure' },
  'protocol-violation': { category: 'network', type: ['protocol'], outcome: 'failure' },
  'login-succeeded': { category: 'authentication', type: ['start'], outcome: 'success' },
  'login-failed': { category: 'authentication', type: ['start'], outcome: 'failure' },
  'device-trusted': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'device-revoked': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'app-password-stale': { category: 'iam', type: ['user', 'info'] },
  'password-exposed': { category: 'authentication', type: ['info'] },
  'user-frozen': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'user-unfrozen': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'user-locked': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'network-locked': { category: 'network', type: ['connection', 'denied'], outcome: 'success' },
  spraying: { category: 'intrusion_detection', type: ['info'] },
  'guessing-spread': { category: 'intrusion_detection', type: ['info'] },
  'lock-cleared': { category: 'configuration', type: ['change'], outcome: 'success' },
  'session-opened': { category: 'session', type: ['start'], outcome: 'success' },
  'session-closed': { category: 'session', type: ['end'] },
  'session-killed': { category: 'session', type: ['info'], outcome: 'success' },
  'server-started': { category: 'process', type: ['start'], outcome: 'success' },
  'server-stopped': { category: 'process', type: ['end'] },
  'front-lost': { category: 'process', type: ['end'], outcome: 'failure' },
  'policy-loaded': { category: 'configuration', type: ['change'], outcome: 'success' },
  'policy-rejected': { category: 'configuration', type: ['change'], outcome: 'failure' },
  'break-glass': { category: 'configuration', type: ['change'], outcome: 'success' },
  'feed-updated': { category: 'configuration', type: ['change'], outcome: 'success' },
  'feed-failed': { category: 'configuration', type: ['change'], outcome: 'failure' },
  'user-enrolled': { category: 'iam', type: ['user', 'creation'], outcome: 'success' },
  'user-travel': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'user-removed': { category: 'iam', type: ['user', 'deletion'], outcome: 'success' },
  'app-password-added': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'app-password-revoked': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'temp-code-made': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'certificate-loaded': { category: 'configuration', type: ['change'], outcome: 'success' },
  'certificate-expiring': { category: 'configuration', type: ['info'] },
  'certificate-rejected': { category: 'configuration', type: ['change'], outcome: 'failure' },
  'backend-up': { category: 'network', type: ['info'], outcome: 'success' },
  'backend-down': { category: 'network', type: ['info'], outcome: 'failure' },
  'message-retrieved': { category: 'email', type: ['info'], outcome: 'success' },
  'message-deleted': { category: 'email', type: ['deletion'], outcome: 'success' },
  'forward-failed': { category: 'network', type: ['info'], outcome: 'failure' },
  'forward-recovered': { category: 'network', type: ['info'], outcome: 'success' },
  'forward-lost': { category: 'network', type: ['info'], outcome: 'failure' },
  'audit-repaired': { category: 'file', type: ['change'], outcome: 'success' },
  'audit-sealed': { category: 'file', type: ['info'], outcome: 'success' },
  'audit-tampered': { category: 'file', type: ['change'], outcome: 'failure' },
  'audit-removed': { category: 'file', type: ['deletion'], outcome: 'success' },
  'audit-key-made': { category: 'configuration', type: ['creation'], outcome: 'success' },
  'audit-dropped': { category: 'file', type: ['change'], outcome: 'failure' },
}

/**
 * Gives the JSON text of an event at `at` (milliseconds since 1970) without its chain. Every text of outside origin is cleaned
 * and cut here, so that it does not matter who wrote it into the event.
 */
export function bodyOf(event: AuditEvent | SealedEvent, at: number): string {
  const { category, type, outcome } = KINDS[event.action]
  return JSON.stringify({
    '@timestamp': new Date(at).toISOString(),
    ecs: { version: ECS_VERSION },
    event: {
      kind: 'event',
      category: [category],
      type,
      action: event.action,
      outcome,
      reason: 'reason' in event ? clean(event.reason) : undefined,
      count: 'count' in event ? event.count : undefined,
      duration: 'counts' in event && event.counts !== null ? whole(event.counts.durationMs * 1e6) : undefined,
      dataset: `postern.${event.stream}`,
    },
    ...traffic(event),
    user: 'user' in event ? { name: clean(event.user, CLEAN_USER_MAX) } : undefined,
    rule: 'by' in event ? { name: clean(event.by.rule) } : undefined,
    postern: {
      ...('connection' in event ? placeTaken(event.connection) : {}),
      ...('by' in event ? { rule: placeOf(event.by) } : {}),
      ...detailOf(event),
    },
  })
}

function traffic(event: AuditEvent | SealedEvent): Fields {
  if (!('connection' in event)) return {}
  const { ip, port, session, tls, country, asn }: ConnectionFacts = event.connection
  const counts = 'counts' in event && event.counts !== null ? event.counts : undefined
  return {
    // ECS counts octets on the side that sent them.
    source: {
      ip: clean(ip),
      port,
      bytes: counts && whole(counts.bytesFromClient),
      geo: country === undefined ? undefined : { country_iso_code: clean(country) },
      as: asn === undefined ? undefined : { number: asn },
    },
    destination: counts && { bytes: whole(counts.bytesToClient) },
    session: session === undefined ? undefined : { id: clean(session) },
    tls: tls && tlsOf(tls),
  }
}

function placeTaken({ listener, connected }: ConnectionFacts): Fields {
  return {
    listener: clean(listener),
    connected: connected === undefined ? undefined : new Date(connected).toISOString(),
  }
}

function placeOf(by: RuleAt): Fields {
  return { file: clean(by.file), line: by.line }
}

/** What ECS has no name for. Every event has its row, so that a new one cannot go to disk without its facts. */
function detailOf(event: AuditEvent | SealedEvent): Fields {
  switch (event.action) {
    case 'connection-denied':
    case 'connection-would-deny':
    case 'connection-closed':
    case 'tls-failed':
    case 'protocol-violation':
      return {
        network: event.network === undefined ? undefined : clean(event.network),
        answer: 'answer' in event ? clean(event.answer) : undefined,
      }
    case 'login-succeeded':
      return {
        factor: event.factor,
        backend: clean(event.backend),
        device: event.device === undefined ? undefined : clean(event.device),
        app_password: event.appPassword === undefined ? undefined : { name: clean(event.appPassword) },
        temporary: event.temporary,
      }
    case 'login-failed':
      return { skew_seconds: event.skewSeconds }
    case 'device-trusted':
    case 'device-revoked':
      return { device: clean(event.device) }
    case 'app-password-added':
    case 'app-password-revoked':
    case 'app-password-stale':
    case 'password-exposed':
      return appPasswordDetail(event)
    case 'user-frozen':
    case 'user-unfrozen':
      return {}
    case 'temp-code-made':
      return { until: clean(event.until) }
    case 'user-locked':
    case 'network-locked':
    case 'spraying':
    case 'guessing-spread':
    case 'lock-cleared':
      return guessingOf(event)
    case 'session-opened':
    case 'session-killed':
      return { backend: clean(event.backend) }
    case 'message-retrieved':
    case 'message-deleted':
      return { backend: clean(event.backend), messages: numbered(event) }
    case 'session-closed':
      return { backend: clean(event.backend), messages: event.counts === null ? undefined : messagesOf(event.counts) }
    case 'audit-sealed':
      return { seal: event.seal }
    case 'audit-tampered':
    case 'audit-removed':
    case 'audit-key-made':
    case 'audit-repaired':
    case 'audit-dropped':
    case 'forward-failed':
    case 'forward-recovered':
    case 'forward-lost':
      return trailOf(event)
    default:
      return adminDetailOf(event)
  }
}

function messagesOf({ retrieved, deleted, marked }: SessionCounts): Fields {
  return { retrieved: whole(retrieved), deleted: whole(deleted), marked: whole(marked) }
}

function certificateOf({
  name,
  notAfter,
  fingerprint,
}: {
  name: string
  notAfter: string
  fingerprint: string
}): Fields {
  return { name: clean(name), not_after: clean(notAfter), fingerprint: clean(fingerprint) }
}

function feedOf(event: Extract<AuditEvent, { action: 'feed-updated' | 'feed-failed' }>): Fields {
  if (event.action === 'feed-failed') return { name: clean(event.feed) }
  const { feed, entries, before, unread } = event
  return { name: clean(feed), entries, before: before ?? undefined, unread }
}

type Detailed =
  | Trail
  | GuessingEvent
  | AppPasswordEvent
  | Extract<
      AuditEvent,
      {
        action:
          | 'login-succeeded'
          | 'login-failed'
          | 'device-trusted'
          | 'device-revoked'
          | 'user-frozen'
          | 'user-unfrozen'
          | 'temp-code-made'
      }
    >

function adminDetailOf(event: Exclude<AuditEvent, Detailed | { stream: 'access' | 'session' }>): Fields {
  switch (event.action) {
    case 'server-stopped':
    case 'user-removed':
      return {}
    case 'server-started':
      return { version: clean(event.version), node: clean(event.node) }
    case 'front-lost':
      return { front: event.front }
    case 'policy-loaded':
      return filesOf(event.files)
    case 'policy-rejected':
      return { faults: event.faults.slice(0, AUDIT_LIST_MAX).map((fault) => clean(fault)), ...restOf(event.faults) }
    case 'user-enrolled':
      return { replaced: event.replaced }
    case 'certificate-loaded':
    case 'certificate-expiring':
      return { certificate: certificateOf(event) }
    case 'certificate-rejected':
      return { certificate: { name: clean(event.name) } }
    case 'feed-updated':
    case 'feed-failed':
      return { feed: feedOf(event) }
    case 'backend-up':
    case 'backend-down':
      return { backend: clean(event.backend), address: clean(event.address) }
    case 'break-glass':
    case 'user-travel':
      return openingOf(event)
    default:
      return never(event)
  }
}

/** What an operator opened for a while; without an end it was closed again. */
function openingOf(event: Extract<AuditEvent, { action: 'break-glass' | 'user-travel' }>): Fields {
  const what =
    'network' in event ? { network: clean(event.network) } : { countries: event.countries.map((one) => clean(one)) }
  return { ...what, until: event.until === null ? null : clean(event.until) }
}

function filesOf(files: Record<string, string>): Fields {
  return { files: Object.entries(files).slice(0, AUDIT_LIST_MAX).map(hashOf), ...restOf(Object.keys(files)) }
}

function hashOf([name, hash]: [string, string]): Fields {
  return { name: clean(name), hash: clean(hash) }
}

/** How many more there were than a line may hold. */
function restOf(all: readonly string[]): Fields {
  return all.length > AUDIT_LIST_MAX ? { more: all.length - AUDIT_LIST_MAX } : {}
}

/** Counts as JSON can carry them: whole, and no larger than a double holds exactly. */
function whole(count: number): number {
  return Math.min(Math.max(0, Math.round(count)), Number.MAX_SAFE_INTEGER)
}
