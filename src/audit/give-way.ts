/** Which files give way: decided from sizes and times alone. */
import { AUDIT_RESERVED } from '../base/audit-limits.ts'
import { STREAMS, type Stream } from './events.ts'
import type { FileOfStream } from './stream-files.ts'

/** `every` and `keep` in ms, `size` and `max` in octets. */
export type Limits = { every: number; size: number; keep: number; max: number }

/** `changed`: when its last line was written, ms since 1970. */
export type Sized = FileOfStream & { size: number; changed: number }

export type GivesWay = { file: Sized; reason: 'keep' | 'max_size' }

/**
 * Needs all files of all streams, of each stream oldest first. Gives those that are to be removed, in this order. What is older than
 * `keep` goes; beyond `max`, or beyond what leaves {@link AUDIT_RESERVED} to the others, the oldest access file goes; when there is none
 * left, the oldest of all, but of the others nothing that is within their reserve. A current file never goes.
 */
export function givingWay(
  files: readonly Sized[],
  { keep, max }: Pick<Limits, 'keep' | 'max'>,
  now: number,
): GivesWay[] {
  const old = files.filter((file) => file.first !== null && now - file.changed > keep)
  const gone: GivesWay[] = old.map((file) => ({ file, reason: 'keep' }))
  const left = new Set(files.filter((file) => !old.includes(file)))
  const sum = (of: (stream: Stream) => boolean) =>
    [...left].reduce((octets, file) => octets + (of(file.stream) ? file.size : 0), 0)
  const oldest = (of: (stream: Stream) => boolean) =>
    [...left].filter((file) => file.first !== null && of(file.stream)).sort((a, b) => a.changed - b.changed)[0]
  for (;;) {
    const access = sum(isAccess)
    const others = sum(isOther)
    const crowded = access + others > max || access > max - AUDIT_RESERVED
    if (!crowded) return gone
    const file = oldest(isAccess) ?? (others > AUDIT_RESERVED ? oldest(isOther) : undefined)
    if (file === undefined) return gone
    left.delete(file)
    gone.push({ file, reason: 'max_size' })
  }
}

const isAccess = (stream: Stream) => stream === 'access'
const isOther = (stream: Stream) => STREAMS.includes(stream) && !isAccess(stream)
