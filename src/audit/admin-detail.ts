/** What lines of the admin stream say under `postern`. */
import { AUDIT_LIST_MAX } from '../base/audit-limits.ts'
import { clean } from '../base/clean.ts'
import { never } from '../base/never.ts'
import { appPasswordDetail } from './app-password-detail.ts'
import type { AuditEvent } from './events.ts'
import { guessingOf } from './guessing.ts'
import type { Fields } from './tls-fields.ts'

/** Gives the fields, cleaned. */
export function adminDetailOf(event: Extract<AuditEvent, { stream: 'admin' }>): Fields {
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
    case 'app-password-added':
    case 'app-password-revoked':
      return appPasswordDetail(event)
    case 'temp-code-made':
      return { until: clean(event.until) }
    case 'lock-cleared':
      return guessingOf(event)
    default:
      return trailOf(event)
  }
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

/** Events about the audit's own files, and about where they are forwarded to. */
type Trail = Extract<AuditEvent, { action: `audit-${string}` | `forward-${string}` }>

/** Gives the fields of such an event. */
function trailOf(event: Trail): Fields {
  switch (event.action) {
    case 'audit-repaired':
      return { file: clean(event.file), bytes: event.bytes }
    case 'audit-dropped':
      return { file: clean(event.file), lines: event.lines }
    case 'audit-tampered':
      return { file: clean(event.file), kind: event.kind }
    case 'audit-removed':
      return { file: clean(event.file), lines: event.lines, begins: event.begins }
    case 'audit-key-made':
      return { anchor: event.anchor }
    case 'forward-failed':
    case 'forward-recovered':
      return { forward: clean(event.forward) }
    case 'forward-lost':
      return { forward: clean(event.forward), file: clean(event.file), lines: event.lines }
    default:
      return never(event)
  }
}
