/**
 * What a roster must not do while users are being enrolled, when a name without an enrolment gets in with the bare password: make one
 * mailbox two users, or give an enrolled user another name. Each gives faults, as `file:line:column: message`.
 */
import { backendFor, backendUsername } from './identity.ts'
import { loginPolicyOf } from './in-force.ts'
import type { Policies } from '../policy/load.ts'
import type { UserRow } from '../state/store.ts'

/** One fault is enough to mend the roster by; a roster has thousands of lines. */
const TOLD = 5

/** Two users whom the old server knows under one name: whoever has a code could leave it out under the other's. */
export function sharedMailboxes(policies: Policies): string[] {
  const { roster, login } = policies
  if (roster === null || login.second_factor.required_for !== 'enrolled') return []
  const { backends } = loginPolicyOf(policies)
  const owner = new Map<string, string>()
  const faults: string[] = []
  for (const user of new Set(roster.values())) {
    const backend = backendFor(user, backends)
    if (backend === null) continue
    const mailbox = `${backend.name} ${backendUsername(user, backend.username).toString()}`
    const other = owner.get(mailbox)
    if (other === undefined) owner.set(mailbox, user)
    else
      faults.push(
        `has ${other} and ${user} apart, who are one mailbox of ${backend.name}: write one as the other's alias`,
      )
  }
  return told(policies, faults)
}

/** An enrolled or frozen user whose name is another one's alias now: enrolment and freeze would no longer hold for that person. */
export function renamedUsers(policies: Policies, known: readonly UserRow[]): string[] {
  const { roster } = policies
  const renamed = known.flatMap(({ name, state }) => {
    const user = roster?.get(name)
    const isHeld = state !== 'none' && user !== undefined && user !== name
    return isHeld ? [`has ${name} as an alias of ${user}, and ${name} is ${state}: put ${name} first in its line`] : []
  })
  return told(policies, renamed)
}

function told({ tell }: Policies, faults: string[]): string[] {
  return faults.slice(0, TOLD).map((fault) => tell('login.yaml', ['users', 'roster'], fault))
}
