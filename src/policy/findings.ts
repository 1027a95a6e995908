/** What reading the policies has to say: faults keep them out of force, warnings do not. */
import { FAULTS_MAX, FAULTS_PER_FILE_MAX } from '../base/limits.ts'

/** A place in a file, both 1-based. */
export type Place = { line: number; column: number }
/** `file` is written as the operator would type it. The message never holds a secret. */
export type Finding = Place & { file: string; message: string }
export type Findings = { faults: Finding[]; warnings: Finding[] }

/** The start of a file, for what has no better place. */
export const START: Place = { line: 1, column: 1 }

/** Gives findings as `file:line:column: message`, files in the order of their first finding, lines in theirs. */
export function render(findings: readonly Finding[]): string[] {
  const files = Map.groupBy(findings, (finding) => finding.file)
  const lines = [...files.values()].flatMap(renderFile)
  if (lines.length <= FAULTS_MAX) return lines
  return [...lines.slice(0, FAULTS_MAX), `… and ${lines.length - FAULTS_MAX} more`]
}

function renderFile(findings: Finding[]): string[] {
  const sorted = findings.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const lines = [...new Set(sorted.map((one) => `${one.file}:${one.line}:${one.column}: ${one.message}`))]
  if (lines.length <= FAULTS_PER_FILE_MAX) return lines
  const rest = sorted[FAULTS_PER_FILE_MAX]
  const more = `${rest?.file}:${rest?.line}:${rest?.column}: … and ${lines.length - FAULTS_PER_FILE_MAX} more in this file`
  return [...lines.slice(0, FAULTS_PER_FILE_MAX), more]
}
