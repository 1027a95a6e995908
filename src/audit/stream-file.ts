/** One stream on disk: opened so that the chain goes on where it stood, appended to, cut back after a failed write, rotated. */
import { mkdir, chmod, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AUDIT_READ_CHUNK } from '../base/audit-limits.ts'
import type { Head } from './chain.ts'
import type { Stream, Tampering } from './events.ts'
import { currentName, rotatedName } from './stream-files.ts'
import { findEnd, firstOf } from './stream-end.ts'

/** What became of a file while it was written: it is there with all its lines, or what somebody did to it. */
export type Fate = 'there' | Extract<Tampering, 'removed' | 'moved' | 'altered'>

/** Of a file that is replaced: how many octets were good, how many came behind them just now, and the number of its first line. */
export type Lost = { size: number; behind: number; first: number }

/** What the writer needs of a file. Every call may fail and may be tried again. */
export type StreamFile = {
  append(bytes: Uint8Array): Promise<void>
  /** Gives when all that was appended is on the disk (fdatasync), and whether the file can still be found there with `size` octets. */
  sync(size: number): Promise<Fate>
  cutTo(size: number): Promise<void>
  /** Names the file after its first line and begins a new one. */
  rotate(first: number): Promise<void>
  /** Begins a new file in place of one that met that fate, and puts what is left of the old one where `audit verify` finds it. */
  replace(fate: Fate, old: Lost): Promise<void>
  close(): Promise<void>
}

/** `first`: the number of the file's first line, or of the one that will be. `began`: when it was written, ms since 1970; null: empty. */
export type Opened = {
  file: StreamFile
  name: string
  size: number
  head: Head
  /** Octets of a half line that stood at the end and are gone now. */
  cut: number
  first: number
  began: number | null
}

export type OpenStream = (folder: string, stream: Stream) => Promise<Opened>

/** Makes the audit folder, 0750 so that a shipper's group can read, when it is not there. */
export async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o750 })
  if (made !== undefined) await chmod(folder, 0o750)
}

/**
 * Opens the stream's file (0640, made when missing) and reads where its chain stands. A half line at the end, left by a crash, was
 * never acknowledged and is cut off. Throws, naming file and line, when the last whole line is not one that the chain can go on from:
 * going on would bless whoever changed it.
 */
export const openStream: OpenStream = async (folder, stream) => {
  const name = currentName(stream)
  const path = join(folder, name)
  let handle = await openCurrent(folder, path)
  try {
    const { size } = await handle.stat()
    const { whole, head } = await findEnd(handle, folder, stream, size)
    if (whole < size) {
      await handle.truncate(whole)
      await handle.datasync()
    }
    const { first, began } =
      whole === 0 ? { first: head.seq + 1, began: null } : await firstOf(handle, path, head, whole)
    const file = streamFile(
      folder,
      stream,
      () => handle,
      (next) => (handle = next),
    )
    return { file, name, size: whole, head, cut: size - whole, first, began }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openCurrent(folder: string, path: string): Promise<FileHandle> {
  const fresh = (await stat(path).catch(() => null)) === null
  const handle = await open(path, 'a+', 0o640)
  try {
    if (fresh) {
      // The umask may be narrower than a shipper can read, and a new name must survive a power cut as well as the lines do.
      await handle.chmod(0o640)
      await syncFolder(folder)
    }
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Gives when the names in a folder are on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

function streamFile(
  folder: string,
  stream: Stream,
  current: () => FileHandle,
  change: (handle: FileHandle) => void,
): StreamFile {
  const path = join(folder, currentName(stream))
  const begin = async () => {
    const old = current()
    change(await openCurrent(folder, path))
    await old.close().catch(() => undefined)
  }
  return {
    async append(bytes) {
      let done = 0
      while (done < bytes.length) done += (await current().write(bytes, done)).bytesWritten
    },
    async sync(size) {
      await current().datasync()
      return fateOf(path, current(), size)
    },
    cutTo: (size) => current().truncate(size),
    async rotate(first) {
      const name = await freeName(folder, stream, first)
      await rename(path, name)
      try {
        await begin()
      } catch (error) {
        // No room for a new file: the writing goes on in the old one under its old name.
        await rename(name, path)
        throw error
      }
    },
    async replace(fate, lost) {
      await rescue(fate, current(), path, () => freeName(folder, stream, lost.first), lost)
      // Whatever stands there by now is not ours; it is evidence.
      if ((await stat(path).catch(() => null)) !== null)
        await rename(path, await freeName(folder, stream, lost.first, 'foreign'))
      await begin()
    },
    close: () => current().close(),
  }
}

async function fateOf(path: string, handle: FileHandle, size: number): Promise<Fate> {
  const found = await stat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  })
  const ours = found === null || found.size !== size ? await handle.stat() : null
  if (ours === null) return 'there'
  if (ours.nlink === 0) return 'removed'
  if (found?.ino !== ours.ino || found.dev !== ours.dev) return 'moved'
  return 'altered'
}

/** What came last is taken off the old file: it is written again into the new one, and must not stand in both. */
async function rescue(
  fate: Fate,
  handle: FileHandle,
  path: string,
  name: () => Promise<string>,
  lost: Lost,
): Promise<void> {
  if (fate === 'moved') await handle.truncate(lost.size)
  // On a full disk this fails, and the writing goes on: the lines that are gone show in the chain.
  else if (fate === 'removed') await writeAgain(handle, lost.size, await name()).catch(() => undefined)
  else if (fate === 'altered') {
    const { size } = await handle.stat()
    await handle.truncate(Math.max(0, size - lost.behind))
    await rename(path, await name())
  }
}

/** A name that stands already is left alone: nothing of the audit is written over. */
async function freeName(folder: string, stream: Stream, first: number, mark?: string): Promise<string> {
  const wanted = `${rotatedName(stream, first)}${mark === undefined ? '' : `.${mark}`}`
  for (let n = 0; ; n++) {
    const path = join(folder, n === 0 ? wanted : `${wanted}.${n}`)
    if ((await stat(path).catch(() => null)) === null) return path
  }
}

async function writeAgain(from: FileHandle, size: number, path: string): Promise<void> {
  const part = `${path}.part`
  const to = await open(part, 'w', 0o640)
  try {
    const chunk = Buffer.alloc(AUDIT_READ_CHUNK)
    for (let at = 0; at < size;) {
      const { bytesRead } = await from.read(chunk, 0, Math.min(chunk.length, size - at), at)
      if (bytesRead === 0) break
      await to.writeFile(chunk.subarray(0, bytesRead))
      at += bytesRead
    }
    await to.datasync()
  } catch (error) {
    await rm(part, { force: true })
    throw error
  } finally {
    await to.close()
  }
  await rename(part, path)
}
