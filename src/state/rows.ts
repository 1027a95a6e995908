/** Reads columns of SQLite rows into the types of the contract. A column of another type is a damaged store: it throws. */
import type { SQLOutputValue } from 'node:sqlite'

export type Row = Record<string, SQLOutputValue>

/** Gives a text column. */
export function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new Error(`column ${column} is no text`)
  return value
}

/** Gives a text column that may be empty. */
export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column)
}

/** Gives a column of whole numbers. */
export function whole(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw new Error(`column ${column} is no number`)
  return value
}

/** Gives a column of whole numbers that may be empty. */
export function wholeOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : whole(row, column)
}

/** Gives a column of bytes, as a view of what SQLite gave. */
export function blob(row: Row, column: string): Buffer {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw new Error(`column ${column} is no blob`)
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

/** Gives a column of bytes that may be empty. */
export function blobOrNull(row: Row, column: string): Buffer | null {
  return row[column] === null ? null : blob(row, column)
}
