/** What some events say under `postern`, apart from `line.ts` for want of room there. */
import { clean } from '../base/clean.ts'
import { MESSAGES_NUMBERS_MAX } from '../base/forward-limits.ts'
import type { AuditEvent } from './events.ts'

/** Events about the audit's own files, and about where they are forwarded to. */
export type Trail = Extract<
  AuditEvent,
  { action: 'forward-failed' | 'forward-recovered' | 'forward-lost' | 'audit-repaired' | 'audit-dropped' }
>

/** Gives the fields of such an event. */
export function trailOf(event: Trail): { forward?: string; file?: string; lines?: number; bytes?: number } {
  switch (event.action) {
    case 'forward-failed':
    case 'forward-recovered':
      return { forward: clean(event.forward) }
    case 'forward-lost':
      return { forward: clean(event.forward), file: clean(event.file), lines: event.lines }
    case 'audit-repaired':
      return { file: clean(event.file), bytes: event.bytes }
    default:
      return { file: clean(event.file), lines: event.lines }
  }
}

/** Gives the messages of an event. Ranges of numbers are a word of ours, yet they come from a front. */
export function numbered({ numbers, octets }: { numbers: string; octets?: number }): {
  numbers: string
  octets: number | undefined
} {
  return { numbers: clean(numbers, MESSAGES_NUMBERS_MAX), octets }
}
