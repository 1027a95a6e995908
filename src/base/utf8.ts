/** Octets to text, with words for an operator whose editor saved something else. */
import { isUtf8 } from 'node:buffer'

export type Decoded = { ok: true; text: string } | { ok: false; line: number; column: number; message: string }

/** Needs the octets of a file; gives its text, or where it is no UTF-8. The words follow the file's name. */
export function decodeText(bytes: Buffer): Decoded {
  const fault = (message: string, line = 1, column = 1): Decoded => ({ ok: false, line, column, message })
  const mark = bytes.subarray(0, 3).toString('latin1')
  if (mark.startsWith('\xff\xfe') || mark.startsWith('\xfe\xff')) return fault('is UTF-16; save it as UTF-8')
  if (mark === '\xef\xbb\xbf') return fault('starts with a byte order mark; save it as UTF-8 without one')
  if (isUtf8(bytes)) return { ok: true, text: bytes.toString('utf8') }
  const lines = bytes.toString('latin1').split('\n')
  const line = lines.findIndex((one) => !isUtf8(Buffer.from(one, 'latin1')))
  const column =
    Buffer.from(lines[line] ?? '', 'latin1')
      .toString('utf8')
      .indexOf('\ufffd') + 1
  return fault('is no UTF-8 here; save it as UTF-8', line + 1, Math.max(column, 1))
}
