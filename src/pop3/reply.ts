/**
 * Every word that Postern itself says to a client, and the reading of an old server's status line. Texts are ASCII, ready
 * to be written, CRLF included; a line has at most 512 octets (RFC 2449 section 4). No product name, no version, no
 * APOP timestamp in any of them.
 */
import { REPLY_LINE_MAX } from '../base/limits.ts'

export const GREETING = '+OK POP3 ready\r\n'
export const USER_OK = '+OK Send PASS.\r\n'
export const NOOP_OK = '+OK\r\n'
export const BYE = '+OK Bye.\r\n'
export const STLS_OK = '+OK Begin TLS negotiation.\r\n'

/** SASL challenges (RFC 5034 section 4): an empty one for PLAIN, `Username:` and `Password:` for LOGIN. */
export const CHALLENGE_PLAIN = '+ \r\n'
export const CHALLENGE_USER = '+ VXNlcm5hbWU6\r\n'
export const CHALLENGE_PASSWORD = '+ UGFzc3dvcmQ6\r\n'

/** The one refusal of a login, whatever the cause and whether or not the user exists. */
export const REFUSED =
  '-ERR [AUTH] Authentication failed. If this account uses codes, type the current code right behind your password.\r\n'
/** Our own trouble or the old server's (RFC 3206 section 3). Never counted as a failed login. */
export const TROUBLE = '-ERR [SYS/TEMP] The mailbox cannot be reached right now. Try again later.\r\n'
export const TOO_SLOW = '-ERR [SYS/TEMP] The login took too long.\r\n'
export const DRAINING = '-ERR [SYS/TEMP] The server is stopping. Try again in a moment.\r\n'
export const DENIED = '-ERR [SYS/PERM] Connections from here are not accepted.\r\n'

export const TOO_LONG = '-ERR Line too long.\r\n'
export const NOT_UNDERSTOOD = '-ERR Line not understood.\r\n'
export const UNKNOWN = '-ERR Unknown command.\r\n'
export const LOGIN_FIRST = '-ERR Log in first.\r\n'
export const USER_FIRST = '-ERR Send USER first.\r\n'
export const TLS_FIRST = '-ERR Send STLS first.\r\n'
export const TLS_ALREADY = '-ERR TLS is already in use.\r\n'
export const NO_APOP = '-ERR APOP is not offered.\r\n'
export const NO_MECHANISM = '-ERR This mechanism is not offered.\r\n'
export const CANCELLED = '-ERR Authentication cancelled.\r\n'
export const BAD_SASL = '-ERR Response not understood.\r\n'
export const TOO_MANY_FAULTS = '-ERR Too many faults.\r\n'
export const TOO_MANY_LINES = '-ERR Too many commands without a login.\r\n'
/** After login. RFC 1939 section 3 would close without a word; a line helps where no reply is under way. */
export const IDLE = '-ERR Idle for too long.\r\n'
export const NOT_CARRIED = '-ERR This command is not available here.\r\n'

/** Codes that say a mailbox is busy (RFC 2449 section 8.1). */
const BUSY_CODES = ['IN-USE', 'LOGIN-DELAY']

/**
 * Makes words of an old server fit for one of our lines: bytes outside printable ASCII become `?` (a CR LF there would
 * make a second reply), the length is cut to `most` octets. Needs text as latin1, as {@link readStatus} gives it.
 */
export function cleanWords(words: string, most: number): string {
  return words
    .slice(0, most)
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
}

function line(start: string, words: string): string {
  return `${`${start} ${cleanWords(words, REPLY_LINE_MAX - start.length - 3)}`.trimEnd()}\r\n`
}

/** `+OK` with the words the old server welcomed the user with. */
export function welcome(words: string): string {
  return line('+OK', words)
}

/**
 * `-ERR` for a maildrop that is busy, with the old server's words. Its own [IN-USE] or [LOGIN-DELAY] stays; where it gave
 * none, [IN-USE] is put in: without it mail programs ask for the password anew.
 */
export function busy(words: string): string {
  const { code, text } = splitCode(words)
  return line(`-ERR [${code !== null && BUSY_CODES.includes(code) ? code : 'IN-USE'}]`, text)
}

/** A multi-line reply (RFC 1939 section 3): `+OK words`, the lines with a leading dot doubled, and the dot that ends it. */
export function multiLine(words: string, lines: readonly string[]): string {
  const body = lines.map((each) => `${each.startsWith('.') ? '.' : ''}${each}\r\n`).join('')
  return `${line('+OK', words)}${body}.\r\n`
}

/** `code`: what stood in brackets, upper case, or null. `text`: the words behind it. `words`: both, as they came. */
export type Status = { ok: boolean; code: string | null; text: string; words: string }

function splitCode(words: string): { code: string | null; text: string } {
  const found = /^\[([A-Za-z0-9_/.-]{1,64})\](?: |$)/.exec(words)
  return found === null
    ? { code: null, text: words }
    : { code: found[1]?.toUpperCase() ?? null, text: words.slice(found[0].length) }
}

/**
 * Reads a status line of an old server, without its line end. A response code counts at the start of the text only and is
 * compared in upper case (RFC 2449 section 8). Null for anything but `+OK` or `-ERR` followed by a space or nothing:
 * a line that is not understood must never pass for a +OK. Words are latin1, not yet cleaned.
 */
export function readStatus(bytes: Buffer): Status | null {
  const found = /^(\+OK|-ERR)(?: (.*))?$/s.exec(bytes.toString('latin1'))
  if (found === null) return null
  const words = found[2] ?? ''
  return { ok: found[1] === '+OK', words, ...splitCode(words) }
}
