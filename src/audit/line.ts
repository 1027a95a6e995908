/**
 * The shape of an audit line: one JSON text of the Elastic Common Schema, and the chain that binds it to the line before.
 *
 * The chain, exactly. `chain` is always the last key of a line and `hash` always its last member. To check a stream, keep
 * `prev` (64 zeros) and `seq` (0), and for each line, without its LF:
 *   1. it ends in `,"hash":"` + 64 hex digits + `"}}`; call the digits `hash`
 *   2. `text` is the line with that ending replaced by `}}` (the same JSON with the member left out)
 *   3. SHA-256 over `prev` + LF + `text` in UTF-8, as lower case hex, equals `hash`
 *   4. `chain.prev` equals `prev`, `chain.seq` equals `seq` + 1
 *   5. `prev` becomes `hash`, `seq` grows by one
 * Nothing has to be parsed to prove the hash, so no two JSON libraries can disagree about it.
 */
import { createHash, hash as digest } from 'node:crypto'
import { clean } from '../base/clean.ts'
import { AUDIT_LIST_MAX, CLEAN_USER_MAX } from '../base/limits.ts'
import { never } from '../base/never.ts'
import type { AuditEvent, ConnectionFacts, RuleAt, SessionCounts, Stream, TlsFacts } from './events.ts'

/** Where a stream stands: the number and the hash of its last line. */
export type Head = { seq: number; prev: string }

/** Before the first line. */
export const GENESIS: Head = { seq: 0, prev: '0'.repeat(64) }

const ECS_VERSION = '8.17.0'

type Json = string | number | boolean | null | undefined | Json[] | { [name: string]: Json }
type Fields = { [name: string]: Json }

type Kind = { category: string; type: string[]; outcome?: 'success' | 'failure' }

/** The ECS sorting of each action. A denial is a success of ours: that is how ECS has a firewall say it. */
const KINDS: Record<AuditEvent['action'], Kind> = {
  'connection-denied': { category: 'network', type: ['connection', 'denied'], outcome: 'success' },
  'connection-would-deny': { category: 'network', type: ['connection', 'allowed'], outcome: 'success' },
  'connection-closed': { category: 'network', type: ['connection', 'end'] },
  'tls-failed': { category: 'network', type: ['connection', 'protocol'], outcome: 'failure' },
  'protocol-violation': { category: 'network', type: ['protocol'], outcome: 'failure' },
  'login-succeeded': { category: 'authentication', type: ['start'], outcome: 'success' },
  'login-failed': { category: 'authentication', type: ['start'], outcome: 'failure' },
  'device-trusted': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'device-revoked': { category: 'iam', type: ['user', 'change'], outcome: 'success' },
  'session-opened': { category: 'session', type: ['start'], outcome: 'success' },
  'session-closed': { category: 'session', type: ['end'] },
  'server-started': { category: 'process', type: ['start'], outcome: 'success' },
  'server-stopped': { category: 'process', type: ['end'] },
  'front-lost': { category: 'process', type: ['end'], outcome: 'failure' },
  'policy-loaded': { category: 'configuration', type: ['change'], outcome: 'success' },
  'policy-rejected': { category: 'configuration', type: ['change'], outcome: 'failure' },
  'break-glass': { category: 'configuration', type: ['change'], outcome: 'success' },
  'feed-updated': { category: 'configuration', type: ['change'], outcome: 'success' },
  'feed-failed': { category: 'configuration', type: ['change'], outcome: 'failure' },
  'user-enrolled': { category: 'iam', type: ['user', 'creation'], outcome: 'success' },
  'user-removed': { category: 'iam', type: ['user', 'deletion'], outcome: 'success' },
  'certificate-loaded': { category: 'configuration', type: ['change'], outcome: 'success' },
  'certificate-expiring': { category: 'configuration', type: ['info'] },
  'certificate-rejected': { category: 'configuration', type: ['change'], outcome: 'failure' },
  'backend-up': { category: 'network', type: ['info'], outcome: 'success' },
  'backend-down': { category: 'network', type: ['info'], outcome: 'failure' },
  'audit-repaired': { category: 'file', type: ['change'], outcome: 'success' },
  'audit-dropped': { category: 'file', type: ['change'], outcome: 'failure' },
}

