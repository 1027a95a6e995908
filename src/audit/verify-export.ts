/** An archive of `audit export`, unpacked: its files are a part of the streams, and manifest.json says which. */
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Head } from './chain.ts'
import { notedOf } from './anchors.ts'
import { STREAMS } from './events.ts'
import { createSealCheck } from './seal-proof.ts'
import { currentName } from './stream-files.ts'
import { verifyStream } from './verify.ts'
import type { FolderOptions, Report } from './verify-folder.ts'
import { fields, type Place } from './recorded.ts'

/**
 * Needs the folder of an unpacked export. What was before it and what came behind is not asked: what its manifest says of its ends is.
 * Throws a line that says what to do when it is none, or the lines of one user.
 */
export async function verifyExport(folder: string, { notes, read }: FolderOptions): Promise<Report[]> {
  const seals = notes === null ? null : createSealCheck(notes.anchors)
  const reports: Report[] = []
  for (const stream of STREAMS) {
    const path = join(folder, currentName(stream))
    const part = await partOf(path)
    const verified = await verifyStream([{ path, first: null }], {
      stream,
      from: part.from ?? 'anywhere',
      noted: notedWithin(notes === null ? new Map() : notedOf(notes, stream), part),
      part: true,
      ...(read === undefined ? {} : { read }),
      ...(seals === null ? {} : { seals }),
    })
    reports.push({ stream, files: [path], part: true, verified })
  }
  return reports
}

/** Where the chain stands before its first line, and the hashes of its ends by number; null and none for a file without lines. */
type Part = { from: Head | null; ends: ReadonlyMap<number, string> }

const MANIFEST_MAX = 1_048_576

/**
 * Gives the part of its stream that a file of an export holds. Throws a line
 * that says what to do for a file that no manifest names, and for an export of one user: its lines do not follow each other.
 */
async function partOf(path: string): Promise<Part> {
  const manifest = await readManifest(dirname(path))
  const streams = Array.isArray(manifest?.['streams']) ? manifest['streams'].map(fields) : []
  const named = streams.find((stream) => stream['name'] === basename(path))
  if (manifest === null || named === undefined)
    throw new Error(`${path}: no manifest.json of an export beside it names it`)
  if (manifest['user'] !== null)
    throw new Error(`${path}: these are lines of one user, which do not follow each other: export the same time without --user and verify that`) // prettier-ignore
  const [first, last] = [placeOf(named['first']), placeOf(named['last'])]
  if (first === null || last === null) return { from: null, ends: new Map() }
  const from = { seq: first.seq - 1, prev: first.prev }
  return { from, ends: new Map([first, last].map(({ seq, hash }) => [seq, hash])) }
}

function placeOf(value: unknown): Place | null {
  const { seq, prev, hash } = fields(value)
  return typeof seq === 'number' && typeof prev === 'string' && typeof hash === 'string' ? { seq, prev, hash } : null
}

async function readManifest(folder: string): Promise<Readonly<Record<string, unknown>> | null> {
  const bytes = await readFile(join(folder, 'manifest.json')).catch(() => null)
  if (bytes === null || bytes.length > MANIFEST_MAX) return null
  try {
    const manifest = fields(JSON.parse(bytes.toString()) as unknown)
    return manifest['format'] === 1 ? manifest : null
  } catch {
    return null
  }
}

/** Needs what was noted of a stream; gives what must hold of the part. What was noted behind its end is not asked. */
function notedWithin(noted: ReadonlyMap<number, string>, { ends }: Part): ReadonlyMap<number, string> {
  const last = Math.max(0, ...ends.keys())
  // What was noted elsewhere goes before what the manifest says.
  return new Map([...ends, ...[...noted].filter(([seq]) => seq <= last)])
}
