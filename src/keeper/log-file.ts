/**
 * A log that other programs read and rotate. Lines are taken at once and written behind; it never holds anybody up, and a disk that
 * fails costs lines of this log alone. A file that was moved away is left to who moved it, and a new one is begun.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { DOVECOT_LOG_LOOK_MS, DOVECOT_LOG_QUEUE_MAX } from '../base/forward-limits.ts'
import type { Log } from '../base/log.ts'

export type LogFile = {
  write(line: string): void
  /** Writes what waits, as far as that goes, and closes. */
  close(): Promise<void>
}

/** Begins at once, so that a ban tool finds the file at its start (mode 0640). */
export function openLogFile(path: string, clock: Clock, log: Pick<Log, 'error' | 'info'>): LogFile {
  let file: FileHandle | null = null
  let queue = ''
  let dropped = 0
  let taken = 0
  let lookedAt = -Infinity
  let failing = false
  let closing = false
  let again: NodeJS.Timeout | undefined
  let busy: Promise<void> | null = null

  const fresh = async (): Promise<FileHandle> => {
    if (file !== null && clock.monotonic() - lookedAt < DOVECOT_LOG_LOOK_MS) return file
    lookedAt = clock.monotonic()
    if (file !== null && (await wasMoved(file, path))) {
      const old = file
      file = null
      await old.close()
    }
    return (file ??= await open(path, 'a', 0o640))
  }

  const put = async () => {
    // Also with nothing to write: ban tools want the file to be there.
    await fresh()
    while (queue.length > 0) {
      const handle = await fresh()
      const lines = queue
      queue = ''
      // What of it got to the disk is not known: twice the same line could ban somebody who mistyped once.
      taken = lines.split('\n').length - 1
      await handle.appendFile(lines)
      taken = 0
    }
    if (failing) log.info({ file: path, lost: dropped }, 'dovecot log: writing again')
    failing = false
    dropped = 0
  }

  const run = async () => {
    try {
      await put()
    } catch (error) {
      if (!failing)
        log.error({ file: path, error: String(error) }, 'dovecot log: cannot write; ban tools see nothing until it can')
      failing = true
      dropped += taken
      taken = 0
      await file?.close().catch(() => undefined)
      file = null
    } finally {
      busy = null
      if (queue.length > 0) {
        if (!failing) start()
        else if (!closing) again = setTimeout(start, DOVECOT_LOG_LOOK_MS).unref()
      }
    }
  }
  const start = () => {
    clearTimeout(again)
    busy ??= run()
  }
  start()

  return {
    write(line) {
      if (queue.length + line.length > DOVECOT_LOG_QUEUE_MAX) dropped++
      else queue += line
      start()
    },
    async close() {
      closing = true
      clearTimeout(again)
      while (busy !== null) await busy
      if (queue.length > 0) await run()
      await file?.close().catch(() => undefined)
      file = null
    },
  }
}

/** By its inode: a rename keeps the handle, and a removed file has no name. */
async function wasMoved(file: FileHandle, path: string): Promise<boolean> {
  const [mine, there] = await Promise.all([file.stat(), stat(path).catch(() => null)])
  return there === null || there.ino !== mine.ino || there.dev !== mine.dev
}
