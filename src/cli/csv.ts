/**
 * RFC 4180. A cell that a spreadsheet would run as a formula (`=`, `+`, `-`, `@` at its start) gets a quote mark before it:
 * user names are typed by strangers.
 */
export function encodeCsv(head: string[], rows: string[][]): string {
  const cell = (text: string) => {
    const safe = /^[=+\-@\t]/.test(text) && text !== '-' ? `'${text}` : text
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  return [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}
