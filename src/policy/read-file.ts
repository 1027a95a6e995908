/** Reads the files of the policies, and keeps account of each: for the audit, and for the watch on changes. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { decodeText } from '../base/utf8.ts'
import type { Place } from './findings.ts'
import { START } from './findings.ts'

/**
 * A file that the policies are made of, or would be if it were there. `sha256` of its content in hex, null when it could
 * not be read. `signature` changes whenever the file does; it was taken before reading, so no change can be missed.
 */
export type PolicyFile = { path: string; kind: FileKind; sha256: string | null; signature: string }
/** A `database` is looked at and not read: what it holds is for its compiler. */
export type FileKind = 'policy' | 'list' | 'certificate' | 'key' | 'database'

type Unread = { ok: false; message: string } & Place
export type ReadText = { ok: true; text: string; mode: number } | Unread
/** `changedAt`: ms since 1970. */
export type ReadOctets = { ok: true; bytes: Buffer; sha256: string; mode: number; changedAt: number } | Unread

const ABSENT = 'absent'
/** Hashed in one go: a few milliseconds. */
const DIGEST_SLICE = 1_048_576

/** Reads files once each and remembers them in the order of reading. */
export type Reader = {
  files: () => PolicyFile[]
  read: (path: string, kind: FileKind, max: number) => Promise<ReadText>
  /** As it lies on disk: what the compiler parses. */
  octets: (path: string, kind: FileKind, max: number) => Promise<ReadOctets>
  /** Takes a file into account without reading it. Gives what is wrong with it, or null. */
  look: (path: string, kind: FileKind) => Promise<string | null>
}

type Entry = { file: PolicyFile; result: ReadOctets }

/** Gives a reader for one load. Its faults are words that follow the file's name. */
export function createReader(): Reader {
  const known = new Map<string, Entry>()
  const octets: Reader['octets'] = async (path, kind, max) => {
    const entry = known.get(path) ?? (await readOnce(path, kind, max))
    known.set(path, entry)
    return entry.result
  }
  return {
    files: () => [...known.values()].map(({ file }) => file),
    octets,
    read: async (path, kind, max) => {
      const result = await octets(path, kind, max)
      if (!result.ok) return result
      const text = decodeText(result.bytes)
      return text.ok ? { ...text, mode: result.mode } : text
    },
    look: async (path, kind) => {
      const { file, fault: message } = await lookOnce(path, kind)
      known.set(path, { file, result: fault(message ?? 'was not read') })
      return message
    },
  }
}

async function readOnce(path: string, kind: FileKind, max: number): Promise<Entry> {
  let signature = ABSENT
  try {
    const facts = await stat(path)
    signature = signatureOf(facts)
    const unread = (message: string) => ({ file: { path, kind, sha256: null, signature }, result: fault(message) })
    if (!facts.isFile()) return unread('is no plain file')
    if (facts.size > max) return unread(tooLarge(facts.size, max))
    const bytes = await readFile(path)
    const sha256 = await digestOf(bytes)
    const file = { path, kind, sha256, signature }
    // A file that grew after the look at it.
    if (bytes.length > max) return { file, result: fault(tooLarge(bytes.length, max)) }
    return { file, result: { ok: true, bytes, sha256, mode: facts.mode, changedAt: facts.mtimeMs } }
  } catch (error) {
    return { file: { path, kind, sha256: null, signature }, result: fault(wordsFor(error)) }
  }
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

/** In slices: the keeper reads lists of many MiB while mail flows. */
async function digestOf(bytes: Buffer): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes.length; at += DIGEST_SLICE) {
    if (at > 0) await nextTurn()
    hash.update(bytes.subarray(at, at + DIGEST_SLICE))
  }
  return hash.digest('hex')
}

function fault(message: string): Unread {
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
