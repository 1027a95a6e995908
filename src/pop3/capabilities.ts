/** What CAPA lists (RFC 2449 section 5), before login and after it. Lines from an old server are hostile until checked. */
import { CAPABILITIES_MAX, REPLY_LINE_MAX } from '../base/limits.ts'
import { multiLine } from './reply.ts'

/** Of the old server's list, what is true before login as well. LANG is not: Postern takes it after login only. */
const BEFORE_LOGIN = ['TOP', 'UIDL', 'EXPIRE', 'LOGIN-DELAY']

/**
 * What Postern carries after login. A list of what is let through, because a capability unknown to us stands for a command
 * that we refuse. Dropped with the rest: STLS, SASL, USER (they are behind us), UTF8, XCLIENT and all others in X.
 * RESP-CODES, AUTH-RESP-CODE and IMPLEMENTATION promise no command and stay. PIPELINING stays if the server has it.
 */
const AFTER_LOGIN = [...BEFORE_LOGIN, 'LANG', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'IMPLEMENTATION']

/** Keeps the lines of known names, once each. Too long or unprintable: left out whole, as a cut line would say another thing. */
function pick(lines: readonly string[], names: readonly string[]): string[] {
  const kept = new Map<string, string>()
  for (const line of lines.slice(0, CAPABILITIES_MAX)) {
    if (line.length > REPLY_LINE_MAX - 2 || !/^[\x21-\x7e][\x20-\x7e]*$/.test(line)) continue
    const name = line.split(' ', 1)[0]?.toUpperCase() ?? ''
    if (names.includes(name) && !kept.has(name)) kept.set(name, line)
  }
  return [...kept.values()]
}

/**
 * The capabilities before login. `server`: the old server's lines, or null when it has no CAPA or is not known yet: then TOP
 * and UIDL are listed too, as a program that sees no UIDL downloads every message again at each poll; every server in use
 * has them. `tls`: `on` once TLS stands; `off-but-stls` on a plain listener, where STLS is listed and USER and SASL are
 * hidden, so that no program types a password in the clear (RFC 2595 section 4).
 */
export function capabilitiesBeforeLogin(server: readonly string[] | null, tls: 'on' | 'off-but-stls'): string[] {
  const login = tls === 'on' ? ['USER', 'SASL PLAIN LOGIN'] : ['STLS']
  // PIPELINING is true of us whatever the old server can: commands wait in our reader until their turn.
  const ours = [...login, 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING']
  return [...ours, ...(server === null ? ['TOP', 'UIDL'] : pick(server, BEFORE_LOGIN))]
}

/** What several old servers can all do, as before login it is not known whose user it is: null when nothing is known. */
export function inCommon(known: (readonly string[] | null)[]): readonly string[] | null {
  const [first, ...others] = known
  if (first === undefined || first === null) return null
  return first.filter((line) => others.every((lines) => lines === null || lines.includes(line)))
}

/** The capabilities after login: the server's lines less all that Postern does not carry. Nothing is added. */
export function filterCapabilities(server: readonly string[]): string[] {
  return pick(server, AFTER_LOGIN)
}

/** The whole reply to CAPA, its dot included. */
export function capaReply(lines: readonly string[]): string {
  return multiLine('Capability list follows', lines)
}
