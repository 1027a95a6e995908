/** What reading a text gives: the value, or a fault in words that follow the text ("… has no unit; write 30s"). */
export type Parsed<T> = { ok: true; value: T } | { ok: false; fault: string }

/** Wraps a value that was read. */
export function parsed<T>(value: T): { ok: true; value: T } {
  return { ok: true, value }
}

/** Wraps the words that say what is wrong and what to write instead. */
export function faulty(fault: string): { ok: false; fault: string } {
  return { ok: false, fault }
}
