/** The shape of an audit line: one JSON text of the Elastic Common Schema. `chain.ts` says what binds it to the line before. */
import { clean } from '../base/clean.ts'
import { MESSAGES_NUMBERS_MAX } from '../base/forward-limits.ts'
import { CLEAN_USER_MAX } from '../base/limits.ts'
import { never } from '../base/never.ts'
import { adminDetailOf } from './admin-detail.ts'
import { authDetailOf } from './auth-detail.ts'
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
      ...('connection' in event ? told(event.connection).place : {}),
      ...('by' in event ? { rule: placeOf(event.by) } : {}),
      ...detailOf(event),
    },
  })
}

function traffic(event: AuditEvent | SealedEvent): Fields {
  if (!('connection' in event)) return {}
  const { source, session, tls } = told(event.connection)
  const counts = 'counts' in event && event.counts !== null ? event.counts : undefined
  if (counts === undefined) return { source, session, tls }
  // ECS counts octets on the side that sent them.
  const { ip, port, geo, as } = source
  return {
    source: { ip, port, bytes: whole(counts.bytesFromClient), geo, as },
    destination: { bytes: whole(counts.bytesToClient) },
    session,
    tls,
  }
}

type Told = { source: Fields; session: Fields | undefined; tls: Fields | undefined; place: Fields }

/** What all lines of a connection say alike, cleaned once. Facts are replaced when they grow, never changed. */
const prepared = new WeakMap<ConnectionFacts, Told>()

function told(facts: ConnectionFacts): Told {
  const known = prepared.get(facts)
  if (known !== undefined) return known
  const { ip, port, session, tls, country, asn, listener, connected } = facts
  const made: Told = {
    source: {
      ip: clean(ip),
      port,
      geo: country === undefined ? undefined : { country_iso_code: clean(country) },
      as: asn === undefined ? undefined : { number: asn },
    },
    session: session === undefined ? undefined : { id: clean(session) },
    tls: tls && tlsOf(tls),
    place: {
      listener: clean(listener),
      connected: connected === undefined ? undefined : new Date(connected).toISOString(),
    },
  }
  prepared.set(facts, made)
  return made
}

function placeOf(by: RuleAt): Fields {
  return { file: clean(by.file), line: by.line }
}

/** What ECS has no name for. Every event has its row, so that a new one cannot go to disk without its facts. */
function detailOf(event: AuditEvent | SealedEvent): Fields {
  if (event.action === 'audit-sealed') return { seal: event.seal }
  switch (event.stream) {
    case 'access':
      return {
        network: event.network === undefined ? undefined : clean(event.network),
        answer: 'answer' in event ? clean(event.answer) : undefined,
      }
    case 'auth':
      return authDetailOf(event)
    case 'session':
      return sessionOf(event)
    case 'admin':
      return adminDetailOf(event)
    default:
      return never(event)
  }
}

function sessionOf(event: Extract<AuditEvent, { stream: 'session' }>): Fields {
  switch (event.action) {
    case 'session-opened':
    case 'session-killed':
      return { backend: clean(event.backend) }
    case 'message-retrieved':
    case 'message-deleted':
      return { backend: clean(event.backend), messages: numbered(event) }
    case 'session-closed':
      return { backend: clean(event.backend), messages: event.counts === null ? undefined : messagesOf(event.counts) }
    default:
      return never(event)
  }
}

/** Gives the messages of an event. Ranges of numbers are a word of ours, yet they come from a front. */
function numbered({ numbers, octets }: { numbers: string; octets?: number }): {
  numbers: string
  octets: number | undefined
} {
  return { numbers: clean(numbers, MESSAGES_NUMBERS_MAX), octets }
}

function messagesOf({ retrieved, deleted, marked }: SessionCounts): Fields {
  return { retrieved: whole(retrieved), deleted: whole(deleted), marked: whole(marked) }
}

/** Counts as JSON can carry them: whole, and no larger than a double holds exactly. */
function whole(count: number): number {
  return Math.min(Math.max(0, Math.round(count)), Number.MAX_SAFE_INTEGER)
}
