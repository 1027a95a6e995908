/**
 * What a client typed into its one box, taken apart. There is exactly one reading of a string: whoever tried several
 * would double the guesses of an attacker and could send the wrong half to the old server. App passwords were looked for
 * before: what is one of the user's is nothing else, and what is none is read here, whatever its form.
 */
import { readRecoveryCode, RECOVERY_LENGTH } from './recovery.ts'
import { DIGITS } from './totp.ts'

/** Every part is a copy, so that the message it came in can be let go. `password` is never empty. */
export type Candidate =
  | { how: 'code'; password: Buffer; code: Buffer }
  | { how: 'recovery'; password: Buffer; code: string }
  | { how: 'none' }

const NONE: Candidate = { how: 'none' }

/**
 * Needs all that was typed, and the separator of the policy (none when empty). The last six ASCII digits are a code, the
 * form `xxxxx-xxxxx` at the end a recovery code; no string ends in both, as one ends in six digits and the other has a
 * dash there. One separator before it is taken away when it is there. What leaves no password is `none`.
 */
export function readCandidate(typed: Buffer, separator: string): Candidate {
  const digits = typed.subarray(-DIGITS)
  if (digits.length === DIGITS && digits.every((byte) => byte >= 0x30 && byte <= 0x39)) {
    const password = passwordBefore(typed, DIGITS, separator)
    return password === null ? NONE : { how: 'code', password, code: Buffer.from(digits) }
  }
  const code = readRecoveryCode(typed.subarray(-RECOVERY_LENGTH))
  const password = code === null ? null : passwordBefore(typed, RECOVERY_LENGTH, separator)
  return code === null || password === null ? NONE : { how: 'recovery', password, code }
}

function passwordBefore(typed: Buffer, length: number, separator: string): Buffer | null {
  const before = typed.subarray(0, typed.length - length)
  const cut = Buffer.from(separator)
  const separated = cut.length > 0 && before.length >= cut.length && before.subarray(-cut.length).equals(cut)
  const password = separated ? before.subarray(0, before.length - cut.length) : before
  return password.length === 0 ? null : Buffer.from(password)
}
