/** Keeps the audit folder within its limits: old files give way, each with a line that says so, and rotated ones are packed. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { linkOf, type Head } from './chain.ts'
import { STREAMS, type AuditEvent, type Beginnings, type Stream } from './events.ts'
import { givingWay, type GivesWay, type Limits, type Sized } from './give-way.ts'
import { pack, PART } from './pack.ts'
import { readLines, streamFiles, type FileOfStream } from './stream-files.ts'
import { syncFolder } from './stream-file.ts'

export type TidyOptions = {
  folder: string
  clock: Clock
  log: Pick<Log, 'error'>
  limits: () => Limits
  /** Where the stream stands on disk. */
  head: (stream: Stream) => Head
  /** Takes the line that says what is removed; gives when it is on disk. Rejects when it is not: then nothing is removed. */
  tell(event: AuditEvent): Promise<void>
}

/** Does all that is due. Never rejects: what fails is logged, and tried again at the next call. */
export async function tidy(options: TidyOptions, signal: AbortSignal): Promise<void> {
  const { folder, log } = options
  try {
    await removeOld(options, signal)
    for (const path of await toBePacked(folder)) {
      if (signal.aborted) return
      await pack(path, signal)
    }
  } catch (error) {
    if (!signal.aborted) log.error({ error: String(error) }, 'audit: old files cannot be packed or removed')
  }
}

/** Takes away what a crash left half packed. */
export async function sweepParts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.endsWith(PART)) await rm(join(folder, name), { force: true })
}

async function removeOld(options: TidyOptions, signal: AbortSignal): Promise<void> {
  const { folder, clock, limits, tell } = options
  const files = await sized(folder)
  for (const { file, reason } of givingWay(files, limits(), clock.now())) {
    if (signal.aborted) return
    await tell(await statement(options, file, reason))
    for (const path of [file.path, `${file.path}.gz`]) await rm(path, { force: true })
    await syncFolder(folder)
  }
}

async function sized(folder: string): Promise<Sized[]> {
  const all: Sized[] = []
  for (const stream of STREAMS) {
    for (const file of await streamFiles(folder, stream)) {
      const { size, mtimeMs } = await stat(file.path)
      all.push({ ...file, size, changed: mtimeMs })
    }
  }
  return all
}

/** Says where every stream will begin: so the newest of these lines explains all gaps, also when older ones have given way. */
async function statement({ folder, head }: TidyOptions, gone: Sized, reason: GivesWay['reason']): Promise<AuditEvent> {
  const begins: Beginnings = {}
  for (const stream of STREAMS) {
    const files = await streamFiles(folder, stream)
    const behind = stream === gone.stream ? files.findIndex(({ first }) => first === gone.first) + 1 : 0
    const { seq, prev } = head(stream)
    begins[stream] = (await beginOf(files.slice(behind))) ?? { seq: seq + 1, prev }
  }
  const lines = (begins[gone.stream]?.seq ?? 0) - (gone.first ?? 0)
  return { stream: 'admin', action: 'audit-removed', file: gone.name, lines, reason, begins }
}

/** The first line of these files; null when there is none. */
async function beginOf(files: FileOfStream[]): Promise<{ seq: number; prev: string } | null> {
  for (const { path } of files) {
    for await (const line of readLines(path)) {
      const link = line.is === 'line' ? linkOf(line.bytes) : null
      if (link !== null) return { seq: link.seq, prev: link.prev }
    }
  }
  return null
}

/** Rotated files that are plain, but for the newest of each stream: that one is still being read by those who follow it. */
async function toBePacked(folder: string): Promise<string[]> {
  const paths: string[] = []
  for (const stream of STREAMS) {
    const rotated = (await streamFiles(folder, stream)).filter(({ first }) => first !== null)
    paths.push(...rotated.slice(0, -1).filter(({ packed }) => !packed).map(({ path }) => path)) // prettier-ignore
  }
  return paths
}
