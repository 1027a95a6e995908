/**
 * What the keeper takes from the compiler of databases, which has read a stranger's octets and may have been taken over. A table
 * that is out of order sends a search astray, never in a circle; one whose arrays do not fit each other is refused.
 */
import { z } from 'zod'
import { DATABASE_RANGES_MAX, FEED_NOTE_MAX } from '../base/gate-limits.ts'
import type { DatabaseAnswer } from './database-process.ts'

const words = z.instanceof(Uint32Array)
const validator = z.string().max(FEED_NOTE_MAX).nullable()

const table = z
  .strictObject({ v4From: words, v4Value: words, v6From: words, v6Value: words })
  .refine(({ v4From, v4Value, v6From, v6Value }) => {
    const fits = v4From.length === v4Value.length && v6From.length === v6Value.length * 4
    return fits && v4Value.length <= DATABASE_RANGES_MAX && v6Value.length <= DATABASE_RANGES_MAX
  })

const answer = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(false), fault: z.string().max(2_000) }),
  z.strictObject({
    ok: z.literal(true),
    value: z.discriminatedUnion('got', [
      z.strictObject({ got: z.literal('unchanged') }),
      z.strictObject({
        got: z.literal('database'),
        table,
        builtAt: z.number().nonnegative(),
        ranges: z.int().nonnegative(),
        type: z.string().max(1_000),
        etag: validator,
        lastModified: validator,
      }),
    ]),
  }),
])

/** Needs what arrived; gives the answer, or null when the compiler did not send such. */
export function readDatabaseAnswer(raw: unknown): DatabaseAnswer | null {
  const read = answer.safeParse(raw)
  return read.success ? read.data : null
}
