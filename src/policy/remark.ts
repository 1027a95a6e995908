/** Turns words on values into findings with their places. */
import { sentence } from './examine.ts'
import type { Finding } from './findings.ts'
import type { Opened, Reading } from './reading.ts'
import type { Remarks } from './sense.ts'
import type { Path } from './yaml-file.ts'

/** Adds remarks on a file to what the reading has found. */
export function add(reading: Reading, opened: Opened, remarks: Remarks): void {
  reading.findings.faults.push(...remarks.faults.map(({ path, message }) => at(opened, path, message)))
  reading.findings.warnings.push(...remarks.warnings.map(({ path, message }) => at(opened, path, message)))
}

/** Gives a word on the value at a path, as a whole sentence. */
export function at({ file, name }: Opened, path: Path, message: string): Finding {
  return { file: name, ...file.place(path), message: sentence(file, path, message) }
}
