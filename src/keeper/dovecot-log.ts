/**
 * Logins in Dovecot's words, for ban tools that read those. Only what a guesser does is told: a wrong password, a wrong code, a user
 * that nobody has. A mail program that polls with an old string, or without a code, must not get its address banned, and a traveller,
 * a lock or our own trouble is no guess either.
 */
import { hostname } from 'node:os'
import type { AuditEvent, ConnectionFacts, LoginFailure } from '../audit/events.ts'
import { parseAddress } from '../base/ip.ts'
import { CLEAN_USER_MAX } from '../base/limits.ts'

/** What the lines are made with. `listenerHost`: where a listener listens, null for one that is gone. */
export type DovecotFacts = {
  now: number
  host?: string
  listenerHost(listener: string): string | null
  /** The roster knows the name: an unknown user of that name is a person who is not enrolled yet. */
  isPerson(user: string): boolean
}

const GUESSES: ReadonlySet<LoginFailure> = new Set<LoginFailure>([
  'password-wrong',
  'code-wrong',
  'app-password-wrong',
  'unknown-user',
])

/** Gives the line with its LF, or null when there is nothing to say. Never throws. */
export function dovecotLine(event: AuditEvent, facts: DovecotFacts): string | null {
  if (event.action === 'login-succeeded') return line(event.user, event.connection, facts, 'Login', 'mpid=1, ')
  if (event.action !== 'login-failed' || !GUESSES.has(event.reason)) return null
  if (event.reason === 'unknown-user' && facts.isPerson(event.user)) return null
  return line(event.user, event.connection, facts, 'Aborted login (auth failed, 1 attempts in 0 secs)', '')
}

function line(
  user: string,
  { ip, listener, session }: ConnectionFacts,
  facts: DovecotFacts,
  what: string,
  more: string,
) {
  const at = new Date(facts.now).toISOString().replace('Z', '+00:00')
  const lip = parseAddress(facts.listenerHost(listener) ?? '')?.text ?? '::'
  const id = session === undefined ? '' : `, session=<${nameOf(session)}>`
  const whom = `user=<${nameOf(user)}>, method=PLAIN, rip=${parseAddress(ip)?.text ?? '::'}, lip=${lip}`
  return `${at} ${nameOf(facts.host ?? hostname()) || 'localhost'} dovecot: pop3-login: ${what}: ${whom}, ${more}TLS${id}\n`
}

/**
 * Letters, digits, and what addresses are made of; all else is `?`. Attack: a user called `x>, rip=192.0.2.1` that would have another
 * address banned, or one with a line end that would make a line of its own.
 */
function nameOf(text: string): string {
  return text.slice(0, CLEAN_USER_MAX).replaceAll(/[^\p{L}\p{N}._@+=~-]/gu, '?')
}
