/** What an operator does to users. Each refusal is words for that operator. */
import { randomBytes } from 'node:crypto'
import { Refusal } from '../base/refusal.ts'
import { makeRecoveryCodes } from '../factors/recovery.ts'
import { makeSeed, otpauthUri } from '../factors/totp.ts'
import { appPasswordRows, type AppPasswordRow } from './app-passwords.ts'
import type { LiveSessions } from './end-sessions.ts'
import { listedName, nameOf, unknownUser } from './named-user.ts'
import type { IdentityRules } from './identity.ts'
import { isLive, type TrustRules } from '../factors/trusted-device.ts'
import type { AuditEvent } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { Keyring } from '../state/secrets.ts'
import { USER_STATES, type Frozen, type Login, type Store, type Trusted, type UserState } from '../state/store.ts'

export type UsersContext = {
  store: Store
  keys: Keyring
  clock: Clock
  /** `users` of the policies in force. */
  rules(): IdentityRules
  /** `trusted_device` of the policies in force. */
  trust(): TrustRules
  sessions: LiveSessions
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
  /** False: its trust has run out, or policy does not trust it so long. */
  trusted: boolean
}
export type UserDetail = {
  user: string
  state: UserState
  enrolled_at: number | null
  frozen: Frozen | null
  recovery_codes_left: number
  /** Until when a temporary code of the helpdesk is good; null without one. */
  temp_code_until: number | null
  devices: UserDevice[]
  app_passwords: AppPasswordRow[]
  /** A journey by command, if one lasts. */
  travel: { countries: string[]; until: number; reason: string } | null
  logins: Login[]
  /** Of the last hour, where a server runs: a code that was right for so many seconds ahead of our clock, or behind it. */
  code_of_another_time?: { at: number; seconds: number } | null
}

/** Stands before the user's name in authenticator apps. */
export const DEFAULT_ISSUER = 'Postern'

/**
 * Gives a user a new TOTP secret and ten recovery codes. With `replace` an earlier enrolment ends, and with it devices,
 * codes, app passwords, logins under way and open sessions: who had any of them may be why it is done. Throws {@link Refusal} for a name
 * that is none, one outside the roster, and one that is
 * enrolled already.
 */
export async function enrollUser(
  context: UsersContext,
  typed: string,
  options: { replace?: boolean; issuer?: string } = {},
): Promise<Enrolment> {
  const { store, keys, clock } = context
  const user = listedName(context, typed)
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
  tellEnrolled(context, { user, ...answer })
  return { user, otpauth: otpauthUri(seed, user, options.issuer ?? DEFAULT_ISSUER), recovery_codes: codes }
}

/** For the audit, and the end of what went with an earlier enrolment. */
export function tellEnrolled(
  { emit, sessions }: UsersContext,
  { user, replaced, ended, revoked }: { user: string; replaced: boolean; ended: string[]; revoked: string[] },
): void {
  emit({ stream: 'admin', action: 'user-enrolled', user, replaced })
  const reason = 'enrolled anew'
  for (const device of ended) emit({ stream: 'auth', action: 'device-revoked', user, device, reason })
  for (const name of revoked) emit({ stream: 'admin', action: 'app-password-revoked', user, name, reason })
  if (replaced) sessions.end({ user }, reason)
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
  const { user: record, trusted, recovery, temp, appPasswords } = await context.store.dossier(user)
  const now = context.clock.now()
  const logins = await context.store.logins(user)
  const journey = (await context.store.travels()).find((one) => one.user === user && context.clock.now() < one.until)
  const onRoster = context.rules().roster?.has(user) === true
  if (record === null && logins.length === 0 && !onRoster && journey === undefined) throw unknownUser(user)
  return {
    user,
    state: record?.state ?? 'none',
    enrolled_at: record?.enrolledAt ?? null,
    frozen: await context.store.frozen(user),
    recovery_codes_left: recovery.filter((code) => code.usedAt === null).length,
    temp_code_until: temp !== null && temp.usedAt === null && now < temp.until ? temp.until : null,
    devices: devicesOf(trusted, context.trust(), now),
    app_passwords: appPasswordRows(appPasswords, now),
    travel:
      journey === undefined ? null : { countries: journey.countries, until: journey.until, reason: journey.reason },
    logins,
  }
}

/** One row a device, whatever the number of strings it is trusted with; the one used last comes first. `now` is ms since 1970. */
export function devicesOf(trusted: Trusted[], rules: TrustRules, now: number): UserDevice[] {
  const devices = new Map<string, UserDevice>()
  for (const row of trusted) {
    const { device: id, network, fingerprint, since, lastUsed, expires } = row
    const known = devices.get(id)
    devices.set(id, {
      id,
      network,
      fingerprint,
      trusted_at: Math.min(since, known?.trusted_at ?? since),
      last_used_at: Math.max(lastUsed, known?.last_used_at ?? lastUsed),
      expires_at: Math.max(expires, known?.expires_at ?? expires),
      trusted: known?.trusted === true || isLive(row, rules, now),
    })
  }
  return [...devices.values()]
}

/**
 * Takes every trace of a user out of the store, and ends what is open; the audit keeps its own. Throws {@link Refusal} for a user the
 * store does not know, and for one that the roster still names: with `required_for: enrolled` that name would get in without a code.
 */
export async function removeUser(context: UsersContext, typed: string): Promise<string> {
  const user = nameOf(context, typed)
  if (context.rules().roster?.has(user) === true)
    throw new Refusal(
      `the roster still names ${user}: take that line out first; \`postern user freeze\` stops a user at once`,
    )
  const live = context.sessions.list().some((session) => session.user === user && !session.ending)
  if (!(await context.store.remove(user)) && !live) throw unknownUser(user)
  context.emit({ stream: 'admin', action: 'user-removed', user })
  context.sessions.end({ user }, 'removed')
  return user
}
