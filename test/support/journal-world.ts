/** A journal with seals and rotation in a folder of its own, whose time passes when a test says so. */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Limits } from '../../src/audit/give-way.ts'
import { openJournal, type Journal, type JournalOptions } from '../../src/audit/journal.ts'
import type { Heads } from '../../src/audit/upkeep.ts'

export type JournalWorld = {
  journal: Journal
  said: string[]
  /** Lets so much time pass in steps of a second's tick, with the work of each done. */
  passes(ms: number): Promise<void>
  /** The sealing keys as they rest. */
  keys(): Buffer
  noted(): Heads
  /** Waits until a file of that name is there. */
  packed(name: string): Promise<void>
  files(stream: string): Promise<string[]>
}

/** A folder where syncs cost nothing: what these tests are about is not the disk. */
export function quickFolder(): Promise<string> {
  return mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'postern-'))
}

/** What rests between two runs of one server. */
export type Rest = { keys: Buffer | null; heads: Heads; time: number }

export const FRESH = (): Rest => ({ keys: null, heads: {}, time: Date.parse('2027-01-31T12:00:00Z') })

/** Opens it on `folder/audit`. `rest` is written to, as a state folder would be. */
export async function openWorld(
  folder: string,
  limits: Limits,
  rest: Rest = FRESH(),
  more: Partial<JournalOptions> = {},
): Promise<JournalWorld> {
  let timers: (() => void)[] = []
  const said: string[] = []
  const journal = await openJournal({
    folder: join(folder, 'audit'),
    clock: { now: () => rest.time, monotonic: () => rest.time },
    log: {
      error: (facts: unknown, text?: string) => said.push(`${text ?? ''} ${JSON.stringify(facts)}`),
      info: () => undefined,
    },
    after: (_, run) => {
      timers.push(run)
      return () => (timers = timers.filter((one) => one !== run))
    },
    limits,
    sealing: {
      read: () => Promise.resolve(rest.keys === null ? null : Buffer.from(rest.keys)),
      write: (packed) => Promise.resolve(void (rest.keys = Buffer.from(packed))),
    },
    heads: { known: rest.heads, keep: (heads) => Promise.resolve(void (rest.heads = heads)) },
    ...more,
  })
  const tick = async () => {
    for (const run of timers.splice(0)) run()
    await journal.durable().catch(() => undefined)
  }
  return {
    journal,
    said,
    async passes(ms) {
      rest.time += ms
      // One tick seals and rotates, the next one goes on to the next key.
      for (let n = 0; n < 3; n++) await tick()
    },
    keys: () => rest.keys ?? Buffer.alloc(0),
    noted: () => rest.heads,
    async packed(name) {
      for (let n = 0; !existsSync(join(folder, 'audit', name)); n++) {
        if (n > 1_000) throw new Error(`${name} does not come`)
        await delay(5)
      }
    },
    async files(stream) {
      return (await readdir(join(folder, 'audit'))).filter((name) => name.startsWith(stream)).sort()
    },
  }
}
