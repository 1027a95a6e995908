/** Recovery codes: ten for each enrolment, once each, typed behind the password in place of a code. */
import { randomBytes } from 'node:crypto'

export const RECOVERY_CODES = 10
/** 32 signs that are not mistaken for one another: Crockford's base32, in lower case. Ten of them are 50 bits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const HALF = 5
/** Length of `xxxxx-xxxxx`. */
export const RECOVERY_LENGTH = 2 * HALF + 1
const FORM = /^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/i

/** Makes ten different codes `xxxxx-xxxxx`. */
export function makeRecoveryCodes(): string[] {
  const codes = new Set<string>()
  while (codes.size < RECOVERY_CODES) codes.add(makeRecoveryCode())
  return [...codes]
}

/** Makes one code `xxxxx-xxxxx`. 256 is a multiple of 32: every sign is equally likely. */
export function makeRecoveryCode(): string {
  const signs = [...randomBytes(2 * HALF)].map((byte) => ALPHABET.charAt(byte & 31)).join('')
  return `${signs.slice(0, HALF)}-${signs.slice(HALF)}`
}

/** Gives a recovery code in the one form that is stored, or null for what has not its form. Case does not matter. */
export function readRecoveryCode(typed: Buffer): string | null {
  const text = typed.toString('latin1')
  return FORM.test(text) ? text.toLowerCase() : null
}
