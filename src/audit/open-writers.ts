/** Opens the files of all streams under writers, and says what the journal has to hear of them. */
import type { Log } from '../base/log.ts'
import { STREAMS, type Stream, type Tampering } from './events.ts'
import { reconcile } from './reconcile.ts'
import type { Opened, OpenStream } from './stream-file.ts'
import type { Heads } from './upkeep.ts'
import type { Heard, Writer } from './writer.ts'

type Listener = (stream: Stream, lines: readonly Buffer[]) => void
type LogOfAudit = Pick<Log, 'error' | 'info'>

/** What the writers tell; the journal sits down at it when they are open. */
export type Desk = {
  heard: null | {
    tampered(found: Found): void
    fileBegan(stream: Stream): void
    rotated(stream: Stream, fault: string | null): void
  }
}

export type Found = { file: string; kind: Tampering; reason: string }

/** Gives what the writer of a stream is to call. */
export function heardBy(desk: Desk, stream: Stream, written: Listener | undefined, log: LogOfAudit): Heard {
  return {
    changed(name, failure) {
      if (failure === null) log.info({ file: name }, 'audit: writing again')
      else log.error({ file: name, error: failure.reason }, 'audit: cannot write; logins are refused until it can')
    },
    replaced(file, fate, next) {
      if (fate === 'there') return
      desk.heard?.fileBegan(stream)
      desk.heard?.tampered({
        file,
        kind: fate,
        reason: `it was ${fate} while in use; line ${next} is the first of a new one`,
      })
    },
    written: written === undefined ? null : toldOf(stream, written, log),
    rotated: (_, fault) => desk.heard?.rotated(stream, fault),
  }
}

/** A fault of whoever listens is none of the writing. */
function toldOf(stream: Stream, written: Listener, log: LogOfAudit): (lines: readonly Buffer[]) => void {
  return (lines) => {
    try {
      written(stream, lines)
    } catch (error) {
      log.error({ stream, error: String(error) }, 'audit: lines are on disk, but could not be passed on')
    }
  }
}

export type Writers = Record<Stream, Writer>
export type Repaired = { file: string; bytes: number }

/** Opens all, or throws and holds none. `known`: where the streams stood when that was last noted. */
export async function openAll(
  folder: string,
  known: Heads,
  open: OpenStream,
  writerOf: (opened: Opened, stream: Stream) => Writer,
): Promise<{ writers: Writers; repaired: Repaired[]; found: Found[] }> {
  const opened: [Stream, Writer][] = []
  const repaired: Repaired[] = []
  const all: Found[] = []
  try {
    for (const stream of STREAMS) {
      const one = await open(folder, stream)
      const { from, found } = await reconcile(folder, one, known[stream])
      opened.push([stream, writerOf({ ...one, head: from }, stream)])
      if (one.cut > 0) repaired.push({ file: one.name, bytes: one.cut })
      if (found !== null) all.push({ file: one.name, ...found })
    }
  } catch (error) {
    await Promise.allSettled(opened.map(([, writer]) => writer.close()))
    throw error
  }
  return { writers: Object.fromEntries(opened) as Writers, repaired, found: all }
}