/**
 * Gives the JSON text of an event at `at` (milliseconds since 1970) without its chain. Every text of outside origin is cleaned
 * and cut here, so that it does not matter who wrote it into the event.
 */
export function bodyOf(event: AuditEvent, at: number): string {
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

/** Needs a body of {@link bodyOf} and where the stream stands. Gives the whole line with its LF, and where the stream stands then. */
export function chain(body: string, head: Head): { line: string; head: Head } {
  const seq = head.seq + 1
  const open = `${body.slice(0, -1)},"chain":{"seq":${seq},"prev":"${head.prev}"`
  const hash = digest('sha256', `${head.prev}\n${open}}}`, 'hex')
  return { line: `${open},"hash":"${hash}"}}\n`, head: { seq, prev: hash } }
}

const SEAL = /,"chain":\{"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\}$/
const SEAL_MAX = 256
const HASH_MEMBER = `,"hash":"${'0'.repeat(64)}"}}`.length

export type Link = { seq: number; prev: string; hash: string }

/**
 * Needs the bytes of a line without its LF. Gives its place in the chain when the line is one of ours and its own hash fits it,
 * or null. Whether it follows the line before is for the caller to see. Works on bytes: decoding would forgive broken UTF-8.
 */
export function linkOf(line: Buffer): Link | null {
  const [, seq, prev, hash] = SEAL.exec(line.subarray(-SEAL_MAX).toString('latin1')) ?? []
  if (seq === undefined || prev === undefined || hash === undefined) return null
  const open = line.subarray(0, line.length - HASH_MEMBER)
  const found = createHash('sha256').update(`${prev}\n`).update(open).update('}}').digest('hex')
  return found === hash ? { seq: Number(seq), prev, hash } : null
}

/** Tells whether a line is of that stream. Quotes inside a value are escaped, so no value can pose as this field. */
export function isOf(line: Buffer, stream: Stream): boolean {
  return line.includes(`"dataset":"postern.${stream}"`)
}

function traffic(event: AuditEvent): Fields {
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

function tlsOf(tls: TlsFacts): Fields {
  const [, version] = /^TLSv([0-9.]+)$/.exec(tls.version) ?? []
  return {
    version: version ?? clean(tls.version),
    version_protocol: 'tls',
    cipher: clean(tls.cipher),
    resumed: tls.resumed,
    client: {
      ja4: clean(tls.ja4),
      server_name: tls.serverName === undefined ? undefined : clean(tls.serverName),
    },
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
function detailOf(event: AuditEvent): Fields {
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
      }
    case 'device-trusted':
    case 'device-revoked':
      return { device: clean(event.device) }
    case 'session-opened':
      return { backend: clean(event.backend) }
    case 'session-closed':
      return { backend: clean(event.backend), messages: event.counts === null ? undefined : messagesOf(event.counts) }
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

type Detailed = Extract<
  AuditEvent,
  { action: 'login-succeeded' | 'device-trusted' | 'device-revoked' | 'session-opened' | 'session-closed' }
>

function adminDetailOf(event: Exclude<AuditEvent, Detailed | { stream: 'access' }>): Fields {
  switch (event.action) {
    case 'login-failed':
    case 'server-stopped':
    case 'user-removed':
      return {}
    case 'server-started':
      return { version: clean(event.version), node: clean(event.node) }
    case 'front-lost':
      return { front: event.front }
    case 'policy-loaded':
      return {
        files: Object.entries(event.files).slice(0, AUDIT_LIST_MAX).map(hashOf),
        ...restOf(Object.keys(event.files)),
      }
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
    case 'audit-repaired':
      return { file: clean(event.file), bytes: event.bytes }
    case 'audit-dropped':
      return { file: clean(event.file), lines: event.lines }
    case 'break-glass':
      return { network: clean(event.network), until: event.until === null ? null : clean(event.until) }
    default:
      return never(event)
  }
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
