/** The audit's files as commands reach them: without a server, and without policies that are free of faults. */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { clean } from '../base/clean.ts'
import { misuse, Refusal } from '../base/refusal.ts'
import { STREAMS, type Stream } from '../audit/events.ts'
import { locateAudit } from '../policy/locate.ts'

/** Gives the folder that `audit.path` names, or `path` where a copy is read. Throws Refusal when it cannot be listed. */
export async function auditFolder(config: string, path: string | undefined): Promise<string> {
  const folder = path ?? (await locateAudit(config, process.env))
  if (folder === null)
    throw new Refusal(`${clean(config)} cannot be read, so nobody knows where the audit is; name it with -c or --path`)
  await access(folder, constants.R_OK | constants.X_OK).catch((error: unknown) => {
    throw unreadable(error, folder)
  })
  return folder
}

/** Makes of a fault of reading the line that an operator can act on; another fault stays what it is. */
export function unreadable(error: unknown, folder: string): unknown {
  const { code, path } = error as NodeJS.ErrnoException
  const what = clean(path ?? folder, 400)
  if (code === 'EACCES' || code === 'EPERM')
    return new Refusal(`${what} may not be read by you; run this as root, or join the group that owns the files`)
  if (code === 'ENOENT') return new Refusal(`${what} is not there; does audit.path name the right folder?`)
  if (code === 'ENOTDIR') return new Refusal(`${what} is no folder; name the folder of the audit`)
  return error
}

/** Gives the stream of that name, or all where none is named. Throws Refusal for an unknown one. */
export function streamsOf(name: string | undefined): readonly Stream[] {
  if (name === undefined) return STREAMS
  const stream = STREAMS.find((one) => one === name)
  if (stream === undefined) throw misuse(`'${clean(name, 60)}' is no stream; the streams are ${STREAMS.join(', ')}`)
  return [stream]
}

/** Tells of what could not be read, on stderr: what a command prints stays clean. */
export function warnOfTrouble(file: string, what: string): void {
  process.stderr.write(`postern: ${clean(file)}: ${clean(what, 400)}\n`)
}
