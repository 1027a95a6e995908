import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'

const SHOWN = 30

/** Fails unless both of every pair are the same bytes; says which are not and where they part, not 25 MiB of both. */
export function same(pairs: { what: string; expected: Buffer; got: Buffer | undefined }[]): void {
  const parted = pairs.filter(({ expected, got }) => got === undefined || !expected.equals(got))
  if (parted.length === 0) return
  const shown = parted.slice(0, SHOWN).map(({ what, expected, got }) => part(what, expected, got ?? Buffer.alloc(0)))
  expect.fail(`${String(parted.length)} of ${String(pairs.length)} are not the same bytes\n${shown.join('\n')}`)
}

function part(what: string, expected: Buffer, got: Buffer): string {
  let at = 0
  while (at < expected.length && expected[at] === got[at]) at += 1
  const near = (bytes: Buffer): string =>
    JSON.stringify(bytes.subarray(Math.max(0, at - 40), at + 40).toString('latin1'))
  const sizes = `${String(expected.length)} and ${String(got.length)} bytes part at ${String(at)}`
  return `${what}: ${sizes}\n  expected ${near(expected)}\n  got      ${near(got)}`
}

/** Reads the files `1` to `count` of a folder; fails when there are others besides. A missing one counts as empty: some clients open no file for nothing. */
export async function files(dir: string, count: number): Promise<Buffer[]> {
  const names = await readdir(dir)
  const wanted = Array.from({ length: count }, (_, at) => String(at + 1))
  expect(names.filter((name) => !wanted.includes(name))).toEqual([])
  return Promise.all(wanted.map(async (name) => (names.includes(name) ? readFile(join(dir, name)) : Buffer.alloc(0))))
}
