/** What an auditor asks, answered from the policies on disk and from what is on record. */
import type { Report } from '../audit/report.ts'
import { isPrivate, parseAddress } from '../base/ip.ts'
import { FEED_STALE_TIMES } from '../base/gate-limits.ts'
import { readCopy } from '../keeper/feed-copy.ts'
import type { Policies } from '../policy/load.ts'

/** `ok`: nothing to do. `look`: somebody decides. `act`: something is wrong. */
export type Item = { item: string; finding: string; state: 'ok' | 'look' | 'act'; todo: string }

const DAY = 86_400_000
const HALF_YEAR = 180
const YEAR = 365

/** Needs policies without a fault (null where there are none: what they would tell is left out), the report, and the present. */
export async function complianceOf(policies: Policies | null, report: Report, now: number): Promise<Item[]> {
  const ofPolicies =
    policies === null
      ? [act('Policies', 'could not be read', 'run `postern check`; the items that depend on them are left out here')]
      : [
          secondFactor(policies),
          exempt(policies),
          tlsVersion(policies, report),
          ...certificates(policies, now),
          ...backends(policies),
          kept(policies, report),
          monitors(policies),
          await feeds(policies, now),
        ]
  return [...ofPolicies, withoutFactor(report), completeness(report), changes(report), passes(report)]
}

const ok = (item: string, finding: string): Item => ({ item, finding, state: 'ok', todo: '' })
const look = (item: string, finding: string, todo: string): Item => ({ item, finding, state: 'look', todo })
const act = (item: string, finding: string, todo: string): Item => ({ item, finding, state: 'act', todo })

function secondFactor({ login: { second_factor: rules } }: Policies): Item {
  const item = 'Second factor for everybody'
  if (rules.required_for === 'all') return ok(item, 'required for all')
  const until = rules.until === null ? 'without an end' : `until ${new Date(rules.until).toISOString().slice(0, 10)}`
  return act(item, `required for enrolled users alone, ${until}`, 'enrol the rest, then write `required_for: all`')
}

function exempt({ login: { second_factor: rules } }: Policies): Item {
  const item = 'Networks without a second factor'
  if (rules.not_required_from.length === 0) return ok(item, 'none')
  const names = rules.not_required_from.slice(0, 10).map(({ text }) => text)
  return look(item, names.join(' '), 'keep only networks that strangers cannot send from')
}

function withoutFactor({ running: { factors, without_factor } }: Report): Item {
  const item = 'Logins without a second factor'
  const logins = factors['none'] ?? 0
  if (logins === 0) return ok(item, 'none in this time')
  const users = without_factor.list.length + without_factor.more
  return look(item, `${logins} logins by ${users} users`, 'enrol these users (named in the JSON), or say why not')
}

function tlsVersion({ postern: { tls } }: Policies, { running }: Report): Item {
  const all = Object.values(running.tls).reduce((sum, one) => sum + one, 0)
  const old = running.tls['1.2'] ?? 0
  const share = all === 0 ? 'no logins in this time' : `TLS 1.2 in ${((100 * old) / all).toFixed(1)} % of ${all} logins`
  const finding = `at least TLS ${tls.min_version}; ${share}`
  if (tls.min_version === '1.3' || old > 0 || all === 0) return ok('TLS version', finding)
  return look('TLS version', finding, 'nobody needs TLS 1.2 any more: write `min_version: "1.3"`')
}

function certificates({ certificates: all, postern }: Policies, now: number): Item[] {
  return all.map(({ name, notAfter }) => {
    const item = `Certificate ${name}`
    const days = Math.floor((notAfter - now) / DAY)
    const finding = `valid until ${new Date(notAfter).toISOString().slice(0, 10)}, ${days} days`
    if (notAfter <= now) return act(item, finding, 'it has run out: renew it now')
    if (notAfter - now < postern.tls.warn_before_expiry) return act(item, finding, 'renew it')
    return ok(item, finding)
  })
}

/** Passwords and mail go over this link as they are. */
function backends({ postern: { backends: all } }: Policies): Item[] {
  return all.map(({ name, tls, addresses }) => {
    const item = `Link to the old server ${name}`
    if (tls !== 'off') return ok(item, `encrypted (${tls})`)
    const open = addresses.filter(({ host }) => {
      const address = parseAddress(host)
      return address === null ? host !== 'localhost' : !isPrivate(address)
    })
    if (open.length === 0) return ok(item, 'not encrypted, within private networks')
    const hosts = open.map(({ host }) => host).join(' ')
    const named = open.every(({ host }) => parseAddress(host) === null)
    if (named) return look(item, `not encrypted; ${hosts} is a name`, 'see that it leads into a private network')
    return act(item, `not encrypted, beyond private networks: ${hosts}`, 'use a tunnel or a private network')
  })
}

