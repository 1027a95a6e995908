/** What the store remembers of a stream against what is on disk: lines that are gone from the end leave the chain itself whole. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { AUDIT_LOOK_BACK } from '../base/audit-limits.ts'
import type { Head } from './chain.ts'
import type { Tampering } from './events.ts'
import { hashOf } from './stream-end.ts'
import type { Opened } from './stream-file.ts'

/** `from`: where the chain goes on. `found`: null when all is as it was left. */
export type Reconciled = { from: Head; found: { kind: Tampering; reason: string } | null }

/**
 * `known` is what the store last noted: it may lag what is on disk (a crash), and never leads. Where lines are gone or others the chain
 * goes on from what is known, so that the break stays in it for every reader to find.
 */
export async function reconcile(folder: string, opened: Opened, known: Head | undefined): Promise<Reconciled> {
  const { head, name, size } = opened
  if (known === undefined) return { from: head, found: null }
  if (head.seq < known.seq) {
    const lines = head.seq + 1 === known.seq ? `line ${known.seq} is` : `lines ${head.seq + 1} to ${known.seq} are`
    return { from: known, found: { kind: 'cut-tail', reason: `${lines} gone from the end of ${name}` } }
  }
  const hash = head.seq === known.seq ? head.prev : await hashBehind(join(folder, name), size, known.seq)
  if (hash === null || hash === known.prev) return { from: head, found: null }
  const found = { kind: 'rewritten', reason: `line ${known.seq} of ${name} is not the one that was written` } as const
  return { from: head.seq === known.seq ? known : head, found }
}

async function hashBehind(path: string, size: number, seq: number): Promise<string | null> {
  const handle = await open(path, 'r')
  try {
    return await hashOf(handle, size, seq, AUDIT_LOOK_BACK)
  } finally {
    await handle.close()
  }
}
