import { timingSafeEqual } from 'node:crypto'

/** Compares in a time that does not tell where two values of one length differ. */
export function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
