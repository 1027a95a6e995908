/** What could end a line, move the cursor, turn the reading direction or be invisible; see `clean.ts`. */
const HARMFUL = /[\p{C}\p{Zl}\p{Zp}]/gu

/**
 * Makes a text that was cleaned before fit for a terminal once more, as the file it comes from may have been altered since: `clean` would
 * change what holds one of its own escapes. Gives the same text when nothing in it does harm.
 */
export function printable(text: string): string {
  return text.replace(HARMFUL, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`)
}

/** Writes the same signs of a JSON text as JSON has them: its meaning stays, and no terminal obeys it. */
export function printableJson(json: string): string {
  return json.replace(HARMFUL, (sign) =>
    [...Array(sign.length).keys()].map((i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  )
}