function kept({ postern: { audit } }: Policies, { reaches_back }: Report): Item {
  const item = 'Audit kept'
  const days = Math.floor(audit.keep / DAY)
  const finding = `${days} days by policy; the oldest line is of ${reaches_back?.slice(0, 10) ?? 'no day yet'}`
  if (days >= YEAR) return ok(item, finding)
  if (days >= HALF_YEAR)
    return look(item, finding, 'enough for half a year; who has to keep a year writes `keep: 366d`')
  return act(item, finding, 'many rules ask for 180 or 365 days: write `keep: 200d` or more')
}

function completeness({ running: { audit }, troubles, unread }: Report): Item {
  const item = 'Audit complete and untouched'
  const places = troubles.list.length + troubles.more
  const seal = audit.last_seal === null ? 'no checkpoint in this time' : `last checkpoint ${audit.last_seal}`
  const lost = audit.forward_lost === 0 ? '' : `, ${audit.forward_lost} removed before a collector got them`
  const finding = `${places} places missing or unreadable, ${unread} lines not understood, ${audit.dropped} lines dropped, ${audit.repaired} ends repaired, ${audit.tampered} found altered${lost}; ${seal}`
  const todo = 'run `postern audit verify`: this report reads, and proves nothing'
  return places + unread + audit.dropped + audit.tampered + audit.forward_lost > 0
    ? act(item, finding, todo)
    : look(item, finding, todo)
}

function changes({ running: { policy_changes, policies_rejected } }: Report): Item {
  const all = policy_changes.list.length + policy_changes.more
  const last = policy_changes.list.at(-1)?.at
  const finding = `${all} times${last === undefined ? '' : `, last ${last}`}; refused ${policies_rejected} times`
  if (all === 0 && policies_rejected === 0) return ok('Policies changed', 'not in this time')
  return look(
    'Policies changed',
    finding,
    'who edited the files is not on record here: keep the folder in version control',
  )
}

function passes({ running: { passes: all } }: Report): Item {
  const given = all.list.filter(({ until }) => until !== null).length + all.more
  if (given === 0) return ok('Break-glass passes', 'none in this time')
  return look('Break-glass passes', `${given} given`, 'see that each had its reason (in the JSON)')
}

function monitors({ networks, reputation, geofence, rates, dnsbl, postern }: Policies): Item {
  const item = 'Checks of the gate'
  const watched = [
    networks?.mode === 'monitor' ? 'networks' : '',
    reputation?.mode === 'monitor' ? 'reputation' : '',
    geofence?.check.mode === 'monitor' ? 'geofence' : '',
    rates?.mode === 'monitor' ? 'rates' : '',
    ...(reputation?.feeds ?? []).map(({ name, mode }) => (mode === 'monitor' ? `feed ${name}` : '')),
    ...dnsbl.map(({ zone, mode }) => (mode === 'monitor' ? `zone ${zone}` : '')),
  ].filter((name) => name !== '')
  const finding = `on: ${postern.checks.join(', ') || 'none'}`
  if (watched.length === 0) return ok(item, finding)
  return look(
    item,
    `${finding}; in monitor mode: ${watched.join(', ')}`,
    'see what they would deny, then write `mode: enforce`',
  )
}

async function feeds({ reputation, postern }: Policies, now: number): Promise<Item> {
  const stale: string[] = []
  for (const { name, source } of reputation?.feeds ?? []) {
    if (source.from !== 'url') continue
    const copy = await readCopy(postern.state.path, name, source.url)
    if (copy === null) stale.push(`${name} (never fetched, or not readable by you)`)
    else if (now - copy.note.confirmed > source.refreshMs * FEED_STALE_TIMES) {
      stale.push(`${name} (${new Date(copy.note.confirmed).toISOString().slice(0, 10)})`)
    }
  }
  if (stale.length === 0) return ok('Feeds up to date', `${reputation?.feeds.length ?? 0} feeds`)
  return act('Feeds up to date', `stale: ${stale.join(', ')}`, '`postern status` says why they cannot be fetched')
}
