/**
 * The keys that seal the audit, in `audit.keys` of the state folder, under the master key. The file has two places; the new keys go into
 * one, and once they are on the disk the other is overwritten: a crash leaves one that is whole, and the keys of a past interval do not
 * lie about. (What a disk or a file system keeps of overwritten blocks is beyond us; so are copies. The README says so.)
 */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { SEALING_KEYS_MAX } from '../base/audit-limits.ts'
import { reveal, Secret } from '../base/secret.ts'
import { StateFault } from './fault.ts'
import type { Keyring } from './secrets.ts'

const NAME = 'audit.keys'
/** Generation and length stand before what is sealed. */
const HEAD = 12

/** Where the audit's journal keeps its keys: it hands over octets and gets them back. */
export type SealingFile = { read(): Promise<Buffer | null>; write(packed: Buffer): Promise<void> }

/** Needs the state folder, whose lock the caller holds, and the keys of the store. */
export function sealingFile(stateFolder: string, keys: Keyring): SealingFile {
  const path = join(stateFolder, NAME)
  let newest = { generation: 0, place: 1 }

  return {
    async read() {
      const handle = await openOrNull(path, constants.O_RDONLY)
      if (handle === null) return null
      try {
        const places = [await readPlace(handle, 0), await readPlace(handle, 1)]
        const found = places.flatMap((place, i) => (place === null ? [] : [{ ...place, place: i }]))
        for (const { sealed, generation, place } of found.toSorted((a, b) => b.generation - a.generation)) {
          const packed = openSealed(keys, sealed)
          if (packed === null) continue
          newest = { generation, place }
          return packed
        }
      } finally {
        await handle.close()
      }
      throw new StateFault('key', `${path} does not open: move it away and start again; then note the new anchor`)
    },
    async write(packed) {
      const sealed = keys.seal('audit', '', new Secret(Buffer.from(packed)))
      if (sealed.length > SEALING_KEYS_MAX - HEAD) throw new Error(`${sealed.length} octets of keys are too many`)
      const next = { generation: newest.generation + 1, place: 1 - newest.place }
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
      try {
        await writePlace(handle, next.place, headed(next.generation, sealed))
        newest = next
        await writePlace(handle, 1 - next.place, Buffer.alloc(SEALING_KEYS_MAX))
      } finally {
        await handle.close()
      }
    },
  }
}

async function openOrNull(path: string, flags: number): Promise<FileHandle | null> {
  try {
    return await open(path, flags)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function headed(generation: number, sealed: Buffer): Buffer {
  const place = Buffer.alloc(SEALING_KEYS_MAX)
  place.writeBigUInt64BE(BigInt(generation))
  place.writeUInt32BE(sealed.length, 8)
  sealed.copy(place, HEAD)
  return place
}

async function writePlace(handle: FileHandle, place: number, bytes: Buffer): Promise<void> {
  const { bytesWritten } = await handle.write(bytes, 0, bytes.length, place * SEALING_KEYS_MAX)
  // A disk that fills up takes a part and says nothing yet.
  if (bytesWritten < bytes.length) throw new Error('no space left on the disk of the state folder')
  await handle.datasync()
}

async function readPlace(handle: FileHandle, place: number): Promise<{ generation: number; sealed: Buffer } | null> {
  const bytes = Buffer.alloc(SEALING_KEYS_MAX)
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, place * SEALING_KEYS_MAX)
  const length = bytes.readUInt32BE(8)
  if (bytesRead < HEAD || length === 0 || length > bytesRead - HEAD) return null
  return { generation: Number(bytes.readBigUInt64BE()), sealed: bytes.subarray(HEAD, HEAD + length) }
}

/** A place that was half written when a crash came does not open. */
function openSealed(keys: Keyring, sealed: Buffer): Buffer | null {
  try {
    return Buffer.from(reveal(keys.open('audit', '', sealed)))
  } catch {
    return null
  }
}
