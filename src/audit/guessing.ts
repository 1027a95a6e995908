/** What an audit line says of locks and of guessing as a whole, beside what ECS has names for. */
import { clean } from '../base/clean.ts'
import { never } from '../base/never.ts'
import type { AuditEvent } from './events.ts'

export type GuessingEvent = Extract<
  AuditEvent,
  { action: 'user-locked' | 'network-locked' | 'spraying' | 'guessing-spread' | 'lock-cleared' }
>

/** Gives the fields under `postern`. */
export function guessingOf(event: GuessingEvent): Record<string, string | number | undefined> {
  switch (event.action) {
    case 'user-locked':
    case 'network-locked':
      return { network: clean(event.network), until: clean(event.until) }
    case 'spraying':
      return { network: clean(event.network), users: event.users, ...actOf(event) }
    case 'guessing-spread':
      return { networks: event.networks, ...actOf(event) }
    case 'lock-cleared':
      return { network: 'network' in event ? clean(event.network) : undefined, locks: event.locks }
    default:
      return never(event)
  }
}

/** What was done about it. */
function actOf({ act, until }: { act: string; until: string | null }): Record<string, string | undefined> {
  return { act, until: until === null ? undefined : clean(until) }
}
