/** What the helpdesk does for one user: freezing, devices, a code for a lost phone. Each refusal is words for the operator. */
import { clean } from '../base/clean.ts'
import { TEMP_CODE_LEAST_MS, TEMP_CODE_LONGEST_MS } from '../base/login-limits.ts'
import { parseDuration } from '../base/quantity.ts'
import { Refusal } from '../base/refusal.ts'
import { makeRecoveryCode } from '../factors/recovery.ts'
import { nameOf, unknownUser } from './named-user.ts'
import { devicesOf, type UserDevice, type UsersContext } from './users.ts'

/** `known`: enrolled, or on the roster. A freeze holds for other names too; who typed one may have misspelt it. */
export type FrozenUser = { user: string; known: boolean; sessions: number }

/**
 * Shuts a user out until `unfreeze`: no password, code or device counts, also of a name that was never enrolled. Ends devices, the
 * temporary code, logins under way and open sessions. Throws {@link Refusal} for what is no name, and without a reason.
 */
export async function freezeUser(context: UsersContext, typed: string, why: string): Promise<FrozenUser> {
  const { store, clock, emit, sessions, rules } = context
  const user = nameOf(context, typed)
  const reason = clean(why.trim())
  if (reason === '') throw new Refusal('--reason is empty; say why, for the audit and for who unfreezes')
  const { user: record } = await store.dossier(user)
  const devices = await store.freeze(user, { at: clock.now(), reason })
  emit({ stream: 'auth', action: 'user-frozen', user, reason })
  for (const device of devices) emit({ stream: 'auth', action: 'device-revoked', user, device, reason: 'frozen' })
  const ended = sessions.end({ user }, 'frozen')
  const known = (record !== null && record.enrolledAt !== null) || rules().roster?.has(user) === true
  return { user, known, sessions: ended.length }
}

/** Lets a user in again, with a new code: what the freeze ended stays ended. Throws {@link Refusal} for one who is not frozen. */
export async function unfreezeUser(context: UsersContext, typed: string): Promise<{ user: string }> {
  const user = nameOf(context, typed)
  if ((await context.store.frozen(user)) === null) throw new Refusal(`${user} is not frozen`)
  await context.store.freeze(user, null)
  context.emit({ stream: 'auth', action: 'user-unfrozen', user })
  return { user }
}

/** `until` is ISO 8601. The code is shown once. */
export type TempCodeMade = { user: string; code: string; until: string }

/**
 * Makes a code that is good once within `time`, in place of the one before. The user's secret stays as it is. Throws {@link Refusal}
 * for a user without enrolment, a frozen one, and a time that is too long.
 */
export async function makeTempCode(context: UsersContext, typed: string, time: string): Promise<TempCodeMade> {
  const { store, keys, clock, emit } = context
  const user = nameOf(context, typed)
  const ms = parseDuration(time)
  if (!ms.ok) throw new Refusal(`--for '${clean(time, 60)}' ${ms.fault}`)
  if (ms.value < TEMP_CODE_LEAST_MS || ms.value > TEMP_CODE_LONGEST_MS)
    throw new Refusal(
      `--for ${clean(time, 60)} must be between 1m and 7d; for good, enrol the user anew with --replace`,
    )
  const { user: record } = await store.dossier(user)
  const enrolment = record?.enrolment ?? null
  if (record?.state === 'frozen') throw new Refusal(`${user} is frozen: \`postern user unfreeze\` comes first`)
  if (enrolment === null)
    throw new Refusal(`${user} is not enrolled: \`postern user enroll ${user}\` makes codes, also for today`)
  const code = makeRecoveryCode()
  const at = clock.now()
  const until = at + ms.value
  const mac = keys.mac('recovery', user, code)
  if (!(await store.giveTempCode({ user, enrolment, mac, at, until })))
    throw new Refusal(`${user} was changed by somebody else just now; look with \`postern user show\`, then try again`)
  emit({ stream: 'admin', action: 'temp-code-made', user, until: new Date(until).toISOString() })
  return { user, code, until: new Date(until).toISOString() }
}

/** Gives the devices of a user, the one used last first, also those whose trust has run out. Throws {@link Refusal} for an unknown one. */
export async function listDevices(
  context: UsersContext,
  typed: string,
): Promise<{ user: string; devices: UserDevice[] }> {
  const user = nameOf(context, typed)
  const { user: record, trusted } = await context.store.dossier(user)
  if (record === null && context.rules().roster?.has(user) !== true) throw unknownUser(user)
  return { user, devices: devicesOf(trusted, context.trust(), context.clock.now()) }
}

export type Revoked = { user: string; devices: string[]; sessions: number }

/**
 * Ends the trust of one device, or of all, and the sessions that it opened: it needs a new code. Throws {@link Refusal} where
 * there is none.
 */
export async function revokeDevices(context: UsersContext, typed: string, id: string | undefined): Promise<Revoked> {
  const { store, clock, emit, sessions } = context
  const user = nameOf(context, typed)
  const known = (await store.dossier(user)).trusted.map(({ device }) => device)
  const meant = [...new Set(known)].filter((device) => id === undefined || device === id)
  if (meant.length === 0) {
    const what = id === undefined ? 'no device' : `no device ${clean(id, 60)}`
    throw new Refusal(`${user} has ${what}; \`postern device list ${user}\` names them`)
  }
  const devices = await store.endDevices(user, id ?? null, clock.now())
  for (const device of devices) emit({ stream: 'auth', action: 'device-revoked', user, device, reason: 'by hand' })
  const ended = meant.flatMap((device) => sessions.end({ user, device }, 'device revoked'))
  return { user, devices: meant, sessions: ended.length }
}
