/** `postern audit verify` and `postern audit key`: they read, and write nothing. */
import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { parseNotes, printNotes, type Notes } from '../audit/anchors.ts'
import { wordsOf } from '../audit/verify.ts'
import { verifyExport } from '../audit/verify-export.ts'
import { verifyFiles, verifyFolder, type Report } from '../audit/verify-folder.ts'
import { clean } from '../base/clean.ts'
import { Refusal } from '../base/refusal.ts'
import { loadPolicies, type Policies } from '../policy/load.ts'
import { locateState } from '../policy/locate.ts'
import { auditFolder } from './audit-folder.ts'
import { peekAudit } from '../state/sqlite-heads.ts'

type Options = { config: string; anchors?: string; path?: string; export?: string; json?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)

/**
 * Proves the streams of this server, of a copy (`--path`), or some files. Gives 1 when something is broken. The anchors are those of the
 * file, or what this machine's store has; for a copy without either the chain alone is proven, and that is said.
 */
export async function auditVerify(files: string[], options: Options): Promise<number> {
  const { config, anchors, path, json, export: unpacked } = options
  const copy = path !== undefined || unpacked !== undefined || files.length > 0
  // What cannot be found is told as any other fault of a path: in words, before the reading begins.
  for (const wanted of [...files, ...[path, anchors, unpacked].filter((one) => one !== undefined)])
    await mustBeThere(wanted)
  const notes = anchors === undefined ? (copy ? null : await notesOf(config)) : await readNotes(anchors)
  const progress = createProgress()
  const wanted = { notes, live: !copy, read: progress.read }
  const reports = await (unpacked !== undefined
    ? verifyExport(unpacked, wanted)
    : files.length > 0
      ? verifyFiles(files, wanted)
      : verifyFolder(await auditFolder(config, path), wanted))
  progress.end()
  if (json === true) print(JSON.stringify(reports))
  else for (const report of reports) print(wordsFor(report, notes !== null))
  if (notes === null && json !== true)
    print('note: no anchors were given, so seals were not proven: a chain made anew as a whole would not show')
  return reports.every(({ verified }) => verified.at === 'whole') ? 0 : 1
}

/** Prints what to note elsewhere. Throws Refusal where no server has run yet. */
export async function auditKey({ config }: Options): Promise<number> {
  const state = await stateOf(config)
  if (await isClosed(state))
    throw new Refusal(
      `${clean(state, 400)} may not be read by you: run this as root, or as the user that runs the server`,
    )
  const note = peekAudit(state)
  if (note === null)
    throw new Refusal(`no server has run on the state in ${state} yet: the keys are made at its first start`)
  for (const line of printNotes(note.anchor, note.heads, new Date().toISOString())) print(line)
  return 0
}

async function notesOf(config: string): Promise<Notes | null> {
  const state = await stateOf(config)
  // Whoever may read the audit alone, as a log shipper's group may, proves its chain.
  const note = (await isClosed(state)) ? null : peekAudit(state)
  if (note === null) return null
  return parseNotes(printNotes(note.anchor, note.heads, '').join('\n'), 'the store')
}

async function isClosed(folder: string): Promise<boolean> {
  return access(folder, constants.R_OK | constants.X_OK).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'EACCES',
  )
}

async function mustBeThere(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'EACCES' ? 'may not be read by you: run this as root, or as its owner' : 'is not there'
    throw new Refusal(`${clean(path, 400)} ${why}`)
  })
}

async function readNotes(file: string): Promise<Notes> {
  return parseNotes(await readFile(file, 'utf8'), file)
}

async function stateOf(config: string): Promise<string> {
  return (await locateState(config, process.env)) ?? (await policiesOf(config)).postern.state.path
}

async function policiesOf(file: string): Promise<Policies> {
  const loaded = await loadPolicies(file, process.env)
  if (!loaded.ok) throw new Refusal(...loaded.faults)
  return loaded.policies
}

function wordsFor({ stream, files, part, verified }: Report, sealed: boolean): string {
  if (verified.at === 'broken') return `${stream}: BROKEN: ${wordsOf(verified)}`
  const { lines, begin, head } = verified
  if (lines === 0) return `${stream}: whole, no lines`
  const where = files.length === 1 ? '1 file' : `${files.length} files`
  const seal = !sealed
    ? ''
    : verified.sealed === null
      ? part === true
        ? ', no seal of this part can be proven: their certificate stands before it'
        : ', nothing sealed yet'
      : `, sealed up to line ${verified.sealed.seq} (${verified.sealed.at})`
  return `${stream}: whole, lines ${begin.seq} to ${head.seq} in ${where}${seal}`
}

const PROGRESS_EVERY_MS = 500

/** On a terminal, stderr says how far the reading is. */
function createProgress(): { read(path: string, octets: number): void; end(): void } {
  const started = performance.now()
  let said = started
  let all = 0
  const line = (text: string) => process.stderr.write(`\r\u001b[K${text}`)
  return {
    read(path, octets) {
      all += octets
      const now = performance.now()
      if (!process.stderr.isTTY || now - said < PROGRESS_EVERY_MS) return
      said = now
      const speed = all / 1_048_576 / ((now - started) / 1_000)
      line(`${(all / 1_048_576).toFixed(0)} MiB read, ${speed.toFixed(0)} MiB/s, ${path}`)
    },
    end() {
      if (said !== started) line('')
    },
  }
}
