/** Audit files made through the real line writer, and what may happen to them on a disk. */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { AuditEvent, Stream } from '../../src/audit/events.ts'
import { chain, GENESIS, type Head } from '../../src/audit/chain.ts'
import { bodyOf } from '../../src/audit/line.ts'
import { currentName, rotatedName } from '../../src/audit/stream-files.ts'

export type Written = {
  /** Appends the event to its stream, as of that time (ms since 1970); gives the line without its LF. */
  write(event: AuditEvent, at: number): string
  /** Half of a line, as a reader may find it while it is written; the next `write` finishes it. */
  writeHalf(event: AuditEvent, at: number): void
  rotate(stream: Stream): void
  /** Packs the oldest plain file that was rotated. */
  pack(stream: Stream): void
  /** Removes the oldest file that was rotated. */
  drop(stream: Stream): void
  /** Cuts the current file to nothing; its chain goes on. */
  cut(stream: Stream): void
  /** Puts a new file in the place of the current one, with a chain of its own. */
  anew(stream: Stream): void
}

type State = { head: Head; first: number; rotated: number[]; half: string | null }

/** Gives a writer over an empty folder. */
export function auditFiles(folder: string): Written {
  const states = new Map<Stream, State>()
  const of = (stream: Stream) => {
    const state = states.get(stream) ?? { head: GENESIS, first: 1, rotated: [], half: null }
    states.set(stream, state)
    return state
  }
  const current = (stream: Stream) => join(folder, currentName(stream))
  const finish = (stream: Stream) => {
    const state = of(stream)
    if (state.half !== null) appendFileSync(current(stream), state.half)
    state.half = null
  }
  const next = (event: AuditEvent, at: number) => {
    const state = of(event.stream)
    const { line, head } = chain(bodyOf(event, at), state.head)
    state.head = head
    return line
  }
  return {
    write(event, at) {
      finish(event.stream)
      const line = next(event, at)
      appendFileSync(current(event.stream), line)
      return line.slice(0, -1)
    },
    writeHalf(event, at) {
      finish(event.stream)
      const line = next(event, at)
      appendFileSync(current(event.stream), line.slice(0, 100))
      of(event.stream).half = line.slice(100)
    },
    rotate(stream) {
      finish(stream)
      const state = of(stream)
      if (state.head.seq < state.first) return
      renameSync(current(stream), join(folder, rotatedName(stream, state.first)))
      state.rotated.push(state.first)
      state.first = state.head.seq + 1
      writeFileSync(current(stream), '')
    },
    pack(stream) {
      const plain = of(stream).rotated.map((first) => join(folder, rotatedName(stream, first)))
      const [path] = plain.filter((one) => existsSync(one))
      if (path === undefined) return
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
      rmSync(path)
    },
    drop(stream) {
      const first = of(stream).rotated.shift()
      if (first === undefined) return
      for (const end of ['', '.gz']) rmSync(`${join(folder, rotatedName(stream, first))}${end}`, { force: true })
    },
    cut(stream) {
      finish(stream)
      if (existsSync(current(stream))) truncateSync(current(stream), 0)
      of(stream).first = of(stream).head.seq + 1
    },
    anew(stream) {
      rmSync(current(stream), { force: true })
      states.set(stream, { head: GENESIS, first: 1, rotated: [], half: null })
    },
  }
}
