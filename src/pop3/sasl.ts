/** SASL as POP3 carries it (RFC 5034): strict base64, PLAIN, and the two answers of LOGIN. Pure. */
import { Secret } from '../base/secret.ts'
import { isPassword, isUserName } from './command.ts'

export type Credentials = { user: Buffer; password: Secret }

const NUL = 0x00

/**
 * Decodes base64 as RFC 4648 section 4 has it: that alphabet, full padding, no spaces or line ends, no stray bits behind
 * the last octet (section 3.5). Gives null otherwise. Node's decoder skips what it does not know, which would make many
 * spellings of one password; so the result must encode to the very same text.
 */
export function decodeBase64(text: Buffer): Buffer | null {
  const written = text.toString('latin1')
  const bytes = Buffer.from(written, 'base64')
  return bytes.toString('base64') === written ? bytes : null
}

/** Decodes an initial response: base64, or `=` for an empty one (RFC 5034 section 4). Null when it is neither. */
export function decodeInitial(text: Buffer): Buffer | null {
  return text.length === 1 && text[0] === 0x3d ? Buffer.alloc(0) : decodeBase64(text)
}

/**
 * Reads `[authzid] NUL authcid NUL passwd` (RFC 4616 section 2). Null when it has another shape, when authzid names
 * somebody else than authcid (nobody acts for others here), or when a field is empty or holds what USER and PASS could
 * not carry: a CR LF in it would be a second command at the old server.
 */
export function readPlain(message: Buffer): Credentials | null {
  const first = message.indexOf(NUL)
  const second = first < 0 ? -1 : message.indexOf(NUL, first + 1)
  if (second < 0) return null
  const authzid = message.subarray(0, first)
  const user = message.subarray(first + 1, second)
  const password = message.subarray(second + 1)
  if (authzid.length > 0 && !authzid.equals(user)) return null
  if (!isUserName(user) || !isPassword(password)) return null
  return { user: Buffer.from(user), password: new Secret(Buffer.from(password)) }
}

/** Reads the first answer of LOGIN, already decoded. Null when it is no user name. */
export function readLoginUser(message: Buffer): Buffer | null {
  return isUserName(message) ? message : null
}

/** Reads the second answer of LOGIN, already decoded. Null when it is no password. */
export function readLoginPassword(message: Buffer): Secret | null {
  return isPassword(message) ? new Secret(message) : null
}
