/** Writes tar archives (POSIX ustar), the same bytes for the same content. */

const BLOCK = 512
/** What eleven octal digits hold; a larger size is written in binary, as GNU tar and bsdtar read it. */
const OCTAL_MAX = 8 ** 11 - 1

/** Needs a name of at most 100 octets, the content's size, and its time (seconds since 1970). Gives the header before the content. */
export function tarHeader(name: string, size: number, time: number): Buffer {
  const header = Buffer.alloc(BLOCK)
  if (Buffer.byteLength(name) > 100) throw new Error(`${name} is too long for a tar archive`)
  header.write(name, 0)
  const octal = (value: number, at: number, digits: number) => header.write(value.toString(8).padStart(digits, '0'), at)
  octal(0o600, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  if (size <= OCTAL_MAX) octal(size, 124, 11)
  else {
    header[124] = 0x80
    header.writeBigUInt64BE(BigInt(size), 128)
  }
  octal(Math.max(0, Math.floor(time)), 136, 11)
  header.write('0', 156)
  header.write('ustar\x0000', 257, 'latin1')
  header.fill(0x20, 148, 156)
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  )
  header[154] = 0
  return header
}

/** Gives what stands behind a content of that size, up to the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
}

/** Gives the end of an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK)
}
