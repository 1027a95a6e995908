/** The lines of some time, or of one user in it, in one archive that can be handed over: with what they are, and how to check them. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rename, rm, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Trouble } from './cursor.ts'
import { STREAMS, type Stream } from './events.ts'
import { fields, placeOf, readRecord, text, timeOf, type Place } from './recorded.ts'
import { anchorId } from './seal-proof.ts'
import { tarEnd, tarHeader, tarPadding } from './tar.ts'
import { currentName } from './stream-files.ts'
import { readWanted } from './window.ts'

export type ExportOptions = {
  folder: string
  /** ms since 1970; `until` is out. */
  since: number
  until: number
  /** Null for everybody. */
  user: string | null
  out: string
  /** The anchor of this machine's seals, where its store is at hand. */
  anchor?: Buffer | null
}

/** `complete`: no line of the stream is missing between the first and the last one here. */
export type ExportedStream = {
  name: string
  lines: number
  octets: number
  sha256: string
  first: (Place & { time: string | null }) | null
  last: (Place & { time: string | null }) | null
  complete: boolean
}

export type Manifest = {
  format: 1
  from: string
  to: string
  user: string | null
  streams: ExportedStream[]
  /** Public anchors of the signing keys that these lines speak of: hold them against what `audit key` printed elsewhere. */
  anchors: string[]
  troubles: string[]
}

/** Writes the archive (mode 0600) and gives its manifest. Throws EEXIST when `out` is there, and leaves nothing behind on a fault. */
export async function exportAudit(options: ExportOptions, trouble: Trouble): Promise<Manifest> {
  const out = resolve(options.out)
  // Before the work is done: somebody who mistyped need not wait for it.
  await reserve(out)
  await unlink(out)
  const spool = await mkdtemp(join(dirname(out), '.postern-export-'))
  const packed = join(spool, 'packed')
  try {
    const manifest = await spoolAll(options, spool, trouble)
    await pack(packed, spool, manifest)
    // A rename takes the place of whatever is there: only of this empty file, which is nobody else's.
    await reserve(out)
    await rename(packed, out)
    return manifest
  } finally {
    await rm(spool, { recursive: true, force: true })
  }
}

async function reserve(path: string): Promise<void> {
  await (await open(path, 'wx', 0o600)).close()
}

async function spoolAll(options: ExportOptions, spool: string, trouble: Trouble): Promise<Manifest> {
  const { since, until, user } = options
  const anchors = new Set<string>()
  const troubles: string[] = []
  const told: Trouble = (file, what) => {
    trouble(file, what)
    if (troubles.length < TROUBLES_MAX) troubles.push(`${file}: ${what}`)
  }
  const streams: ExportedStream[] = []
  for (const stream of STREAMS) streams.push(await spoolStream(options, stream, spool, anchors, told))
  const times = { from: new Date(since).toISOString(), to: new Date(until).toISOString() }
  return { format: 1, ...times, user, streams, anchors: inFull(anchors, options.anchor ?? null), troubles }
}

const TROUBLES_MAX = 1_000
const ANCHORS_MAX = 100
const LF = Buffer.from('\n')
const ANCHOR = Buffer.from('"anchor":"')

async function spoolStream(
  { folder, since, until, user }: ExportOptions,
  stream: Stream,
  spool: string,
  anchors: Set<string>,
  told: Trouble,
): Promise<ExportedStream> {
  const hash = createHash('sha256')
  const file = await open(join(spool, currentName(stream)), 'wx', 0o600)
  const found: ExportedStream = { name: currentName(stream), lines: 0, octets: 0, sha256: '', first: null, last: null, complete: true } // prettier-ignore
  const take = (line: Buffer) => {
    const place = placeOf(line)
    const entry = place === null ? null : { ...place, time: timeOf(line) }
    found.complete &&= entry !== null && (found.last === null || entry.seq === found.last.seq + 1)
    found.first ??= entry
    found.last = entry ?? found.last
    found.lines++
    found.octets += line.length + 1
    if (line.includes(ANCHOR) && anchors.size < ANCHORS_MAX) for (const anchor of anchorsIn(line)) anchors.add(anchor)
  }
  try {
    for await (const lines of readWanted(folder, stream, { since, until, user: user ?? undefined }, told)) {
      for (const line of lines) take(line)
      const bytes = Buffer.concat(lines.flatMap((line) => [line, LF]))
      hash.update(bytes)
      await file.writeFile(bytes)
    }
  } finally {
    await file.close()
  }
  return { ...found, sha256: hash.digest('hex') }
}

