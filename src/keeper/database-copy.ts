/** Databases on disk: files that the operator names, and the copies of those that were fetched. */
import { mkdir, open, readFile, rename, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { DATABASE_COMPILE_MS } from '../base/gate-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { reveal, type Secret } from '../base/secret.ts'
import type { DatabaseAnswer } from '../compiler/database-process.ts'
import type { CompiledDatabase, DatabaseKind } from '../compiler/mmdb.ts'
import type { CompileDatabase } from './database-compiler.ts'

const note = z.object({ etag: z.string().nullable(), lastModified: z.string().nullable(), fetchedAt: z.number() })

/** What is known of a copy: what the server said of it, and when it was last asked (ms since 1970). */
export type Note = z.output<typeof note>

const noteFile = (copy: string) => `${copy}.json`

/** Gives the note of a copy; null when there is none, or none that can be read. */
export async function noteOf(copy: string): Promise<Note | null> {
  try {
    return note.parse(JSON.parse(await readFile(noteFile(copy), 'utf8')))
  } catch {
    return null
  }
}

/** Compiles a file. Faults are words that follow its name. */
export async function compileFile(
  compile: CompileDatabase,
  path: string,
  kind: DatabaseKind,
): Promise<Parsed<CompiledDatabase>> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r')
    const answer = await compile({ kind, from: { at: 'file' } }, file, DATABASE_COMPILE_MS)
    return databaseIn(answer, 'cannot be compiled')
  } catch (error) {
    return faulty(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
  } finally {
    await file?.close()
  }
}

function databaseIn(answer: DatabaseAnswer, otherwise: string): Parsed<CompiledDatabase> {
  if (!answer.ok) return answer
  return answer.value.got === 'database' ? parsed(answer.value) : faulty(otherwise)
}

export type FetchOrder = {
  compile: CompileDatabase
  clock: { now(): number }
  copy: string
  kind: DatabaseKind
  url: Secret
  /** Of the copy at hand, or null when there is none. */
  note: Note | null
  deadlineMs: number
}

/**
 * Fetches a database and puts it in the place of the copy, once it is known to be good and on disk. Gives it compiled, or
 * `unchanged`. Whatever fails leaves the copy as it was.
 */
export async function fetchCopy(order: FetchOrder): Promise<Parsed<CompiledDatabase | 'unchanged'>> {
  const { copy, clock } = order
  const fresh = `${copy}.new`
  try {
    await mkdir(dirname(copy), { recursive: true, mode: 0o700 })
    const answer = await fetchInto(fresh, order)
    if (!answer.ok) return answer
    const { etag = null, lastModified = null } = answer.value.got === 'database' ? answer.value : (order.note ?? {})
    if (answer.value.got === 'database') await rename(fresh, copy)
    await writeFile(noteFile(fresh), JSON.stringify({ etag, lastModified, fetchedAt: clock.now() }), { mode: 0o600 })
    await rename(noteFile(fresh), noteFile(copy))
    return answer.value.got === 'database' ? parsed(answer.value) : parsed('unchanged')
  } catch (error) {
    return faulty(`could not be kept on disk (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
  } finally {
    await rm(fresh, { force: true })
  }
}

async function fetchInto(
  fresh: string,
  { compile, kind, url, note: known, deadlineMs }: FetchOrder,
): Promise<DatabaseAnswer> {
  const file = await open(fresh, 'w', 0o600)
  try {
    const { etag = null, lastModified = null } = known ?? {}
    const from = { at: 'url', url: reveal(url).toString(), etag, lastModified, deadlineMs } as const
    const answer = await compile({ kind, from }, file, deadlineMs + DATABASE_COMPILE_MS)
    if (answer.ok && answer.value.got === 'database') await file.sync()
    return answer
  } finally {
    await file.close()
  }
}
