/** One stream on disk: opened so that the chain goes on where it stood, appended to, cut back after a failed write. */
import { createReadStream } from 'node:fs'
import { mkdir, chmod, open, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AUDIT_LINE_MAX } from '../base/limits.ts'
import type { Stream } from './events.ts'
import { GENESIS, isOf, linkOf, type Head } from './chain.ts'

const LF = 0x0a

/** What the writer needs of a file. Every call may fail and may be tried again. */
export type StreamFile = {
  append(bytes: Uint8Array): Promise<void>
  /** Gives when all that was appended is on the disk (fdatasync), in a file that can be found there. */
  sync(): Promise<void>
  cutTo(size: number): Promise<void>
  close(): Promise<void>
}

/** `cut`: octets of a half line that stood at the end and are gone now. */
export type Opened = { file: StreamFile; name: string; size: number; head: Head; cut: number }

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
  const name = `${stream}.jsonl`
  const path = join(folder, name)
  const fresh = (await stat(path).catch(() => null)) === null
  const handle = await open(path, 'a+', 0o640)
  try {
    if (fresh) await settleFresh(handle, folder)
    const { size } = await handle.stat()
    const { whole, head } = await readTail(handle, path, stream, size)
    if (whole < size) {
      await handle.truncate(whole)
      await handle.datasync()
    }
    return { file: streamFile(handle, name), name, size: whole, head, cut: size - whole }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The umask may be narrower than a shipper can read, and a new name must survive a power cut as well as the lines do. */
async function settleFresh(handle: FileHandle, folder: string): Promise<void> {
  await handle.chmod(0o640)
  const parent = await open(folder, 'r')
  await parent.sync().finally(() => parent.close())
}

function streamFile(handle: FileHandle, name: string): StreamFile {
  return {
    async append(bytes) {
      let done = 0
      while (done < bytes.length) done += (await handle.write(bytes, done)).bytesWritten
    },
    async sync() {
      await handle.datasync()
      // A file that was removed takes lines as before, and they are on no record.
      const { nlink } = await handle.stat()
      if (nlink === 0) throw new Error(`${name} was removed while in use; start Postern again to begin a new one`)
    },
    cutTo: (size) => handle.truncate(size),
    close: () => handle.close(),
  }
}

async function readTail(
  handle: FileHandle,
  path: string,
  stream: Stream,
  size: number,
): Promise<{ whole: number; head: Head }> {
  const start = Math.max(0, size - 2 * AUDIT_LINE_MAX)
  const tail = await readAll(handle, start, size - start)
  const end = tail.lastIndexOf(LF)
  if (end < 0 && start === 0) return { whole: 0, head: GENESIS }
  const before = end > 0 ? tail.lastIndexOf(LF, end - 1) : -1
  if (end < 0 || (before < 0 && start > 0))
    throw await fault(path, `holds no line within its last ${tail.length} octets`)
  const line = tail.subarray(before + 1, end)
  const link = linkOf(line)
  if (link === null) throw await fault(path, 'is not as Postern wrote it')
  if (!isOf(line, stream)) throw await fault(path, 'belongs to another stream')
  return { whole: start + end + 1, head: { seq: link.seq, prev: link.hash } }
}

async function readAll(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, start + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

async function fault(path: string, what: string): Promise<Error> {
  const line = Math.max(1, await countLines(path))
  return new Error(
    `${path}:${line}: the last line ${what}; keep the file as evidence, move it out of the folder, start again`,
  )
}

async function countLines(path: string): Promise<number> {
  let lines = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) lines++
  }
  return lines
}
