/** Reads a candidate policy folder and what of the audit it is to be tried on. */
import { NO_DATA } from '../gate/verdict.ts'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Trouble } from '../audit/cursor.ts'
import type { RuleAt } from '../audit/events.ts'
import { readRecord, text } from '../audit/recorded.ts'
import { readMerged } from '../audit/window.ts'
import { createVisits } from '../audit/visits.ts'
import { KNOWN_FOR_MS } from '../base/gate-limits.ts'
import { TRAVEL_LONGEST_MS } from '../base/login-limits.ts'
import { Refusal } from '../base/refusal.ts'
import { loginPolicyOf } from '../keeper/in-force.ts'
import { compilePolicies } from '../policy/compile.ts'
import { loadPolicies, type Policies } from '../policy/load.ts'
import { locateState } from '../policy/locate.ts'
import type { Path } from '../policy/yaml-file.ts'
import { gateOf } from '../policy/reputation.ts'
import { fetchedLists } from './feed-lists.ts'
import { createCandidate, type CandidateParts, type PassEvent, type TravelEvent } from './replay-candidate.ts'
import { createReplay, type Comparison } from './replay.ts'
import type { Places } from './replay-login.ts'
import { readTables } from './tables.ts'

/** Reads the policies in `folder` (or the postern.yaml named). `config`: those in force, whose copies of feeds and databases count. */
export async function loadCandidate(
  folder: string,
  config: string,
  now = Date.now(),
): Promise<{ parts: CandidateParts; remarks: string[] }> {
  const facts = await stat(folder).catch(() => null)
  const file = facts?.isDirectory() === true ? join(folder, 'postern.yaml') : folder
  const loaded = await loadPolicies(file, process.env, { now })
  if (!loaded.ok) throw new Refusal(...loaded.faults)
  const state = (await locateState(config, process.env)) ?? loaded.policies.postern.state.path
  return partsOf(withState(loaded.policies, state), now)
}

function withState(policies: Policies, path: string): Policies {
  return { ...policies, postern: { ...policies.postern, state: { ...policies.postern.state, path } } }
}

async function partsOf(policies: Policies, now: number): Promise<{ parts: CandidateParts; remarks: string[] }> {
  const { country, asn, remarks } = await readTables(policies, now)
  const lists = await fetchedLists(policies)
  const reputation = gateOf(policies.reputation, lists)
  const missing = (reputation?.feeds ?? []).filter(({ list }) => list === null).map(({ name }) => name)
  // A feed that was never fetched would refuse everybody: that is no news about the policy.
  const feeds = (reputation?.feeds ?? []).filter(({ list }) => list !== null)
  const gate = compilePolicies(policies, 0).gate
  return {
    parts: {
      gate: { ...gate, reputation: reputation && { ...reputation, feeds }, data: { ...NO_DATA, country, asn } },
      rates: policies.rates,
      zones: policies.dnsbl,
      login: loginPolicyOf(policies),
      places: placesOf(policies),
      passes: [],
      travels: [],
    },
    remarks: [
      ...remarks.map(({ plan, message }) => policies.tell('geofence.yaml', [plan.feed], message)),
      ...missing.map((name) => `the feed ${name} has no copy on disk: it is left out`),
    ],
  }
}

function placesOf({ tell, ruleAt }: Policies): Places {
  const login = (rule: string, path: Path): RuleAt => {
    const [, line] = /:(\d+):\d+: /.exec(tell('login.yaml', path, '')) ?? []
    return { file: 'login.yaml', line: Number(line ?? 0), rule }
  }
  return {
    roster: login('users.roster', ['users', 'roster']),
    domains: ruleAt('backends.domains', ['backends']),
    required: login('second_factor.required_for', ['second_factor', 'required_for']),
    methods: login('second_factor.methods', ['second_factor', 'methods']),
    asking: ruleAt('listeners.client_certificates', ['listeners']),
  }
}

/** `until` itself is out; null is for ever. Times are ms since 1970. */
export type Stretch = { since: number; until: number | null }

/** Feeds what is on record to the candidate. `late`: lines that came too late to be put in their order. */
export async function replayOver(
  folder: string,
  stretch: Stretch,
  parts: CandidateParts,
  trouble: Trouble,
): Promise<{ comparison: Comparison; late: number }> {
  const { since } = stretch
  const opened = await openedBefore(folder, { ...stretch, since: since - TRAVEL_LONGEST_MS }, trouble)
  const candidate = createCandidate({ ...parts, ...opened })
  for await (const batch of readMerged(folder, ['auth'], { since: since - KNOWN_FOR_MS, until: since }, trouble)) {
    for (const { line } of batch) {
      const record = line.includes('"login-succeeded"') ? readRecord(line) : null
      if (record?.action === 'login-succeeded' && record.ip !== undefined) candidate.proven(record.ip, record.at)
    }
  }
  const replay = createReplay(candidate)
  const visits = createVisits()
  for await (const batch of readMerged(folder, ['access', 'auth', 'session'], stretch, trouble)) {
    for (const { line } of batch) {
      // The end of a session, and its messages, say nothing that its beginning did not.
      if (line.includes('"action":"session-closed"') || line.includes('"action":"message-')) continue
      const record = readRecord(line)
      if (record === null) continue
      for (const visit of visits.take(record)) if (visit.at >= since) replay.take(visit)
    }
  }
  for (const visit of visits.end()) if (visit.at >= since) replay.take(visit)
  return { comparison: replay.result(), late: visits.late() }
}

/** What operators opened for a while: the longest is a journey. */
async function openedBefore(
  folder: string,
  stretch: Stretch,
  trouble: Trouble,
): Promise<Pick<CandidateParts, 'passes' | 'travels'>> {
  const passes: PassEvent[] = []
  const travels: TravelEvent[] = []
  for await (const batch of readMerged(folder, ['admin'], stretch, trouble)) {
    for (const { line } of batch) {
      const record = line.includes('"break-glass"') || line.includes('"user-travel"') ? readRecord(line) : null
      if (record === null) continue
      const { at, action, user, reason = '', detail } = record
      const ends = Date.parse(text(detail['until']) ?? '')
      const until = Number.isNaN(ends) ? null : ends
      const network = text(detail['network'])
      const written: unknown[] = Array.isArray(detail['countries']) ? detail['countries'] : []
      const countries = written.flatMap((code) => text(code) ?? [])
      if (action === 'break-glass' && network !== undefined) passes.push({ at, network, until, reason })
      if (action === 'user-travel' && user !== undefined) travels.push({ at, user, countries, until })
    }
  }
  return { passes, travels }
}
