/**
 * The instance lock: one process at a time writes to a state folder. It is a lock of the operating system (taken through
 * SQLite), so it goes with its holder however that ends. Nothing in this process may open the lock file in another way:
 * POSIX locks are lost when any descriptor of the file is closed.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StateFault } from './fault.ts'
import { privateFile, privateFolder } from './files.ts'

const SQLITE_BUSY = 5
/** A handle that nobody refers to is collected, and its lock with it: a caller that drops the answer must not lose the lock. */
const taken = new Set<DatabaseSync>()

/**
 * Needs the state folder, which it makes; gives the way to let go. Throws {@link StateFault} `locked` with the
 * holder's process id while another one holds the lock, and `disk` where the folder cannot be written.
 */
export function acquireLock(stateFolder: string): { release(): void } {
  privateFolder(stateFolder)
  const path = join(stateFolder, 'instance.lock')
  const pidPath = join(stateFolder, 'instance.pid')
  privateFile(path)
  const held = new DatabaseSync(path, { timeout: 0 })
  try {
    // In memory, as a journal on disk would only be one more file to leave behind.
    held.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    held.close()
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) {
      throw new StateFault('disk', `${path} cannot be locked: ${(error as Error).message}`)
    }
    throw new StateFault('locked', `another postern (pid ${holder(pidPath)}) runs on the state in ${stateFolder}`)
  }
  try {
    rmSync(pidPath, { force: true })
    writeFileSync(pidPath, `${process.pid}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    held.close()
    throw new StateFault('disk', `${pidPath} cannot be written: ${(error as Error).message}`)
  }
  taken.add(held)
  return {
    release() {
      if (!taken.delete(held)) return
      rmSync(pidPath, { force: true })
      held.close()
    },
  }
}

function holder(pidPath: string): string {
  try {
    return /^\d{1,10}(?=\n)/.exec(readFileSync(pidPath, 'utf8'))?.[0] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}
