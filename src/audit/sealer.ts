/** Writes a seal into every stream and goes on to the next key once all of them are on disk. */
import { SEAL_FAN, SEAL_EVERY_MS } from '../base/audit-limits.ts'
import type { Log } from '../base/log.ts'
import type { Head } from './chain.ts'
import { STREAMS, type SealedEvent, type Stream } from './events.ts'
import { bodyOf } from './line.ts'
import { evolve, forget, intervalOf, makeKeys, makeSeal, packKeys, unpackKeys } from './seal-keys.ts'
import type { Writer } from './writer.ts'

/** Where the keys rest. `write` gives when the octets are on disk and those before are overwritten; it takes a copy. */
export type SealStorage = { read(): Promise<Buffer | null>; write(packed: Buffer): Promise<void> }

export type Sealer = {
  readonly anchor: Buffer
  /** The anchor is new: there were no keys. */
  readonly made: boolean
  /** Queues a seal in every stream, when the last one is done with. Gives whether it did. */
  begin(writers: Record<Stream, Writer>, now: { wall: number; monotonic: number }): boolean
  /** Whether so much time has passed since the last seal that another one is due. */
  isDue(monotonic: number): boolean
  /** Goes on to the next key when the seals are on disk. Does nothing otherwise. */
  settle(writers: Record<Stream, Writer>): Promise<void>
  /** The stream has a new file: the next seal in it carries its certificate, so that the file can be proven by itself. */
  fileBegan(stream: Stream): void
  close(): void
}

/** Reads the keys, or makes them. Throws when they cannot be read or kept. */
export async function openSealer(storage: SealStorage, log: Pick<Log, 'error'>): Promise<Sealer> {
  const packed = await storage.read()
  const keys = packed === null ? makeKeys() : unpackKeys(packed)
  packed?.fill(0)
  if (packed === null) await keep()
  /** For each stream, the node of the tree whose certificate its file has. */
  const certified = new Map<Stream, number>()
  let awaited: Map<Stream, number> | null = null
  let settling = false
  let failing = false
  let last = -Infinity

  async function keep(): Promise<void> {
    const bytes = packKeys(keys)
    await storage.write(bytes).finally(() => bytes.fill(0))
  }

  const bodyAt = (stream: Stream, wall: number) => (before: Head) => {
    const node = Math.floor(intervalOf(keys) / SEAL_FAN)
    const at = new Date(wall).toISOString()
    const sealed = { stream, seq: before.seq + 1, prev: before.prev, at }
    const event: SealedEvent = {
      stream,
      action: 'audit-sealed',
      seal: makeSeal(keys, sealed, certified.get(stream) !== node),
    }
    certified.set(stream, node)
    return bodyOf(event, wall)
  }

  return {
    anchor: Buffer.from(keys.anchor),
    made: packed === null,
    begin(writers, now) {
      if (awaited !== null) return false
      last = now.monotonic
      awaited = new Map()
      for (const stream of STREAMS) {
        writers[stream].push(bodyAt(stream, now.wall))
        awaited.set(stream, writers[stream].count().pushed)
      }
      return true
    },
    isDue: (monotonic) => awaited === null && monotonic - last >= SEAL_EVERY_MS,
    async settle(writers) {
      if (awaited === null || settling) return
      if (![...awaited].every(([stream, upTo]) => writers[stream].count().done >= upTo)) return
      settling = true
      try {
        // In memory first: a key is never used again once its successor may be on disk. A crash before that repeats this interval.
        if (!failing) evolve(keys)
        failing = true
        await keep()
        failing = false
        awaited = null
      } catch (error) {
        log.error({ error: String(error) }, 'audit: the next sealing key cannot be kept; no seals until it can')
      } finally {
        settling = false
      }
    },
    fileBegan(stream) {
      certified.delete(stream)
    },
    close() {
      forget(keys)
    },
  }
}
