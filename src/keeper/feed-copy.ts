/** The copies of feeds on disk: what a server last gave that was good, for the next start and for `explain`. */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { FEED_BODY_MAX, FEED_NOTE_MAX } from '../base/gate-limits.ts'
import { copyOf } from '../policy/reputation.ts'

const note = z.strictObject({
  url: z.string(),
  etag: z.string().nullable(),
  lastModified: z.string().nullable(),
  /** When the body came, and when the server last said that it is the newest: ms since 1970. */
  fetched: z.number(),
  confirmed: z.number(),
  entries: z.int(),
  /** SHA-256 of the body: a server without validators sends the same one again and again. */
  digest: z.string(),
  /** Since when the server gives bodies that are taken for cut short, or null. */
  shortSince: z.number().nullable(),
})
export type FeedNote = z.infer<typeof note>

/** Needs the state folder, the feed's name and its address; gives its copy, or null when there is none of that address. */
export async function readCopy(
  state: string,
  name: string,
  url: string,
): Promise<{ note: FeedNote; body: Buffer } | null> {
  const paths = copyOf(state, name)
  try {
    const sizes = await Promise.all([stat(paths.note), stat(paths.text)])
    if (sizes[0].size > FEED_NOTE_MAX || sizes[1].size > FEED_BODY_MAX) return null
    const read = note.parse(JSON.parse(await readFile(paths.note, 'utf8')))
    return read.url === url ? { note: read, body: await readFile(paths.text) } : null
  } catch {
    return null
  }
}

/**
 * Writes the note, and the body when there is a new one. The body goes first: when the power fails in between, the note's
 * validator is that of the older body, and the server sends the newer one again.
 */
export async function writeCopy(state: string, name: string, kept: FeedNote, body: Uint8Array | null): Promise<void> {
  const paths = copyOf(state, name)
  await mkdir(dirname(paths.note), { recursive: true, mode: 0o700 })
  if (body !== null) await replace(paths.text, body)
  await replace(paths.note, Buffer.from(JSON.stringify(kept)))
}

async function replace(path: string, content: Uint8Array): Promise<void> {
  const fresh = `${path}.new`
  await rm(fresh, { force: true })
  const file = await open(fresh, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, path)
}
