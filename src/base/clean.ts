import { CLEAN_TEXT_MAX } from './limits.ts'

/** What needs no work: printable ASCII, without the start of one of our own escapes. */
const PLAIN = /^(?:[\x20-\x5b\x5d-\x7e]|\\(?!u\{))*$/
/** Control bytes, format and bidi signs, lone surrogates, private and unassigned signs, line and paragraph separators. */
const HARMFUL = /[\p{C}\p{Zl}\p{Zp}]/u

/**
 * Makes a text of outside origin fit for a line that people and terminals read: whatever could end the line, move the cursor,
 * turn the reading direction or be invisible becomes `\u{hex}`; a text longer than `max` UTF-16 units is cut there and ends in `…`.
 * A `\` that already stood before `u{` becomes `\u{5c}`, so that two different texts stay different. Clean once: what is clean
 * and holds an escape changes when cleaned again. Never throws.
 */
export function clean(text: string, max: number = CLEAN_TEXT_MAX): string {
  if (text.length <= max && PLAIN.test(text)) return text
  // One unit more than fits is enough to know that the text is too long; the rest, however large, is never looked at.
  const head = text.slice(0, max + 1)
  let out = ''
  let fit = 0
  let at = 0
  for (const sign of head) {
    const ours = sign === '\\' && head.startsWith('u{', at + 1)
    const piece = ours || HARMFUL.test(sign) ? escape(sign) : sign
    if (out.length + piece.length > max) return `${out.slice(0, fit)}…`
    out += piece
    at += sign.length
    if (out.length < max) fit = out.length
  }
  return out
}

function escape(sign: string): string {
  return `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`
}