/** Seals name their anchor in short; an auditor has it as `audit key` prints it. What nobody here knows in full stays short. */
function inFull(found: ReadonlySet<string>, own: Buffer | null): string[] {
  const known = [...found, ...(own === null ? [] : [own.toString('base64url')])]
  const byId = new Map(known.map((anchor) => [anchorId(Buffer.from(anchor, 'base64url')), anchor]))
  return [...new Set([...found].map((anchor) => byId.get(anchor) ?? anchor))].sort()
}

function anchorsIn(line: Buffer): string[] {
  const record = readRecord(line)
  if (record === null || !record.action.startsWith('audit-')) return []
  const all = [text(record.detail['anchor']), text(fields(record.detail['seal'])['anchor'])]
  return all.filter((anchor) => anchor !== undefined)
}

async function pack(path: string, spool: string, manifest: Manifest): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await pipeline(Readable.from(archive(spool, manifest)), createGzip(), async (packed: AsyncIterable<Buffer>) => {
      for await (const chunk of packed) await handle.writeFile(chunk)
    })
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Times are those of the content, so that the same lines give the same archive whenever they are exported. */
async function* archive(spool: string, manifest: Manifest): AsyncGenerator<Buffer> {
  const last =
    manifest.streams
      .map((stream) => stream.last?.time ?? '')
      .sort()
      .at(-1) ?? ''
  const time = Math.floor((Date.parse(last) || 0) / 1_000)
  const folder = `postern-audit-${manifest.from.slice(0, 10)}`
  const texts = { 'README.txt': readme(manifest), 'manifest.json': `${JSON.stringify(manifest, null, 2)}\n` }
  for (const [name, content] of Object.entries(texts)) {
    const bytes = Buffer.from(content)
    yield Buffer.concat([tarHeader(`${folder}/${name}`, bytes.length, time), bytes, tarPadding(bytes.length)])
  }
  for (const { name, octets } of manifest.streams) {
    yield tarHeader(`${folder}/${basename(name)}`, octets, time)
    yield* createReadStream(join(spool, name)) as AsyncIterable<Buffer>
    yield tarPadding(octets)
  }
  yield tarEnd()
}

function readme({ from, to, user, anchors }: Manifest): string {
  const whose = user === null ? 'all lines' : `the lines of the user ${user} (and no others)`
  const chained =
    user === null
      ? [
          'Each line carries its number in its stream, the hash of the line before it, and its own. Where manifest.json says "complete", no',
          'line is missing in between: the hash of each line is the "prev" of the next. The first line continues from "first.prev" there.',
          'On any machine: postern audit verify --export THIS-FOLDER --anchors FILE, where FILE is what `postern audit key`',
          'printed at its source. Signed checkpoints are proven from the first one on whose certificate is among these lines.',
        ]
      : [
          'These lines were picked out of streams in which they do not follow each other. So each line can be checked by itself alone: its',
          'own hash must fit it. That none was left out, and that these are the lines that were written, cannot be seen from this archive.',
          'To prove it, export the same time without --user: each line here stands there, byte for byte, under the same number in its stream,',
          'and the chain and the signed checkpoints of that archive (or of the audit itself) are proven by `postern audit verify --export`.',
        ]
  return [
    `Audit of Postern from ${from} to ${to} (not included): ${whose}.`,
    '',
    'One file a stream, one JSON text a line, in the order they were written. Field names follow the Elastic Common Schema.',
    'manifest.json has the number of lines and the SHA-256 of each file.',
    '',
    ...chained,
    '',
    anchors.length === 0
      ? 'No anchor of a signing key is named in these lines.'
      : `Anchors of signing keys named in these lines, to be held against what \`postern audit key\` printed when Postern was set up:\n${anchors.join('\n')}`,
    '',
  ].join('\n')
}
