/** Packs a rotated file: beside it, then in its place, so that a crash leaves the plain one. */
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { AUDIT_READ_CHUNK } from '../base/audit-limits.ts'
import { syncFolder } from './stream-file.ts'

/** The end of the name of a file that is being packed, or was when a crash came. */
export const PART = '.part'

/**
 * Packs `path` into `path.gz`, with its mode and times, and removes it. zlib works in a thread of its own; the pauses leave half of that
 * core to the logins. Rejects, and leaves the plain file alone, when it fails or `signal` calls it off.
 */
export async function pack(path: string, signal: AbortSignal): Promise<void> {
  const part = `${path}.gz${PART}`
  const { mode, atime, mtime } = await stat(path)
  try {
    const source = createReadStream(path, { highWaterMark: AUDIT_READ_CHUNK })
    await pipeline(source, slowed, createGzip(), createWriteStream(part, { mode: mode & 0o777 }), { signal })
    const handle = await open(part, 'r+')
    try {
      await handle.chmod(mode & 0o777)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await utimes(part, atime, mtime)
    await rename(part, `${path}.gz`)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
  await rm(path)
}

async function* slowed(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let handed = performance.now()
  for await (const chunk of source) {
    await delay(performance.now() - handed)
    handed = performance.now()
    yield chunk
  }
}
