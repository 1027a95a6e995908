/** Operators' commands that work on the state: the same whether the server runs them or a command alone under the lock. */
import { z } from 'zod'
import { Refusal } from '../base/refusal.ts'
import { MAILBOX_PASSWORD_MAX } from '../base/login-limits.ts'
import { addAppPassword, listAppPasswords, revokeAppPassword } from './app-passwords.ts'
import { allowNetwork } from './break-glass.ts'
import { killSessions } from './end-sessions.ts'
import { enrolMany, planEnrolment } from './enrol-many.ts'
import { freezeUser, listDevices, makeTempCode, revokeDevices, unfreezeUser } from './helpdesk.ts'
import { clearLocks, listLocks } from './locks.ts'
import { listedName, nameOf } from './named-user.ts'
import { travel } from './travel.ts'
import { enrollUser, listUsers, removeUser, showUser, type UsersContext } from './users.ts'

const user = z.object({ user: z.string().min(1).max(1_000) })
const enrolment = user.extend({ replace: z.boolean() })
const pass = z.object({ network: z.string().max(100), for: z.string().max(20), reason: z.string().max(1_000) })
const named = user.extend({ name: z.string().max(1_000) })
const appPassword = named.extend({
  networks: z.string().max(4_000),
  expires: z.string().max(20).nullable(),
  password: z
    .string()
    .max(2 * MAILBOX_PASSWORD_MAX)
    .nullable(),
})
const plan = z.object({
  lines: z.array(z.object({ line: z.int(), names: z.array(z.string().max(2_000)).max(1_000) })),
  replace: z.boolean(),
})
const many = z.object({
  made: z.array(
    z.object({
      user: z.string().max(1_000),
      seed: z.string().max(100),
      recovery_codes: z.array(z.string().max(20)).max(20),
    }),
  ),
  replace: z.boolean(),
})
const freezing = user.extend({ reason: z.string().max(1_000) })
const temporary = user.extend({ for: z.string().max(20) })
const device = user.extend({ device: z.string().max(100).optional() })
const killing = z.object({
  id: z.string().max(100).optional(),
  user: z.string().max(1_000).optional(),
  reason: z.string().max(1_000).optional(),
})
const journey = user.extend({
  countries: z.array(z.string().max(100)).max(1_000),
  until: z.string().max(40),
  reason: z.string().max(1_000),
})
const whose = z.object({ whose: z.string().min(1).max(1_000) })
const listing = z.object({ state: z.string().optional() })

/** Runs one command. Throws Refusal for a command or arguments that are unknown, and for what the command refuses. */
export async function perform(context: UsersContext, command: string, args: Record<string, unknown>): Promise<unknown> {
  switch (command) {
    case 'user.enroll': {
      const { user: name, replace } = read(enrolment, args)
      return enrollUser(context, name, { replace })
    }
    case 'user.list': {
      const { state } = read(listing, args)
      return listUsers(context, state)
    }
    case 'user.show':
      return showUser(context, read(user, args).user)
    case 'user.remove':
      return removeUser(context, read(user, args).user)
    case 'app-password.add':
      return addAppPassword(context, read(appPassword, args))
    case 'app-password.list':
      return listAppPasswords(context, read(user, args).user)
    case 'app-password.revoke': {
      const { user: whose, name } = read(named, args)
      return revokeAppPassword(context, whose, name)
    }
    case 'user.travel': {
      const { user: name, ...wanted } = read(journey, args)
      return travel(context, listedName(context, name), wanted)
    }
    case 'allow':
      return allowNetwork(context, read(pass, args))
    case 'lock.list':
      return listLocks(context)
    case 'lock.clear':
      return clearLocks(context, read(whose, args).whose)
    default:
      return people(context, command, args)
  }
}

const READING = [
  'app-password.list',
  'lock.list',
  'user.list',
  'user.show',
  'user.enroll-plan',
  'device.list',
  'session.list',
]

/** Tells whether a command changes nothing, so that it has an answer also while the audit cannot be written. */
export function isReading(command: string): boolean {
  return READING.includes(command)
}

/** What the helpdesk does. */
async function people(context: UsersContext, command: string, args: Record<string, unknown>): Promise<unknown> {
  switch (command) {
    case 'user.enroll-plan':
      return planEnrolment(context, read(plan, args))
    case 'user.enroll-many':
      return enrolMany(context, read(many, args))
    case 'user.freeze': {
      const { user: name, reason } = read(freezing, args)
      return freezeUser(context, name, reason)
    }
    case 'user.unfreeze':
      return unfreezeUser(context, read(user, args).user)
    case 'user.temp-code': {
      const { user: name, for: time } = read(temporary, args)
      return makeTempCode(context, name, time)
    }
    case 'device.list':
      return listDevices(context, read(user, args).user)
    case 'device.revoke': {
      const { user: name, device: id } = read(device, args)
      return revokeDevices(context, name, id)
    }
    case 'session.list':
      return context.sessions.list()
    case 'session.kill': {
      const { id, user: name, reason } = read(killing, args)
      return killSessions(context.sessions, { id, user: name === undefined ? name : nameOf(context, name), reason })
    }
    default:
      throw new Refusal(`the server does not know the command '${command.slice(0, 40)}'; is it an older version?`)
  }
}

function read<T>(schema: z.ZodType<T>, args: Record<string, unknown>): T {
  const got = schema.safeParse(args)
  if (!got.success) throw new Refusal('the arguments of this command are not understood')
  return got.data
}
