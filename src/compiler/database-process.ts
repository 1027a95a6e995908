/**
 * The compiler of databases: a short-lived process without powers. It opens no file: what it reads and writes are
 * descriptors that the keeper opened for it. One question, one answer, then it ends.
 */
import { readSync, fstatSync, writeSync } from 'node:fs'
import { giveUpRoot } from '../base/give-up-root.ts'
import { COMPILER_HEADER_MAX, DATABASE_MAX } from '../base/gate-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { fetchDatabase, type Validators } from './database.ts'
import { compileDatabase, type CompiledDatabase, type DatabaseKind } from './mmdb.ts'
import { unpack } from './unpack.ts'
import { readFrame, toFrame } from './wire.ts'

/** What the keeper asks. A file is at {@link FILE_FD}; what was fetched goes there too, unpacked. */
export type DatabaseQuestion = {
  kind: DatabaseKind
  from: { at: 'file' } | ({ at: 'url'; url: string; deadlineMs: number } & Validators)
}

/** `unchanged`: the copy at hand is the newest. */
export type DatabaseAnswer = Parsed<({ got: 'database' } & CompiledDatabase & Validators) | { got: 'unchanged' }>

const FILE_FD = 3

giveUpRoot(process.argv[2], process.argv[3])

const ceiling = COMPILER_HEADER_MAX
const question = (await readFrame(process.stdin, { head: ceiling, all: ceiling })) as DatabaseQuestion
for (const octets of toFrame(await compile(question))) process.stdout.write(octets)
// A look-up of a name that hangs cannot be called off, and would keep this process alive.
process.stdout.write('', () => process.exit(0))

async function compile({ kind, from }: DatabaseQuestion): Promise<DatabaseAnswer> {
  if (from.at === 'file') {
    const bytes = readWhole()
    const unpacked = bytes.ok ? unpack(bytes.value) : bytes
    const compiled = unpacked.ok ? compileDatabase(unpacked.value, kind) : unpacked
    if (!compiled.ok) return compiled
    return parsed({ got: 'database', ...compiled.value, etag: null, lastModified: null })
  }
  const fetched = await fetchDatabase(from.url, from, from.deadlineMs)
  if (!fetched.ok) return faulty(`could not be fetched: ${fetched.fault}`)
  if (!fetched.value.changed) return parsed({ got: 'unchanged' })
  const { bytes, etag, lastModified } = fetched.value
  const compiled = compileDatabase(bytes, kind)
  if (!compiled.ok) return faulty(`what the server sent ${compiled.fault}`)
  for (let at = 0; at < bytes.length;) at += writeSync(FILE_FD, bytes, at)
  return parsed({ got: 'database', ...compiled.value, etag, lastModified })
}

function readWhole(): Parsed<Buffer> {
  const { size } = fstatSync(FILE_FD)
  if (size > DATABASE_MAX) return faulty(`holds ${size} octets, and no more than ${DATABASE_MAX} are read`)
  const bytes = Buffer.alloc(size)
  let at = 0
  for (let read = 1; at < size && read > 0; at += read) read = readSync(FILE_FD, bytes, at, size - at, at)
  return parsed(bytes.subarray(0, at))
}
