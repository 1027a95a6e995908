/** The meaning of one line of a client. Pure: bytes in, a value out. */
import { USER_NAME_MAX } from '../base/limits.ts'
import { Secret } from '../base/secret.ts'

/** Commands that mean something after login only. Their arguments are not kept here. */
export type MailboxVerb = 'STAT' | 'LIST' | 'RETR' | 'DELE' | 'RSET' | 'TOP' | 'UIDL' | 'LAST' | 'LANG'

export type Command =
  | { verb: 'CAPA' | 'NOOP' | 'QUIT' | 'STLS' | 'APOP' }
  | { verb: 'USER'; name: Buffer }
  | { verb: 'PASS'; password: Secret }
  /** `mechanism` null: a bare AUTH, which asks for the list. `initial` is still base64, or `=`. */
  | { verb: 'AUTH'; mechanism: string | null; initial: Secret | null }
  | { verb: 'mailbox'; word: MailboxVerb }
  /** `word` is one of a fixed list or `?`: the line may be a password that went astray, so nothing of it is kept. */
  | { verb: 'unknown'; word: string }

/** Why a line is no command. `http`: close at once, a browser was made to speak to us. */
export type LineFault = 'control-byte' | 'empty-line' | 'bad-argument' | 'http'

export type Parsed = { got: 'command'; command: Command } | { got: 'fault'; fault: LineFault }

const NUL = 0x00
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const DELETE = 0x7f

const PLAIN_VERBS = ['CAPA', 'NOOP', 'QUIT', 'STLS'] as const
const MAILBOX_VERBS = ['STAT', 'LIST', 'RETR', 'DELE', 'RSET', 'TOP', 'UIDL', 'LAST', 'LANG'] as const
const FOREIGN = 'UTF8 XTND XCLIENT HELO EHLO LHLO MAIL RCPT DATA STARTTLS LOGIN SELECT LOGOUT'.split(' ')
const HTTP = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PATCH', 'PRI']
/** RFC 4422 section 3.1: 1 to 20 of letters, digits, hyphen and underscore. */
const MECHANISM = /^[A-Z0-9_-]{1,20}$/i

const fault = (why: LineFault): Parsed => ({ got: 'fault', fault: why })
const command = (what: Command): Parsed => ({ got: 'command', command: what })

/** True for bytes that end or cut lines somewhere on the way: they would smuggle a second command to the old server. */
const breaksLines = (bytes: Buffer) => bytes.includes(NUL) || bytes.includes(LF) || bytes.includes(CR)
const hasControls = (bytes: Buffer) => bytes.some((byte) => byte < SPACE || byte === DELETE)

/**
 * True for a user name that means one mailbox only: 1 to 248 octets without spaces and control bytes (RFC 1939 section 3:
 * arguments are printable and a space parts them). Old servers cut a name at a space or trim it; then `bob` and `bob x` are
 * one mailbox there and two users here, and locks and rules for `bob` are walked around.
 */
export function isUserName(bytes: Buffer): boolean {
  return bytes.length > 0 && bytes.length <= USER_NAME_MAX && !bytes.includes(SPACE) && !hasControls(bytes)
}

/** True for a password: not empty, any bytes but CR, LF and NUL, so that it fits one PASS line and one SASL field. */
export function isPassword(bytes: Buffer): boolean {
  return bytes.length > 0 && !breaksLines(bytes)
}

/** Upper-cases ASCII only: in other alphabets a letter can turn into `SS`, and `PA` + that letter would read PASS. */
function verbOf(bytes: Buffer): string {
  const word = bytes.toString('latin1')
  return /^[A-Za-z0-9]{1,16}$/.test(word) ? word.toUpperCase() : '?'
}

function cut(line: Buffer): { word: Buffer; rest: Buffer | null } {
  const space = line.indexOf(SPACE)
  return space < 0 ? { word: line, rest: null } : { word: line.subarray(0, space), rest: line.subarray(space + 1) }
}

function auth(rest: Buffer | null): Parsed {
  if (rest === null) return command({ verb: 'AUTH', mechanism: null, initial: null })
  const { word, rest: initial } = cut(rest)
  const name = word.toString('latin1')
  if (!MECHANISM.test(name)) return fault('bad-argument')
  const mechanism = name.toUpperCase()
  if (initial === null) return command({ verb: 'AUTH', mechanism, initial: null })
  if (initial.length === 0 || initial.includes(SPACE)) return fault('bad-argument')
  return command({ verb: 'AUTH', mechanism, initial: new Secret(Buffer.from(initial)) })
}

