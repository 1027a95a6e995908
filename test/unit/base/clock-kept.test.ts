import { expect, test } from 'vitest'
import { clockKept, clockWarning } from '../../../src/base/clock-kept.ts'

test.each([
  ['NTPSynchronized=yes\n', 'yes', false],
  ['NTPSynchronized=no\n', 'no', true],
  ['', 'unknown', false],
  ['Failed to connect to bus\n', 'unknown', false],
  [null, 'unknown', false],
] as const)('systemd says %j: %s', async (said, kept, warns) => {
  const asked: string[][] = []
  const ask = (program: string, args: string[]) => {
    asked.push([program, ...args])
    return Promise.resolve(said)
  }
  expect(await clockKept(ask)).toBe(kept)
  expect((await clockWarning(ask)) !== null).toBe(warns)
  expect(asked[0]).toEqual(['timedatectl', 'show', '--property=NTPSynchronized'])
})

test('where it cannot be asked nobody is alarmed', async () => {
  expect(['yes', 'no', 'unknown']).toContain(await clockKept())
})
