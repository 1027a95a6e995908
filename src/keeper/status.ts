/** How the running server is: for `postern status`, and, shorter, for /readyz. */
import type { Readiness } from '../admin/admin.ts'
import type { JournalState } from '../audit/journal.ts'
import type { ForwardState } from './forwards.ts'
import type { BackendState } from './backends.ts'
import type { FeedState } from './feed-state.ts'
import type { Pass } from '../gate/verdict.ts'
import type { DatabaseState } from './databases.ts'
import { endingWords } from '../policy/client-ca.ts'
import type { PolicySet } from './in-force.ts'

/** Times are ISO 8601, ages and lags seconds. */
export type Status = {
  healthy: boolean
  state: Readiness['at']
  reasons: string[]
  /** What somebody ought to know, though all is well. */
  warnings: string[]
  version: string
  fronts: { running: number; wanted: number }
  sessions: number
  connections: number
  backends: BackendState[]
  policies: { generation: number; loaded_at: string; age: number; faults: string[] }
  /** Also the client CA and its revocation lists. */
  certificates: { name: string; expires: string; names: string[] }[]
  feeds: FeedState[]
  databases: DatabaseState[]
  /** Zones of DNS lists; `fault` null while they answer. */
  dnsbl: ZoneState[]
  /** Break-glass. */
  passes: { network: string; until: string; reason: string }[]
  /** Users, addresses and networks that are locked. */
  locks: number
  /** `findings`: what somebody else has changed, as it showed at the start or since. */
  audit: { state: JournalState['at']; lag: number; findings: string[] }
  /** Collectors that the audit goes to. */
  forwards: ForwardState[]
}

type ZoneState = { zone: string; fault: string | null }

/** What status and readiness are made of. */
export type Vitals = {
  version: string
  fronts: { running: number; wanted: number }
  sessions: number
  connections: number
  backends: BackendState[]
  set: PolicySet
  faults: readonly string[]
  journal: { state: JournalState; lag: number; findings: readonly string[] }
  draining: boolean
  feeds: FeedState[]
  /** Why the store cannot be used, or null. */
  store: string | null
  warnings: string[]
  databases: DatabaseState[]
  zones: ZoneState[]
  passes: readonly Pass[]
  locks: number
  forwards: ForwardState[]
}

/** `down` when nobody can log in here; `degraded` when somebody ought to look. */
export function readinessOf(vitals: Vitals): Readiness {
  const { fronts, backends, journal, draining, store, feeds } = vitals
  const down = [
    ...(draining ? ['draining'] : []),
    ...(fronts.running === 0 ? ['no front runs'] : []),
    ...(journal.state.at === 'failing' ? [`audit: ${journal.state.reason}`] : []),
    ...(store === null ? [] : [`store: ${store}`]),
    ...(backends.length > 0 && backends.every(({ up }) => up === false) ? ['no backend answers'] : []),
    ...feeds
      .filter(({ blocks }) => blocks)
      .map(
        ({ name, failed }) =>
          `feed ${name} has no list, and everybody is refused for it: ${failed ?? 'not fetched yet'}`,
      ),
  ]
  if (down.length > 0) return { at: 'down', reasons: down }
  const degraded = remarksOn(vitals)
  return degraded.length > 0 ? { at: 'degraded', reasons: degraded } : { at: 'ready' }
}

/** What somebody ought to look at. */
function remarksOn({ fronts, backends, journal, faults, set, feeds, databases, zones, forwards }: Vitals): string[] {
  const { certificates, clientCa, postern } = set.policies
  const endings = clientCa?.endings.flatMap((one) => ({ name: one.name, words: endingWords(one, Date.now()) })) ?? []
  const soon = certificates.filter(({ notAfter }) => notAfter - Date.now() < postern.tls.warn_before_expiry)
  return [
    ...feeds
      .filter(({ state }) => state !== 'good')
      .map(({ name, state, failed }) => `feed ${name} is ${state}: ${failed ?? 'not fetched yet'}`),
    ...(fronts.running < fronts.wanted ? [`${fronts.running} of ${fronts.wanted} fronts run`] : []),
    ...backends
      .filter(({ up }) => up === false)
      .map(({ backend, address, detail }) => `backend ${backend} at ${address}: ${detail}`),
    ...journal.findings.map((finding) => `audit: ${finding}`),
    ...(faults.length > 0 ? [`policies on disk are refused: ${faults[0] ?? ''}`] : []),
    ...set.policies.rejected.map(({ reason }) => reason),
    ...databases.flatMap(({ feed, fault }) => (fault === null ? [] : [`${feed}: ${fault}`])),
    ...zones.flatMap(({ zone, fault }) => (fault === null ? [] : [`dnsbl ${zone}: ${fault}`])),
    ...endings.flatMap(({ name, words }) => (words === null ? [] : [`${name} ${words}`])),
    ...forwards
      .filter(({ down }) => down)
      .map(({ to, fault, lag }) => `forward ${to} is ${Math.round(lag)} s behind: ${fault ?? 'it is catching up'}`),
    ...soon.map(
      ({ name, notAfter }) => `certificate ${name} runs out on ${new Date(notAfter).toISOString().slice(0, 10)}`,
    ),
  ]
}

function rowOf(name: string, end: number, names: string[]): Status['certificates'][number] {
  return { name, expires: new Date(end).toISOString(), names }
}

/** The whole of it, for the operator. */
export function statusOf(vitals: Vitals): Status {
  const readiness = readinessOf(vitals)
  const { set, faults, journal } = vitals
  return {
    healthy: readiness.at === 'ready',
    state: readiness.at,
    reasons: readiness.at === 'ready' ? [] : readiness.reasons,
    warnings: vitals.warnings,
    version: vitals.version,
    fronts: vitals.fronts,
    sessions: vitals.sessions,
    connections: vitals.connections,
    backends: vitals.backends,
    policies: {
      generation: set.snapshot.generation,
      loaded_at: new Date(set.loadedAt).toISOString(),
      age: Math.round((Date.now() - set.loadedAt) / 1_000),
      faults: [...faults],
    },
    certificates: [
      ...set.policies.certificates.map(({ name, notAfter, serverNames }) => rowOf(name, notAfter, serverNames)),
      ...(set.policies.clientCa?.endings ?? []).map(({ name, at }) => rowOf(name, at, ['client certificates'])),
    ],
    feeds: vitals.feeds,
    databases: vitals.databases,
    dnsbl: vitals.zones,
    passes: vitals.passes
      .filter(({ until }) => Date.now() < until)
      .map(({ range, until, reason }) => ({
        network: range.text,
        until: new Date(until).toISOString(),
        reason,
      })),
    locks: vitals.locks,
    audit: { state: journal.state.at, lag: journal.lag, findings: [...journal.findings] },
    forwards: vitals.forwards,
  }
}
