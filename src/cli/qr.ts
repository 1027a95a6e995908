import { renderUnicodeCompact } from 'uqr'

/** A QR code of half-block characters, two modules a character high, dark on light as scanners want it. */
export function qrCode(text: string): string {
  return renderUnicodeCompact(text, { border: 2 })
}
