/** What somebody ought to look at: what the audit shows of accounts that may be in other hands. */
import {
  REPORT_ADDRESSES_MAX,
  REPORT_ADDRESS_USERS_MAX,
  REPORT_FINDINGS_MAX,
  REPORT_USERS_MAX,
} from '../base/audit-limits.ts'
import { limited, type Limited } from './counts.ts'
import { fields, number, text, type Recorded } from './recorded.ts'

/** Somebody had the right password and no code, from a network where the user was never proven. */
export type Exposed = { user: string; times: number; last: string; ip: string; country: string | null; reason: string }
/** A login from a country that this user never logged in from before, as far back as the audit reaches. */
export type FirstCountry = { user: string; country: string; at: string; ip: string; before: string[] }
/** A session that took or deleted far more than is usual for the user; see {@link DRAINED}. */
export type Drained = {
  user: string
  at: string
  ip: string
  retrieved: number
  deleted: number
  /** What the sessions before took on average; null where there were too few. */
  usual: number | null
}
export type CrowdedAddress = { ip: string; country: string | null; users: number; logged_in: number; refused: number }
export type TrustExpired = { user: string; times: number; last: string; ip: string }
/** A lock, or guessing seen as a whole. `network` is `*` for all where the user was not proven lately; `user` empty where it is about nobody. */
export type Lock = { at: string; action: string; user: string; network: string | null; reason: string | null }

export type Findings = {
  exposed: Limited<Exposed>
  first_countries: Limited<FirstCountry>
  drained: Limited<Drained>
  /** `users` of 50 means 50 or more. */
  addresses: Limited<CrowdedAddress>
  trust_expired: Limited<TrustExpired>
  locks: Limited<Lock>
}

export type Watcher = {
  /** A line from before the time of the report: what is usual. */
  before(record: Recorded): void
  take(record: Recorded): void
  findings(): Findings
}

/**
 * A drained mailbox: a session in which `least` messages or more were retrieved or deleted, and `times` as many as in that user's sessions
 * before on average. Of a user with fewer than `sessions` sessions before nothing is usual: there `unknown` messages count.
 */
export const DRAINED = { least: 50, times: 10, sessions: 5, unknown: 500 }
/** Different users from one address, from which on it is worth a look. */
const CROWD = 5
const LOCKS: ReadonlySet<string> = new Set([
  'user-locked',
  'user-frozen',
  'network-locked',
  'spraying',
  'guessing-spread',
])

type Usual = { countries: Set<string>; sessions: number; messages: number }

/** Gives one that has seen nothing. `addresses`: so many are looked at for many users. */
export function createWatcher(addresses = REPORT_ADDRESSES_MAX): Watcher {
  const usual = new Map<string, Usual>()
  const exposed = new Map<string, Exposed>()
  const expired = new Map<string, TrustExpired>()
  const crowds = createCrowds(addresses)
  const [countries, drained, locks] = [list<FirstCountry>(), list<Drained>(), list<Lock>()]

  const usualOf = (user: string): Usual => {
    const standing = usual.get(user) ?? { countries: new Set(), sessions: 0, messages: 0 }
    if (usual.size < REPORT_USERS_MAX) usual.set(user, standing)
    return standing
  }

  const login = ({ user = '', country, at, ip = '' }: Recorded, tell: boolean) => {
    const { countries: known } = usualOf(user)
    if (country === undefined || known.has(country)) return
    const before = [...known]
    known.add(country)
    if (tell && before.length > 0) countries.add({ user, country, at: iso(at), ip, before })
  }

  const session = ({ user = '', at, ip = '', detail }: Recorded, tell: boolean) => {
    const messages = fields(detail['messages'])
    const [retrieved, deleted] = [number(messages['retrieved']) ?? 0, number(messages['deleted']) ?? 0]
    const taken = Math.max(retrieved, deleted)
    const before = usualOf(user)
    const mean = before.sessions < DRAINED.sessions ? null : before.messages / before.sessions
    const most = mean === null ? DRAINED.unknown : Math.max(DRAINED.least, mean * DRAINED.times)
    if (tell && taken >= most) {
      drained.add({
        user,
        at: iso(at),
        ip,
        retrieved,
        deleted,
        usual: mean === null ? null : Math.round(mean * 10) / 10,
      })
    }
    before.sessions++
    before.messages += taken
  }

  const see = (record: Recorded, tell: boolean) => {
    if (record.action === 'login-succeeded') login(record, tell)
    else if (record.action === 'session-closed') session(record, tell)
  }

  return {
    before(record) {
      see(record, false)
    },
    take(record) {
      const { action, user = '', at, ip = '', country = null, reason } = record
      see(record, true)
      if (action === 'login-succeeded' || action === 'login-failed') crowds.take(record)
      if (action === 'password-exposed')
        bump(exposed, user, at, { user, times: 0, last: '', ip, country, reason: reason ?? '' })
      if (action === 'login-failed' && reason === 'trust-expired')
        bump(expired, user, at, { user, times: 0, last: '', ip })
      if (LOCKS.has(action)) locks.add(lockOf(record))
    },
    findings: () => ({
      exposed: limited([...exposed.values()].sort((a, b) => b.times - a.times)),
      first_countries: countries.all(),
      drained: drained.all(),
      addresses: crowds.all(),
      trust_expired: limited([...expired.values()].sort((a, b) => b.times - a.times)),
      locks: locks.all(),
    }),
  }
}

