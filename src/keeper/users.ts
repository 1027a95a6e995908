/** What an operator does to users. Each refusal is words for that operator. */
import { randomBytes } from 'node:crypto'
import { clean } from '../base/clean.ts'
import { Refusal } from '../base/refusal.ts'
import { plainName } from '../base/user-name.ts'
import { makeRecoveryCodes } from '../factors/recovery.ts'
import { makeSeed, otpauthUri } from '../factors/totp.ts'
import type { IdentityRules } from './identity.ts'
import type { AuditEvent } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { Keyring } from '../state/secrets.ts'
import { USER_STATES, type Login, type Store, type Trusted, type UserState } from '../state/store.ts'

export type UsersContext = {
  store: Store
  keys: Keyring
  clock: Clock
  /** `users` of the policies in force. */
  rules(): IdentityRules
  emit(event: AuditEvent): void
}

/** Shown once: the URI holds the seed. */
export type Enrolment = { user: string; otpauth: string; recovery_codes: string[] }
/** Times are milliseconds since 1970. */
export type UserRow = { user: string; state: UserState; enrolled_at: number | null; last_login_at: number | null }
export type UserDevice = {
  id: string
  network: string
  fingerprint: string
  trusted_at: number
  last_used_at: number
  expires_at: number
}
export type UserDetail = {
  user: string
  state: UserState
  enrolled_at: number | null
  recovery_codes_left: number
  devices: UserDevice[]
  app_passwords: string[]
  logins: Login[]
  /** Of the last hour, where a server runs: a code that was right for so many seconds ahead of our clock, or behind it. */
  code_of_another_time?: { at: number; seconds: number } | null
}

const DEFAULT_ISSUER = 'Postern'

/**
 * Gives a user a new TOTP secret and ten recovery codes. With `replace` an earlier enrolment ends, and with it devices,
 * codes and logins under way. Throws {@link Refusal} for a name that is none, one outside the roster, and one that is
 * enrolled already.
 */
export async function enrollUser(
  context: UsersContext,
  typed: string,
  options: { replace?: boolean; issuer?: string } = {},
): Promise<Enrolment> {
  const { store, keys, clock, emit } = context
  const user = nameOf(context, typed)
  if (context.rules().roster?.has(user) === false)
    throw new Refusal(`the roster does not name ${user}: add it there first`)
  const seed = makeSeed()
  const codes = makeRecoveryCodes()
  const answer = await store.enroll({
    user,
    enrolment: randomBytes(8).toString('hex'),
    sealedSeed: keys.seal('seed', user, seed),
    recovery: codes.map((code) => keys.mac('recovery', user, code)),
    at: clock.now(),
    replace: options.replace === true,
  })
  if (answer.say === 'exists')
    throw new Refusal(`${user} is enrolled already: --replace ends that enrolment and makes a new one`)
  emit({ stream: 'admin', action: 'user-enrolled', user, replaced: answer.replaced })
  for (const device of answer.ended)
    emit({ stream: 'auth', action: 'device-revoked', user, device, reason: 'enrolled anew' })
  return { user, otpauth: otpauthUri(seed, user, options.issuer ?? DEFAULT_ISSUER), recovery_codes: codes }
}

/** Gives everybody the store knows and everybody on the roster, by name; or those in one state. */
export async function listUsers({ store, rules }: UsersContext, state?: string): Promise<UserRow[]> {
  const wanted = USER_STATES.find((one) => one === state)
  if (state !== undefined && wanted === undefined) throw new Refusal(`${state} is no state: ${USER_STATES.join(', ')}`)
  const known = new Map<string, UserRow>()
  for (const user of rules().roster?.values() ?? [])
    known.set(user, { user, state: 'none', enrolled_at: null, last_login_at: null })
  for (const { name, state, enrolledAt, lastLogin } of await store.users()) {
    known.set(name, { user: name, state, enrolled_at: enrolledAt, last_login_at: lastLogin })
  }
  const rows = [...known.values()].filter((row) => wanted === undefined || row.state === wanted)
  return rows.toSorted((a, b) => (a.user < b.user ? -1 : 1))
}

/** Gives all that is known of one user but the secrets. Throws {@link Refusal} for a user nobody knows. */
export async function showUser(context: UsersContext, typed: string): Promise<UserDetail> {
  const user = nameOf(context, typed)
  const { user: record, trusted, recovery } = await context.store.dossier(user)
  const logins = await context.store.logins(user)
  const onRoster = context.rules().roster?.has(user) === true
  if (record === null && logins.length === 0 && !onRoster) throw unknown(user)
  return {
    user,
    state: record?.state ?? 'none',
    enrolled_at: record?.enrolledAt ?? null,
    recovery_codes_left: recovery.filter((code) => code.usedAt === null).length,
    devices: devicesOf(trusted),
    app_passwords: [],
    logins,
  }
}

/** One row a device, whatever the number of strings it is trusted with; the one used last comes first. */
function devicesOf(trusted: Trusted[]): UserDevice[] {
  const devices = new Map<string, UserDevice>()
  for (const { device: id, network, fingerprint, since, lastUsed, expires } of trusted) {
    const known = devices.get(id)
    devices.set(id, {
      id,
      network,
      fingerprint,
      trusted_at: Math.min(since, known?.trusted_at ?? since),
      last_used_at: Math.max(lastUsed, known?.last_used_at ?? lastUsed),
      expires_at: Math.max(expires, known?.expires_at ?? expires),
    })
  }
  return [...devices.values()]
}

/**
 * Takes every trace of a user out of the store; the audit keeps its own. Works for names that the roster no longer holds.
 * Throws {@link Refusal} for a user the store does not know.
 */
export async function removeUser(context: UsersContext, typed: string): Promise<string> {
  const user = nameOf(context, typed)
  if (!(await context.store.remove(user))) throw unknown(user)
  context.emit({ stream: 'admin', action: 'user-removed', user })
  return user
}

function nameOf({ rules }: UsersContext, typed: string): string {
  const plain = plainName(typed, rules())
  if (plain === null)
    throw new Refusal(`${clean(typed)} is no user name: plain signs without spaces, at most one @, at most 254 octets`)
  return rules().roster?.get(plain) ?? plain
}

function unknown(user: string): Refusal {
  return new Refusal(`${user} is not known: \`postern user list\` names everybody`)
}
