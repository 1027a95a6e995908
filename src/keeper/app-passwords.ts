/** What an operator does to app passwords. Each refusal is words for that operator. */
import { randomBytes } from 'node:crypto'
import { clean } from '../base/clean.ts'
import { parseRange } from '../base/ip.ts'
import {
  APP_PASSWORD_LONGEST_MS,
  APP_PASSWORD_NAME_MAX,
  APP_PASSWORD_NETWORKS_MAX,
  APP_PASSWORDS_PER_USER_MAX,
  MAILBOX_PASSWORD_MAX,
} from '../base/login-limits.ts'
import { parseDuration } from '../base/quantity.ts'
import { Refusal } from '../base/refusal.ts'
import { Secret } from '../base/secret.ts'
import { groupsOf, makeAppPassword } from '../factors/app-password.ts'
import { lockersOf, sealFor } from '../factors/kept-app-password.ts'
import type { LiveSessions } from './end-sessions.ts'
import { listedName, nameOf, unknownUser, type Naming } from './named-user.ts'
import type { AuditEvent } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { Keyring } from '../state/secrets.ts'
import type { AppPassword, Store } from '../state/store.ts'

type Context = Naming & { store: Store; keys: Keyring; clock: Clock; emit(event: AuditEvent): void }

/** `password`: the mailbox password in base64; null with `--pending`. */
export type NewAppPassword = {
  user: string
  name: string
  networks: string
  expires: string | null
  password: string | null
}

/** Shown once: `app_password` opens the mailbox. Times are milliseconds since 1970. */
export type AddedAppPassword = {
  user: string
  name: string
  app_password: string
  networks: string
  expires_at: number | null
  pending: boolean
}

/** `stale`: the old server refused what it holds; a login with a code mends that. */
export type AppPasswordRow = {
  name: string
  state: 'ready' | 'pending' | 'stale' | 'expired'
  networks: string
  learnt_network: string | null
  created_at: number
  expires_at: number | null
  last_used_at: number | null
  stale_since: number | null
}

/**
 * Makes an app password. The mailbox password is not tried here: the keeper speaks to no mail server, and the first login
 * with the app password tells. Throws {@link Refusal} for arguments that do not fit, a name that the user has already, and
 * more than twenty.
 */
export async function addAppPassword(context: Context, wanted: NewAppPassword): Promise<AddedAppPassword> {
  const { store, keys, clock, emit } = context
  const user = listedName(context, wanted.user)
  const name = readName(wanted.name)
  const networks = readNetworks(wanted.networks)
  const now = clock.now()
  const expires = wanted.expires === null ? null : now + readTime(wanted.expires)
  const password = wanted.password === null ? null : readPassword(wanted.password)
  const bound = { user, id: randomBytes(8).toString('hex') }
  const letters = makeAppPassword()
  const { lookup, sealedPublic, publicHalf } = lockersOf(keys, bound, letters)
  const row: AppPassword = {
    ...{ id: bound.id, name, lookup, sealedPublic, networks, expires, createdAt: now },
    ...{ learnt: null, lastUsed: null, staleSince: null },
    sealed: password === null ? null : sealFor(keys, bound, publicHalf, password),
    sealedAt: password === null ? null : now,
  }
  const answer = await store.addAppPassword(user, row, APP_PASSWORDS_PER_USER_MAX)
  if (answer === 'exists') throw new Refusal(`${user} has an app password named '${name}': revoke it, or name this one otherwise`) // prettier-ignore
  if (answer === 'full') throw new Refusal(`${user} has ${APP_PASSWORDS_PER_USER_MAX} app passwords: revoke one first`)
  const until = expires === null ? null : new Date(expires).toISOString()
  const pending = password === null
  emit({ stream: 'admin', action: 'app-password-added', user, name, networks, expires: until, pending })
  return { user, name, app_password: groupsOf(letters), networks, expires_at: expires, pending }
}

