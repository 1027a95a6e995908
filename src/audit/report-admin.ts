/** What the report says of the running of Postern itself: policies, feeds, certificates, the audit's own state. */
import { count, countsOf, limited, type Counts, type Limited } from './counts.ts'
import { REPORT_FINDINGS_MAX, REPORT_KINDS_MAX } from '../base/audit-limits.ts'
import { fields, number, text, type Recorded } from './recorded.ts'

/** `files`: those whose content differs from what was loaded before. */
export type PolicyChange = { at: string; files: string[] }
export type Pass = { at: string; network: string; until: string | null; reason: string }

export type Running = {
  starts: number
  policy_changes: Limited<PolicyChange>
  policies_rejected: number
  passes: Limited<Pass>
  enrolled: number
  removed: number
  /** By feed or database: how often it could not be had, and when last; whether it was updated after that. */
  feeds: { name: string; failures: number; last_failure: string; updated_since: boolean }[]
  certificates_rejected: Record<string, number>
  /** Logins by TLS version, and by factor. */
  tls: Record<string, number>
  factors: Record<string, number>
  /** Who logged in on the password alone. */
  without_factor: Limited<string>
  /** `forward_lost`: lines that rotation removed before a collector got them. */
  audit: { dropped: number; repaired: number; tampered: number; forward_lost: number; last_seal: string | null }
}

export type Keeper = {
  /** A line from before the time of the report: which policies stood at its start. */
  before(record: Recorded): void
  take(record: Recorded): void
  running(): Running
}

const none = (): Counts => new Map()

/** Gives one that has seen nothing. */
export function createRunning(): Keeper {
  const [tls, factors, rejected] = [none(), none(), none()]
  const feeds = new Map<string, Running['feeds'][number]>()
  const changes: PolicyChange[] = []
  const passes: Pass[] = []
  const bare = new Set<string>()
  const sums = { starts: 0, policies_rejected: 0, enrolled: 0, removed: 0 }
  const audit = { dropped: 0, repaired: 0, tampered: 0, forward_lost: 0, last_seal: null as string | null }
  let before = new Map<string, string>()

  const feed = ({ action, detail, at }: Recorded) => {
    const name = text(fields(detail['feed'])['name']) ?? ''
    const standing = feeds.get(name) ?? { name, failures: 0, last_failure: '', updated_since: false }
    if (feeds.has(name) || feeds.size < REPORT_KINDS_MAX) feeds.set(name, standing)
    if (action === 'feed-updated') standing.updated_since = true
    else {
      standing.failures++
      standing.last_failure = new Date(at).toISOString()
      standing.updated_since = false
    }
  }

  const login = ({ tlsVersion = '', factor = '', user = '' }: Recorded) => {
    count(tls, tlsVersion)
    count(factors, factor)
    if (factor === 'none' && bare.size < REPORT_FINDINGS_MAX) bare.add(user)
  }

  /** One row an action. */
  const deeds: Record<string, (record: Recorded) => void> = {
    'login-succeeded': login,
    'server-started': () => sums.starts++,
    'policy-loaded': (record) => {
      const now = filesOf(record)
      const files = [...now].filter(([name, hash]) => before.get(name) !== hash).map(([name]) => name)
      const gone = [...before.keys()].filter((name) => !now.has(name))
      before = now
      changes.push({ at: new Date(record.at).toISOString(), files: [...files, ...gone] })
    },
    'policy-rejected': () => sums.policies_rejected++,
    'break-glass': ({ at, detail, reason = '' }) => {
      const [network, until] = [text(detail['network']) ?? '', text(detail['until']) ?? null]
      passes.push({ at: new Date(at).toISOString(), network, until, reason })
    },
    'user-enrolled': () => sums.enrolled++,
    'user-removed': () => sums.removed++,
    'feed-updated': feed,
    'feed-failed': feed,
    'certificate-rejected': ({ detail }) => {
      count(rejected, text(fields(detail['certificate'])['name']) ?? '')
    },
    'audit-dropped': ({ detail }) => (audit.dropped += number(detail['lines']) ?? 0),
    'forward-lost': ({ detail }) => (audit.forward_lost += number(detail['lines']) ?? 0),
    'audit-repaired': () => audit.repaired++,
    'audit-tampered': () => audit.tampered++,
    'audit-sealed': ({ at }) => (audit.last_seal = new Date(at).toISOString()),
  }

  return {
    before(record) {
      if (record.action === 'policy-loaded') before = filesOf(record)
    },
    take(record) {
      if (Object.hasOwn(deeds, record.action)) deeds[record.action]?.(record)
    },
    running: () => ({
      ...sums,
      policy_changes: limited(changes.filter(({ files }) => files.length > 0)),
      passes: limited(passes),
      feeds: [...feeds.values()].filter(({ failures }) => failures > 0),
      certificates_rejected: countsOf(rejected),
      tls: countsOf(tls),
      factors: countsOf(factors),
      without_factor: limited([...bare].sort()),
      audit,
    }),
  }
}

function filesOf({ detail }: Recorded): Map<string, string> {
  const files = Array.isArray(detail['files']) ? detail['files'].map(fields) : []
  return new Map(files.map((file) => [text(file['name']) ?? '', text(file['hash']) ?? '']))
}
