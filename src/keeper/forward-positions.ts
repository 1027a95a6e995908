/** How far each forward has come, on disk: `state/forwards.json`, written anew as a whole, so that a crash leaves the old one or the new. */
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { STREAMS, type Stream } from '../audit/events.ts'
import { FORWARD_POSITIONS_MAX } from '../base/forward-limits.ts'
import type { Log } from '../base/log.ts'

/** The number of the last line of each stream that the collector has read for certain. */
export type Position = Partial<Record<Stream, number>>

export type Positions = {
  of(forward: string): Position
  /** Takes a new position; it is on disk soon. */
  set(forward: string, position: Position): void
  /** Forgets all but these. */
  keep(forwards: readonly string[]): void
  /** Gives when all that was set is on disk, or cannot be. */
  saved(): Promise<void>
}

const seq = z.int().nonnegative()
const shape = z.strictObject({
  version: z.literal(1),
  forwards: z.record(z.string(), z.partialRecord(z.enum(STREAMS as [Stream, ...Stream[]]), seq)),
})

/** Reads what the last run left. A file that is none is told of and begun anew: those forwards go on from now. */
export async function openPositions(folder: string, log: Pick<Log, 'error'>): Promise<Positions> {
  const path = join(folder, 'forwards.json')
  let forwards = await readAll(path, log)
  let writing: Promise<void> | null = null
  let again = false

  const write = async (): Promise<void> => {
    try {
      do {
        again = false
        await replace(path, JSON.stringify({ version: 1, forwards }))
      } while (again)
    } catch (error) {
      log.error(
        { file: path, error: String(error) },
        'forward: how far it came cannot be kept; after a restart lines are sent twice',
      )
    } finally {
      writing = null
    }
  }
  const save = () => {
    again = true
    writing ??= write()
  }

  return {
    of: (forward) => forwards[forward] ?? {},
    set(forward, position) {
      forwards = { ...forwards, [forward]: { ...position } }
      save()
    },
    keep(names) {
      const kept = Object.entries(forwards).filter(([name]) => names.includes(name))
      if (kept.length === Object.keys(forwards).length) return
      forwards = Object.fromEntries(kept)
      save()
    },
    saved: () => writing ?? Promise.resolve(),
  }
}

async function readAll(path: string, log: Pick<Log, 'error'>): Promise<Record<string, Position>> {
  try {
    const text = await readFile(path, 'utf8')
    if (text.length > FORWARD_POSITIONS_MAX) throw new Error('too long')
    return shape.parse(JSON.parse(text)).forwards
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.error({ file: path }, 'forward: the file of the positions cannot be read; forwards go on from now')
    return {}
  }
}

async function replace(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
