/** One form for every spelling of a user name, so that no spelling escapes its second factor. */
import { CANONICAL_NAME_MAX } from './login-limits.ts'

/** Of `users` of login.yaml what a spelling may leave out or add. */
export type NameRules = { default_domain: string | null; strip_prefix: readonly string[] }

/** Control, format, private, unassigned and separator signs, and all that programs show as nothing. */
const REFUSED = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u

/**
 * Gives the plain form of a name: without prefix, with its domain, in lower case. Null for a name with signs that are
 * invisible or look like another one (they change under NFKC), with more than one `@`, an empty part (also between dots of the domain), or over 254 octets.
 */
export function plainName(text: string, rules: NameRules): string | null {
  const lower = lowered(text)
  if (lower === null) return null
  const prefixes = rules.strip_prefix.map((one) => one.toLowerCase()).filter((one) => one !== '')
  const name = lower.slice(prefixes.find((one) => lower.startsWith(one))?.length ?? 0)
  // One prefix within another would be a second spelling, which the old server may strip for itself.
  if (prefixes.some((one) => name.startsWith(one))) return null
  const whole =
    name.includes('@') || rules.default_domain === null ? name : `${name}@${rules.default_domain.toLowerCase()}`
  const [local, domain, ...rest] = whole.split('@')
  // `example.com.` is the same domain to DNS, and to some old servers.
  const isHollow = local === '' || domain?.split('.').includes('') === true
  if (isHollow || rest.length > 0) return null
  return Buffer.byteLength(whole) <= CANONICAL_NAME_MAX ? whole : null
}

/** Signs are looked at one by one, as NFC alone already turns some look-alikes (the Kelvin sign) into plain letters. */
function lowered(text: string): string | null {
  if (REFUSED.test(text)) return null
  for (const sign of text) if (sign.normalize('NFKC') !== sign) return null
  const lower = text.normalize('NFC').toLowerCase().normalize('NFC')
  return lower.isWellFormed() ? lower : null
}
