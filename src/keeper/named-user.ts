/** The users that operators name in their commands. */
import { clean } from '../base/clean.ts'
import { Refusal } from '../base/refusal.ts'
import { plainName } from '../base/user-name.ts'
import type { IdentityRules } from './identity.ts'

/** `rules`: `users` of the policies in force. */
export type Naming = { rules(): IdentityRules }

/** Gives the canonical name. Throws {@link Refusal} as {@link nameOf} does, and for one that the roster does not hold. */
export function listedName(context: Naming, typed: string): string {
  const user = nameOf(context, typed)
  if (context.rules().roster?.has(user) !== false) return user
  throw new Refusal(`the roster does not name ${user}: add it there first`)
}

/** Gives the canonical name. Throws {@link Refusal} for what is no name. */
export function nameOf({ rules }: Naming, typed: string): string {
  const plain = plainName(typed, rules())
  if (plain === null)
    throw new Refusal(`${clean(typed)} is no user name: plain signs without spaces, at most one @, at most 254 octets`)
  return rules().roster?.get(plain) ?? plain
}

/** The words for a user nobody knows. */
export function unknownUser(user: string): Refusal {
  return new Refusal(`${user} is not known: \`postern user list\` names everybody`)
}
