import { expect, test } from 'vitest'
import type { Stream } from '../../../src/audit/events.ts'
import { givingWay, type Sized } from '../../../src/audit/give-way.ts'
import { AUDIT_RESERVED } from '../../../src/base/audit-limits.ts'

const MIB = 1_048_576
const NOW = 1_000_000

/** `age` in ms; a file of age 0 is the current one. */
function file(stream: Stream, age: number, mib: number): Sized {
  const first = age === 0 ? null : NOW - age
  const name = `${stream}-${age}`
  return { stream, path: name, name, first, packed: false, size: mib * MIB, changed: NOW - age }
}

const gone = (files: Sized[], limits: { keep?: number; max?: number }) =>
  givingWay(files, { keep: limits.keep ?? Infinity, max: (limits.max ?? 1e9) * MIB }, NOW).map(
    ({ file: { name }, reason }) => `${name} ${reason}`,
  )

test('what is older than `keep` goes, whatever the room; a current file never', () => {
  const files = [file('auth', 300, 1), file('auth', 100, 1), file('admin', 201, 1), file('access', 0, 1)]
  expect(gone(files, { keep: 200 })).toEqual(['auth-300 keep', 'admin-201 keep'])
  expect(gone([{ ...file('auth', 0, 1), changed: 0 }], { keep: 200 })).toEqual([])
})

test('beyond `max_size` the oldest access file goes first, though others are older', () => {
  const files = [file('auth', 900, 500), file('access', 500, 100), file('access', 400, 100), file('access', 0, 10)]
  expect(gone(files, { max: 600 })).toEqual(['access-500 max_size', 'access-400 max_size'])
})

test('access leaves 256 MiB to the others even when they are empty', () => {
  const files = [file('access', 500, 200), file('access', 400, 200), file('access', 0, 10)]
  expect(gone(files, { max: 512 })).toEqual(['access-500 max_size'])
  expect(gone([file('access', 500, 240), file('access', 0, 10)], { max: 512 })).toEqual([])
})

test('with no access left the oldest of all goes, but nothing of the reserve', () => {
  const reserve = AUDIT_RESERVED / MIB
  const files = [file('session', 800, 200), file('auth', 900, 200), file('admin', 700, 200), file('auth', 0, 1)]
  expect(gone(files, { max: 450 })).toEqual(['auth-900 max_size'])
  expect(gone([file('auth', 900, reserve), file('access', 0, 400)], { max: 512 })).toEqual([])
})
