import { StateFault, type StateFaultKind } from './fault.ts'

/** Primary result codes of SQLite (sqlite.org/rescode.html), and what an operator can do. */
const FAULTS: ReadonlyMap<number, [StateFaultKind, string]> = new Map([
  [5, ['busy', 'another program holds the store']],
  [6, ['busy', 'another program holds the store']],
  [8, ['disk', 'the store cannot be written: check its mode and the mount']],
  [10, ['disk', 'the disk under the store fails']],
  [11, ['corrupt', 'the store is damaged: put back a copy']],
  [13, ['full', 'the disk under the store is full']],
  [14, ['disk', 'the store cannot be opened: check the folder and its mode']],
  [26, ['corrupt', 'the store is no SQLite file: put back a copy']],
])

/** Turns an error of SQLite into a {@link StateFault}; gives any other error back as it is. SQLite's words hold no values. */
export function asStateFault(error: unknown): unknown {
  const code = (error as { errcode?: number } | null)?.errcode
  if (!(error instanceof Error) || code === undefined) return error
  const [kind, words] = FAULTS.get(code & 0xff) ?? ['disk', 'the store fails']
  return new StateFault(kind, `${words} (${error.message})`, { cause: error })
}
