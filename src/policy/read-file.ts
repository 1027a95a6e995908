/** Reads the files of the policies, and keeps account of each: for the audit, and for the watch on changes. */
import { createHash } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import type { Place } from './findings.ts'
import { START } from './findings.ts'

/**
 * A file that the policies are made of, or would be if it were there. `sha256` of its content in hex, null when it could
 * not be read. `signature` changes whenever the file does; it was taken before reading, so no change can be missed.
 */
export type PolicyFile = { path: string; kind: FileKind; sha256: string | null; signature: string }
/** A `database` is looked at and not read: what it holds is for its compiler. */
export type FileKind = 'policy' | 'list' | 'certificate' | 'key' | 'database'

export type ReadText = { ok: true; text: string; mode: number } | ({ ok: false; message: string } & Place)

const ABSENT = 'absent'

/** Reads files once each and remembers them in the order of reading. */
export type Reader = {
  files: () => PolicyFile[]
  read: (path: string, kind: FileKind, max: number) => Promise<ReadText>
  /** Takes a file into account without reading it. Gives what is wrong with it, or null. */
  look: (path: string, kind: FileKind) => Promise<string | null>
}

/** Gives a reader for one load. Its faults are words that follow the file's name. */
export function createReader(): Reader {
  const known = new Map<string, { file: PolicyFile; result: ReadText }>()
  return {
    files: () => [...known.values()].map(({ file }) => file),
    read: async (path, kind, max) => {
      const earlier = known.get(path)
      if (earlier !== undefined) return earlier.result
      const entry = await readOnce(path, kind, max)
      known.set(path, entry)
      return entry.result
    },
    look: async (path, kind) => {
      const { file, fault: message } = await lookOnce(path, kind)
      known.set(path, { file, result: fault(message ?? 'was not read') })
      return message
    },
  }
}

async function readOnce(path: string, kind: FileKind, max: number): Promise<{ file: PolicyFile; result: ReadText }> {
  let signature = ABSENT
  let bytes: Buffer
  let mode = 0
  try {
    const facts = await stat(path)
    signature = signatureOf(facts)
    mode = facts.mode
    if (!facts.isFile()) return { file: { path, kind, sha256: null, signature }, result: fault('is no plain file') }
    if (facts.size > max)
      return { file: { path, kind, sha256: null, signature }, result: fault(tooLarge(facts.size, max)) }
    bytes = await readFile(path)
  } catch (error) {
    return { file: { path, kind, sha256: null, signature }, result: fault(wordsFor(error)) }
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  // A file that grew after the look at it.
  const result = bytes.length > max ? fault(tooLarge(bytes.length, max)) : decode(bytes, mode)
  return { file: { path, kind, sha256, signature }, result }
}

async function lookOnce(path: string, kind: FileKind): Promise<{ file: PolicyFile; fault: string | null }> {
  try {
    const facts = await stat(path)
    const file = { path, kind, sha256: null, signature: signatureOf(facts) }
    return { file, fault: facts.isFile() ? null : 'is no plain file' }
  } catch (error) {
    return { file: { path, kind, sha256: null, signature: ABSENT }, fault: wordsFor(error) }
  }
}

/** Gives a file's signature as it is now; all that is not there, or hidden from us, looks the same. */
export async function lookAt(path: string): Promise<string> {
  try {
    return signatureOf(await stat(path))
  } catch {
    return ABSENT
  }
}

/** Differs for any two states of a file: also after a rename or a swapped link, and after a change of its rights. */
function signatureOf(facts: Stats): string {
  return [facts.dev, facts.ino, facts.size, facts.mtimeMs, facts.mode].join(' ')
}

function decode(bytes: Buffer, mode: number): ReadText {
  const mark = bytes.subarray(0, 3).toString('latin1')
  if (mark.startsWith('\xff\xfe') || mark.startsWith('\xfe\xff')) return fault('is UTF-16; save it as UTF-8')
  if (mark === '\xef\xbb\xbf') return fault('starts with a byte order mark; save it as UTF-8 without one')
  if (isUtf8(bytes)) return { ok: true, text: bytes.toString('utf8'), mode }
  const lines = bytes.toString('latin1').split('\n')
  const line = lines.findIndex((one) => !isUtf8(Buffer.from(one, 'latin1')))
  const column =
    Buffer.from(lines[line] ?? '', 'latin1')
      .toString('utf8')
      .indexOf('\ufffd') + 1
  return { ok: false, line: line + 1, column: Math.max(column, 1), message: 'is no UTF-8 here; save it as UTF-8' }
}

function fault(message: string): ReadText {
  return { ok: false, ...START, message }
}

function tooLarge(size: number, max: number): string {
  return `holds ${size} octets, and no more than ${max} are read; is it the right file?`
}

/** What to do about a file that cannot be read. */
function wordsFor(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      return 'is not there'
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user; change its owner or mode'
    case 'ENOTDIR':
      return 'is not there: part of its path is no folder'
    case 'ELOOP':
      return 'is a link that leads in a circle'
    default:
      return `cannot be read (${code ?? 'unknown error'})`
  }
}