/**
 * Reads one line without its line end, as the line reader gives it. Keywords are case-insensitive (RFC 1939 section 3).
 * A PASS takes everything behind the first space, spaces too, and may hold control bytes other than CR, LF and NUL; every
 * other line is refused for any control byte. Arguments of mailbox commands are left to the old server. What is kept is a
 * copy: a view would hold the raw line of a PASS behind the Secret.
 */
export function parse(line: Buffer): Parsed {
  const { word, rest } = cut(line)
  const verb = verbOf(word)
  if (rest !== null && HTTP.includes(verb)) return fault('http')
  if (breaksLines(line)) return fault('control-byte')
  if (verb === 'PASS') {
    if (rest === null || !isPassword(rest)) return fault('bad-argument')
    return command({ verb, password: new Secret(Buffer.from(rest)) })
  }
  if (hasControls(line)) return fault('control-byte')
  if (word.length === 0) return fault('empty-line')
  if (verb === 'USER') {
    return rest !== null && isUserName(rest) ? command({ verb, name: Buffer.from(rest) }) : fault('bad-argument')
  }
  if (verb === 'AUTH') return auth(rest)
  if (verb === 'APOP') return command({ verb })
  const plain = PLAIN_VERBS.find((known) => known === verb)
  if (plain !== undefined) return isBlank(rest) ? command({ verb: plain }) : fault('bad-argument')
  const mailbox = MAILBOX_VERBS.find((known) => known === verb)
  if (mailbox !== undefined) return command({ verb: 'mailbox', word: mailbox })
  return command({ verb: 'unknown', word: FOREIGN.includes(verb) ? verb : '?' })
}

const isBlank = (rest: Buffer | null) => rest === null || rest.every((byte) => byte === SPACE)

/** What Postern carries to the old server after login: RFC 1939, LAST of its forerunners, CAPA and LANG. */
export type CarriedVerb =
  'STAT' | 'LIST' | 'RETR' | 'DELE' | 'NOOP' | 'LAST' | 'RSET' | 'TOP' | 'UIDL' | 'CAPA' | 'LANG' | 'QUIT'

/**
 * `carry`: send `line` and CRLF. `reply` is the shape of a +OK; an -ERR is always a single line.
 * `refuse`: a command of POP3 or an unknown one that ends here. `fault`: no command at all.
 */
export type SessionLine =
  | { say: 'carry'; verb: CarriedVerb; argument: boolean; reply: 'single' | 'multi'; line: Buffer }
  | { say: 'refuse' }
  | { say: 'fault'; fault: LineFault }

/** Shape of a +OK: without an argument, with one. RFC 1939 sections 5 to 7, RFC 2449 section 5, RFC 6856 section 3. */
const SHAPES: Record<CarriedVerb, readonly ['single' | 'multi', 'single' | 'multi']> = {
  STAT: ['single', 'single'],
  LIST: ['multi', 'single'],
  RETR: ['multi', 'multi'],
  DELE: ['single', 'single'],
  NOOP: ['single', 'single'],
  LAST: ['single', 'single'],
  RSET: ['single', 'single'],
  TOP: ['multi', 'multi'],
  UIDL: ['multi', 'single'],
  CAPA: ['multi', 'multi'],
  LANG: ['multi', 'single'],
  QUIT: ['single', 'single'],
}

const isCarried = (verb: string): verb is CarriedVerb => Object.hasOwn(SHAPES, verb)

/**
 * Reads one line of a client after login. What goes on is written anew as `VERB argument argument`: a line such as `LIST `
 * is multi-line to one server and a single -ERR to the next, and whoever counts replies must know which it will be.
 */
export function readSessionLine(line: Buffer): SessionLine {
  const { word, rest } = cut(line)
  const verb = verbOf(word)
  if (rest !== null && HTTP.includes(verb)) return { say: 'fault', fault: 'http' }
  if (hasControls(line)) return { say: 'fault', fault: 'control-byte' }
  if (word.length === 0) return { say: 'fault', fault: 'empty-line' }
  if (!isCarried(verb)) return { say: 'refuse' }
  const written = [verb, ...(rest?.toString('latin1').split(' ') ?? [])].filter((part) => part !== '')
  const argument = written.length > 1
  return {
    say: 'carry',
    verb,
    argument,
    reply: SHAPES[verb][argument ? 1 : 0],
    line: Buffer.from(written.join(' '), 'latin1'),
  }
}
