/** Gets the database out of what was fetched: an .mmdb as it is, one in gzip, or one in a tar archive in gzip. */
import { gunzipSync } from 'node:zlib'
import { DATABASE_MAX } from '../base/gate-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'

const BLOCK = 512

/** Needs the bytes of a download or a file; gives those of the database. Faults are words that follow its name. */
export function unpack(packed: Buffer): Parsed<Buffer> {
  const bytes = isGzip(packed) ? gunzip(packed) : parsed(packed)
  if (!bytes.ok || !isTar(bytes.value)) return bytes
  return findInTar(bytes.value)
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

/** Attack: some kilobytes that unpack to gigabytes. zlib stops at the ceiling. */
function gunzip(bytes: Buffer): Parsed<Buffer> {
  try {
    return parsed(gunzipSync(bytes, { maxOutputLength: DATABASE_MAX }))
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    return faulty(tooLarge ? `unpacks to more than ${DATABASE_MAX} octets` : 'is damaged gzip, or is cut short')
  }
}

function isTar(bytes: Buffer): boolean {
  return bytes.subarray(257, 262).toString('latin1') === 'ustar'
}

/** Nothing is written anywhere, so that names in an archive lead nowhere. */
function findInTar(tar: Buffer): Parsed<Buffer> {
  for (let at = 0; at + BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + BLOCK)
    if (header[0] === 0) break
    const size = Number.parseInt(textOf(header, 124, 12), 8)
    if (!Number.isSafeInteger(size) || size < 0) return faulty('is a damaged tar archive')
    const start = at + BLOCK
    const isPlain = header[156] === 0x30 || header[156] === 0
    if (isPlain && textOf(header, 0, 100).endsWith('.mmdb')) {
      return start + size <= tar.length
        ? parsed(tar.subarray(start, start + size))
        : faulty('is a tar archive cut short')
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK
  }
  return faulty('is an archive without an .mmdb file in it')
}

function textOf(header: Buffer, at: number, length: number): string {
  return header.toString('latin1', at, at + length).replace(/\0.*$/s, '')
}
