/**
 * Who is meant: one canonical form for every spelling of a user name, so that no spelling escapes its second factor, and
 * the name that the old server is to hear.
 */
import { CANONICAL_NAME_MAX } from '../base/login-limits.ts'
import { plainName, type NameRules } from '../base/user-name.ts'

/** `users` of login.yaml. `roster`: every spelling in plain form (see {@link plainName}), the canonical names included. */
export type IdentityRules = NameRules & { roster: ReadonlyMap<string, string> | null }

/** What of a backend says whom it serves and under what name. */
export type NamingRules = { domains: readonly string[]; username: string }

/** Longest name looked at: the canonical form and the longest prefix that an operator would strip. */
const TYPED_MAX = 4 * CANONICAL_NAME_MAX

/**
 * Gives the canonical name for what was typed, or null, which is answered as an unknown user: bytes that are not UTF-8,
 * what has no plain form, and a name that the roster does not hold. Without a roster every plain name is canonical.
 */
export function canonicalName(typed: Buffer, rules: IdentityRules): string | null {
  if (typed.length > TYPED_MAX) return null
  const text = strictUtf8(typed)
  const plain = text === null ? null : plainName(text, rules)
  if (plain === null || rules.roster === null) return plain
  return rules.roster.get(plain) ?? null
}

function strictUtf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

/** Gives the first backend that serves the name's domain; `*` serves every name, also one without a domain. */
export function backendFor<B extends NamingRules>(name: string, backends: readonly B[]): B | null {
  const { domain } = partsOf(name)
  return backends.find((one) => one.domains.some((served) => served === '*' || served.toLowerCase() === domain)) ?? null
}

/** Fills `{user}`, `{local}` and `{domain}` in, each once: what a name holds is never taken for a placeholder. */
export function backendUsername(name: string, template: string): Buffer {
  const parts: Record<string, string> = { user: name, ...partsOf(name) }
  return Buffer.from(template.replace(/\{(user|local|domain)\}/g, (_, part: string) => parts[part] ?? ''))
}

/** The name for an audit line where no canonical one exists. The journal cleans it. */
export function auditName(typed: Buffer): string {
  return typed.toString('utf8', 0, TYPED_MAX)
}

function partsOf(name: string): { local: string; domain: string } {
  const [local = '', domain = ''] = name.split('@')
  return { local, domain }
}
