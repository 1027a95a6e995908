/** Patterns for users in policy files: a name, or one with `*` for any signs. */
import type { NameRules } from './user-name.ts'

/** Gives the plain form of a pattern: in lower case, with the default domain where it names none. */
export function plainPattern(pattern: string, { default_domain: domain }: NameRules): string {
  const lower = pattern.normalize('NFC').toLowerCase()
  return lower.includes('@') || lower.includes('*') || domain === null ? lower : `${lower}@${domain.toLowerCase()}`
}

/** Tells whether a canonical name is one that a plain pattern means. Takes time in proportion to both, whatever they hold. */
export function matchesUser(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return pattern === name
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}
