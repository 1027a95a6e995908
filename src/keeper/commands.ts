/** Operators' commands that work on the state: the same whether the server runs them or a command alone under the lock. */
import { z } from 'zod'
import { Refusal } from '../base/refusal.ts'
import { allowNetwork } from './break-glass.ts'
import { travel } from './travel.ts'
import { canonicalUser, enrollUser, listUsers, removeUser, showUser, type UsersContext } from './users.ts'

const user = z.object({ user: z.string().min(1).max(1_000) })
const enrolment = user.extend({ replace: z.boolean() })
const pass = z.object({ network: z.string().max(100), for: z.string().max(20), reason: z.string().max(1_000) })
const journey = user.extend({
  countries: z.array(z.string().max(100)).max(1_000),
  until: z.string().max(40),
  reason: z.string().max(1_000),
})
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
    case 'user.travel': {
      const { user: name, ...wanted } = read(journey, args)
      return travel(context, canonicalUser(context, name), wanted)
    }
    case 'allow':
      return allowNetwork(context, read(pass, args))
    default:
      throw new Refusal(`the server does not know the command '${command.slice(0, 40)}'; is it an older version?`)
  }
}

function read<T>(schema: z.ZodType<T>, args: Record<string, unknown>): T {
  const got = schema.safeParse(args)
  if (!got.success) throw new Refusal('the arguments of this command are not understood')
  return got.data
}
