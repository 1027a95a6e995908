/** Finds a time in a plain stream file without reading it: its lines are in the order of their times. */
import type { FileHandle } from 'node:fs/promises'
import { AUDIT_LINE_MAX, AUDIT_READ_CHUNK, SEEK_LEAST } from '../base/audit-limits.ts'
import { timeOf } from './recorded.ts'

const LF = 0x0a

/**
 * Gives an octet at which a line begins, before which no line is of `from` (ISO 8601, as lines have it) or later. Small files, and a
 * null `from`, are read from the start. Where a line has no time the answer is only earlier, never later.
 */
export async function seekTime(handle: FileHandle, size: number, from: string | null): Promise<number> {
  if (from === null || size < SEEK_LEAST) return 0
  let low = 0
  let high = size
  while (high - low > AUDIT_READ_CHUNK) {
    const middle = Math.floor((low + high) / 2)
    const line = await lineBehind(handle, middle, high)
    if (line === null || line.time >= from) high = middle
    else low = line.at
  }
  return low
}

/** The first line with a time that begins behind an octet; null when none does before `end`. */
async function lineBehind(
  handle: FileHandle,
  octet: number,
  end: number,
): Promise<{ at: number; time: string } | null> {
  const bytes = Buffer.alloc(Math.min(end - octet, 2 * AUDIT_LINE_MAX, AUDIT_READ_CHUNK))
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, octet)
  for (let lf = bytes.indexOf(LF); lf >= 0 && lf < bytesRead; lf = bytes.indexOf(LF, lf + 1)) {
    const time = timeOf(bytes.subarray(lf + 1, bytesRead))
    if (time !== null) return { at: octet + lf + 1, time }
  }
  return null
}
