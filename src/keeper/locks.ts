/** `postern lock list` and `lock clear`: what guessing has locked, and the end of it. */
import { clean } from '../base/clean.ts'
import { contains, parseAddress, parseRange, type Range } from '../base/ip.ts'
import { Refusal } from '../base/refusal.ts'
import { canonicalName, type IdentityRules } from './identity.ts'
import type { AuditEvent } from '../audit/events.ts'
import type { Clock } from '../base/clock.ts'
import type { CountKind, Lock, Store } from '../state/store.ts'

export type LocksContext = { store: Store; clock: Clock; rules(): IdentityRules; emit(event: AuditEvent): void }

/** `user` is null for an address or a network; `network` is `*` where every strange network is refused. Times are ISO 8601. */
export type LockRow = { kind: CountKind; user: string | null; network: string; since: string; until: string }

/** Gives the locks that stand, those of users first. */
export async function listLocks({ store, clock }: LocksContext): Promise<LockRow[]> {
  return (await store.locks(clock.now())).map(rowOf)
}

function rowOf({ kind, user, place, since, until }: Lock): LockRow {
  const network = kind === 'everywhere' ? '*' : place
  const times = { since: new Date(since).toISOString(), until: new Date(until).toISOString() }
  return { kind, user: user === '' ? null : user, network, ...times }
}

/**
 * Ends the locks of a user, or of all addresses and networks that an address or network holds, and forgets what was counted.
 * Gives the locks that stood. Throws {@link Refusal} for what is neither, and where there was nothing.
 */
export async function clearLocks(context: LocksContext, whose: string): Promise<LockRow[]> {
  const { store, clock, emit } = context
  const named = whose.trim()
  const range = parseRange(named)
  if (!range.ok && /[/]/.test(named)) throw new Refusal(`'${clean(named, 60)}' ${range.fault}`)
  const user = range.ok ? null : nameOf(context, named)
  const what = range.ok ? { holds: (place: string) => isWithin(place, range.value) } : { user: user ?? '' }
  const { locks, some } = await store.clearLocks(what, clock.now())
  const shown = range.ok ? range.value.text : (user ?? '')
  if (!some) throw new Refusal(`nothing is locked or counted for ${shown}; \`postern lock list\` names what is`)
  const whom = user === null ? { network: shown } : { user }
  emit({ stream: 'admin', action: 'lock-cleared', ...whom, locks: locks.length })
  return locks.map(rowOf)
}

/** A whole network that is locked is also meant by one address of it: who is behind that address wants to get in. */
function isWithin(place: string, range: Range): boolean {
  const locked = parseRange(place)
  if (!locked.ok) return false
  const [first, outer] = [parseAddress(firstOf(locked.value)), parseAddress(firstOf(range))]
  return (first !== null && contains(range, first)) || (outer !== null && contains(locked.value, outer))
}

const firstOf = (range: Range) => range.text.split(/[/-]/)[0] ?? ''

function nameOf({ rules }: LocksContext, typed: string): string {
  const plain = canonicalName(Buffer.from(typed), { ...rules(), roster: null })
  if (plain === null) throw new Refusal(`'${clean(typed, 60)}' is neither a user nor a network`)
  return rules().roster?.get(plain) ?? plain
}
