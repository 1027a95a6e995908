/** Journal, store and sealing keys of one state folder, as the keeper opens them, with time that runs fast. */
import { join } from 'node:path'
import { openJournal, type Journal } from '../../src/audit/journal.ts'
import { Secret } from '../../src/base/secret.ts'
import { sealingFile } from '../../src/state/sealing-file.ts'
import { createKeyring } from '../../src/state/secrets.ts'
import { openStore } from '../../src/state/sqlite.ts'

const FASTER = 200

/** The key is of no worth: what is tested is not secrecy. */
const MASTER = Buffer.alloc(32, 7)

export type CrashWorld = { journal: Journal; said: string[]; close(): Promise<void> }

/** Opens all of it, repairing what a crash left. */
export async function openCrashWorld(folder: string): Promise<CrashWorld> {
  const keys = createKeyring(new Secret(Buffer.from(MASTER)))
  const state = join(folder, 'state')
  const store = openStore(state, keys, Date.now())
  const said: string[] = []
  const began = Date.now()
  const journal = await openJournal({
    folder: join(folder, 'audit'),
    clock: { now: () => began + performance.now() * FASTER, monotonic: () => performance.now() * FASTER },
    log: {
      error: (facts: unknown, text?: string) => said.push(`${text ?? ''} ${JSON.stringify(facts)}`),
      info: () => undefined,
    },
    after: (ms, run) => {
      const handle = setTimeout(run, ms / 100)
      return () => {
        clearTimeout(handle)
      }
    },
    limits: { every: 1e15, size: 100_000, keep: 1e15, max: 1e15 },
    sealing: sealingFile(state, keys),
    heads: { known: await store.heads(), keep: (heads) => store.keepHeads(heads) },
  })
  const anchor = journal.anchor()
  if (anchor !== null) await store.keepAnchor(anchor)
  return {
    journal,
    said,
    async close() {
      await journal.close()
      store.close()
    },
  }
}
