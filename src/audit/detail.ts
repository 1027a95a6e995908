/** What some events say under `postern`, apart from `line.ts` for want of room there. */
import { clean } from '../base/clean.ts'
import { MESSAGES_NUMBERS_MAX } from '../base/forward-limits.ts'
import { never } from '../base/never.ts'
import type { AuditEvent } from './events.ts'
import type { Fields } from './tls-fields.ts'

/** Events about the audit's own files, and about where they are forwarded to. */
export type Trail = Extract<AuditEvent, { action: `audit-${string}` | `forward-${string}` }>

/** Gives the fields of such an event. */
export function trailOf(event: Trail): Fields {
  switch (event.action) {
    case 'audit-repaired':
      return { file: clean(event.file), bytes: event.bytes }
    case 'audit-dropped':
      return { file: clean(event.file), lines: event.lines }
    case 'audit-tampered':
      return { file: clean(event.file), kind: event.kind }
    case 'audit-removed':
      return { file: clean(event.file), lines: event.lines, begins: event.begins }
    case 'audit-key-made':
      return { anchor: event.anchor }
    case 'forward-failed':
    case 'forward-recovered':
      return { forward: clean(event.forward) }
    case 'forward-lost':
      return { forward: clean(event.forward), file: clean(event.file), lines: event.lines }
    default:
      return never(event)
  }
}

/** Gives the messages of an event. Ranges of numbers are a word of ours, yet they come from a front. */
export function numbered({ numbers, octets }: { numbers: string; octets?: number }): {
  numbers: string
  octets: number | undefined
} {
  return { numbers: clean(numbers, MESSAGES_NUMBERS_MAX), octets }
}
