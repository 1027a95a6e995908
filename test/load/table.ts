/** Prints a table as Markdown, with the columns under each other. */
export function printTable(title: string, head: string[], rows: string[][]): void {
  process.stdout.write(`\n${title}\n\n${tableOf(head, rows)}`)
}

/** Gives a table as Markdown, a line end behind each row. */
export function tableOf(head: string[], rows: string[][]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return `${[line(head), rule, ...rows.map(line)].join('\n')}\n`
}

/** The middle of some figures. */
export function median(figures: number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? NaN
}
