/** What one process at a time may hold: the instance lock, the store under the master key, the audit journal. */
import { openJournal, type Journal, type Written } from '../audit/journal.ts'
import type { Limits } from '../audit/give-way.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Policies } from '../policy/load.ts'
import { acquireLock } from '../state/lock.ts'
import { masterKeyFromFile } from '../state/master-key.ts'
import { createKeyring, type Keyring } from '../state/secrets.ts'
import { sealingFile } from '../state/sealing-file.ts'
import { openStore, storeExists } from '../state/sqlite.ts'
import type { Store } from '../state/store.ts'

export type Resources = {
  store: Store
  keys: Keyring
  journal: Journal
  /** Writes what is queued and lets go of everything; logs what could not be written. */
  close(): Promise<void>
}

/** Opens all of it (`written` is told of audit lines that are on disk), or throws one line that says what to do and holds nothing. */
export async function openResources(
  { postern }: Policies,
  clock: Clock,
  log: Log,
  written?: Written,
): Promise<Resources> {
  const lock = acquireLock(postern.state.path)
  let store: Store | null = null
  try {
    const keys = createKeyring(masterKeyOf(postern.state, log))
    store = openStore(postern.state.path, keys, clock.now())
    const opened = store
    const journal = await openJournal({
      folder: postern.audit.path,
      clock,
      log,
      limits: limitsOf(postern),
      sealing: sealingFile(postern.state.path, keys),
      heads: { known: await opened.heads(), keep: (heads) => opened.keepHeads(heads) },
      ...(written && { written }),
    })
    await noteAnchor(opened, journal)
    return {
      store,
      keys,
      journal,
      async close() {
        await journal.close().catch((error: unknown) => {
          log.error({ error: String(error) }, 'audit: not all lines could be written')
        })
        opened.close()
        lock.release()
      },
    }
  } catch (error) {
    store?.close()
    lock.release()
    throw error
  }
}

/** When the audit's files are rotated and give way. */
export function limitsOf({ audit: { rotate, keep, max_size } }: Policies['postern']): Limits {
  return { ...rotate, keep, max: max_size }
}

async function noteAnchor(store: Store, journal: Journal): Promise<void> {
  const anchor = journal.anchor()
  try {
    if (anchor !== null) await store.keepAnchor(anchor)
  } catch (error) {
    await journal.close().catch(() => undefined)
    throw error
  }
}

function masterKeyOf({ key_file: from, path }: Policies['postern']['state'], log: Log) {
  if (from.from === 'environment') return from.key
  const { key, made, warnings } = masterKeyFromFile(from.path, !storeExists(path))
  for (const warning of warnings) log.warn(warning)
  if (made) log.info(`a master key was made: ${from.path}; keep a copy of it apart from the state folder`)
  return key
}
