/** Folders and files that only their owner may read. */
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync } from 'node:fs'
import { StateFault } from './fault.ts'

/** Makes a folder of mode 0700 with its parents; leaves one that exists as it is. Throws {@link StateFault} `disk`. */
export function privateFolder(path: string): void {
  attempt(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }))
}

/**
 * Makes an empty file of mode 0600, or takes the rights of others off one that exists. What SQLite puts beside its file
 * gets the same mode. A symbolic link is refused: it could lead a keeper that runs as root to any file.
 */
export function privateFile(path: string): void {
  attempt(path, () => {
    try {
      closeSync(openSync(path, 'wx', 0o600))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const facts = lstatSync(path)
      if (!facts.isFile()) throw new StateFault('disk', `${path} is not a plain file: remove it`)
      if ((facts.mode & 0o077) !== 0) chmodSync(path, 0o600)
    }
  })
}

function attempt(path: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    if (error instanceof StateFault) throw error
    throw new StateFault(
      'disk',
      `${path} cannot be made or written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
    )
  }
}