/** Gives a user's app passwords without anything that opens one. Throws {@link Refusal} for a user nobody knows. */
export async function listAppPasswords(context: Context, typed: string): Promise<AppPasswordRow[]> {
  const user = nameOf(context, typed)
  const { user: record, appPasswords } = await context.store.dossier(user)
  if (record === null && context.rules().roster?.has(user) !== true) throw unknownUser(user)
  return appPasswordRows(appPasswords, context.clock.now())
}

/** Ends an app password, the sessions it opened, and logins under way. Throws {@link Refusal} when there is none of that name. */
export async function revokeAppPassword(
  context: Context & { sessions: LiveSessions },
  typed: string,
  name: string,
): Promise<{ user: string; sessions: number }> {
  const user = nameOf(context, typed)
  if (!(await context.store.revokeAppPassword(user, name)))
    throw new Refusal(`${user} has no app password named '${clean(name)}': \`postern app-password list ${user}\` names them`) // prettier-ignore
  context.emit({ stream: 'admin', action: 'app-password-revoked', user, name, reason: 'revoked' })
  const ended = context.sessions.end({ user, appPassword: name }, 'app password revoked')
  return { user, sessions: ended.length }
}

/** Gives what may be shown of some rows, at that moment (ms since 1970). */
export function appPasswordRows(rows: readonly AppPassword[], now: number): AppPasswordRow[] {
  return rows.map((row) => ({
    name: row.name,
    state: stateOf(row, now),
    networks: row.networks,
    learnt_network: row.learnt,
    created_at: row.createdAt,
    expires_at: row.expires,
    last_used_at: row.lastUsed,
    stale_since: row.staleSince,
  }))
}

function stateOf({ expires, sealed, staleSince }: AppPassword, now: number): AppPasswordRow['state'] {
  if (expires !== null && now >= expires) return 'expired'
  if (sealed === null) return 'pending'
  return staleSince === null ? 'ready' : 'stale'
}

function readName(text: string): string {
  const name = text.trim()
  if (name !== '' && name.length <= APP_PASSWORD_NAME_MAX && clean(name) === name) return name
  throw new Refusal(`--name '${clean(text, 60)}' does not fit: 1 to ${APP_PASSWORD_NAME_MAX} visible signs`)
}

function readNetworks(text: string): string {
  const parts = text.split(',').map((part) => part.trim())
  const [only = ''] = parts
  if (parts.length === 1 && (only === 'any' || only === 'learn')) return only
  if (parts.length > APP_PASSWORD_NETWORKS_MAX)
    throw new Refusal(`--networks names more than ${APP_PASSWORD_NETWORKS_MAX} networks: use wider ones, or any`)
  const canonical = parts.map((part) => {
    const range = parseRange(part)
    if (!range.ok) throw new Refusal(`--networks '${clean(part, 60)}' ${range.fault}; or write learn or any, alone`)
    return range.value.text
  })
  return [...new Set(canonical)].join(',')
}

function readTime(text: string): number {
  const time = parseDuration(text)
  if (!time.ok) throw new Refusal(`--expires '${clean(text, 60)}' ${time.fault}`)
  if (time.value === 0 || time.value > APP_PASSWORD_LONGEST_MS)
    throw new Refusal(`--expires ${clean(text, 60)} does not fit: up to ten years; for longer, leave it out`)
  return time.value
}

/** What no USER/PASS dialogue can carry is refused here, where it can still be mended. */
function readPassword(base64: string): Secret {
  const password = Buffer.from(base64, 'base64')
  if (password.length === 0) throw new Refusal('the mailbox password is empty: type it, or use --pending')
  if (password.length > MAILBOX_PASSWORD_MAX || password.some((byte) => byte === 0x0d || byte === 0x0a || byte === 0))
    throw new Refusal('the mailbox password does not fit: one line without NUL, of no more than 12,288 octets')
  return new Secret(password)
}
