/**
 * What a roster must not do while users are being enrolled, when a name without an enrolment gets in with the bare password: make one
 * mailbox two users, or give an enrolled user another name. Each gives lines `file:line:column: message`.
 */
import { inTurns } from '../base/turns.ts'
import { backendFor, backendUsername } from './identity.ts'
import { loginPolicyOf } from './in-force.ts'
import type { Policies } from '../policy/load.ts'
import type { KnownUser } from '../state/store.ts'

/** A few are enough to mend the roster by; it has thousands of lines. */
const TOLD = 5

/** Two users whom the old server knows under one name: whoever has a code could leave it out under the other's. */
export async function sharedMailboxes(policies: Policies): Promise<string[]> {
  const { roster, login } = policies
  if (roster === null || login.second_factor.required_for !== 'enrolled') return []
  const mailboxOf = namer(policies)
  const owner = new Map<string, string>()
  const faults: string[] = []
  await inTurns(new Set(roster.values()), (user) => {
    const mailbox = mailboxOf(user)
    const other = mailbox === null ? undefined : owner.get(mailbox)
    if (other !== undefined)
      faults.push(`has ${other} and ${user} apart, who are one mailbox: write one as the other's alias`)
    else if (mailbox !== null) owner.set(mailbox, user)
  })
  return told(policies, faults)
}

/**
 * An enrolled or frozen user who has another name now, as an alias or by another domain of the same mailbox: enrolment and freeze would
 * no longer hold for that person. Asks who is known only where there is a roster.
 */
export async function renamedUsers(policies: Policies, known: () => Promise<KnownUser[]>): Promise<string[]> {
  const { roster } = policies
  if (roster === null) return []
  const mailboxOf = namer(policies)
  const owners = new Map<string | null, string>()
  await inTurns(new Set(roster.values()), (user) => owners.set(mailboxOf(user), user))
  owners.delete(null)
  const renamed: string[] = []
  await inTurns(await known(), ({ name, state }) => {
    const user = roster.get(name) ?? owners.get(mailboxOf(name))
    if (state === 'none' || user === undefined || user === name) return
    const fault = roster.has(name)
      ? `has ${name} as an alias of ${user}, and ${name} is ${state}: put ${name} first in its line`
      : `has ${user}, whose mailbox is that of ${name}, who is ${state}: write ${name} first in that line`
    renamed.push(fault)
  })
  return told(policies, renamed)
}

/** Where everybody of any domain is the mailbox of that local part, a frozen user comes under another domain. For `check`. */
export function looseDomains(policies: Policies): string[] {
  if (policies.roster !== null) return []
  const message =
    'leaves the domain out, and every domain is served: name the `domains`, or a roster, or one person is many users'
  return policies.postern.backends.flatMap(({ domains, username }, i) => {
    const isLoose = domains.includes('*') && !/\{(user|domain)\}/.test(username)
    return isLoose ? [policies.tell('postern.yaml', ['backends', i, 'username'], message)] : []
  })
}

/** Gives which mailbox of which old server a user is; null for one whom none serves. */
function namer(policies: Policies): (user: string) => string | null {
  const { backends } = loginPolicyOf(policies)
  return (user) => {
    const backend = backendFor(user, backends)
    return backend === null ? null : `${backend.name} ${backendUsername(user, backend.username).toString()}`
  }
}

function told({ tell }: Policies, faults: string[]): string[] {
  return faults.slice(0, TOLD).map((fault) => tell('login.yaml', ['users', 'roster'], fault))
}