function lockOf({ at, action, user = '', network, reason, detail }: Recorded): Lock {
  const [users, networks] = [number(detail['users']), number(detail['networks'])]
  const [act, until] = [text(detail['act']), text(detail['until'])]
  const said = [
    reason,
    users === undefined ? undefined : `${users} users`,
    networks === undefined ? undefined : `${networks} networks`,
    act,
    until === undefined ? undefined : `until ${until}`,
  ].filter((word) => word !== undefined)
  return { at: iso(at), action, user, network: network ?? null, reason: said.join(', ') || null }
}

const iso = (at: number) => new Date(at).toISOString()

function bump<T extends { times: number; last: string }>(
  table: Map<string, T>,
  user: string,
  at: number,
  fresh: T,
): void {
  const standing = table.get(user) ?? fresh
  if (table.size < REPORT_USERS_MAX) table.set(user, standing)
  standing.times++
  standing.last = iso(at)
}

function list<T>(): { add(item: T): void; all(): Limited<T> } {
  const items: T[] = []
  let more = 0
  return {
    add(item) {
      if (items.length < REPORT_FINDINGS_MAX) items.push(item)
      else more++
    },
    all: () => ({ list: items, more }),
  }
}

type Crowd = { country: string | null; users: Set<string>; in: Set<string>; refused: number }

/** ATTACK: a botnet fills the table of addresses. When it is full, those with a single user are forgotten: they are no finding so far. */
function createCrowds(max: number): { take(record: Recorded): void; all(): Limited<CrowdedAddress> } {
  let table = new Map<string, Crowd>()
  const add = (set: Set<string>, user: string) => {
    if (set.size < REPORT_ADDRESS_USERS_MAX) set.add(user)
  }
  return {
    take({ ip = '', user = '', country = null, action }) {
      if (table.size >= max && !table.has(ip)) {
        table = new Map([...table].filter(([, { users }]) => users.size > 1))
        if (table.size >= max) return
      }
      const crowd = table.get(ip) ?? { country, users: new Set(), in: new Set(), refused: 0 }
      table.set(ip, crowd)
      add(crowd.users, user)
      if (action === 'login-succeeded') add(crowd.in, user)
      else crowd.refused++
    },
    all() {
      const crowded = [...table].filter(([, { users }]) => users.size >= CROWD)
      const rows = crowded.map(([ip, { country, users, in: inside, refused }]) => {
        return { ip, country, users: users.size, logged_in: inside.size, refused }
      })
      return limited(rows.sort((a, b) => b.users - b.logged_in - (a.users - a.logged_in) || b.refused - a.refused))
    },
  }
}
