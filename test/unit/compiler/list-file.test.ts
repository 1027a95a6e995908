import { expect, test } from 'vitest'
import { parseListFile } from '../../../src/compiler/list-file.ts'

const texts = (text: string) =>
  parseListFile(text).entries.map((entry) => [
    entry.line,
    entry.range.text,
    entry.until === Infinity ? '' : new Date(entry.until).toISOString(),
  ])
const faults = (text: string) =>
  parseListFile(text).faults.map((fault) => `${fault.line}:${fault.column}: ${fault.message}`)

test('networks, addresses and ranges stand one a line, with comments and empty lines between', () => {
  const text = '# our offices\r\n192.0.2.0/24\r\n\n  2001:db8::1 # Berlin\n192.0.2.1-192.0.2.9#x\n192.0.2.1 - 192.0.2.9'
  expect(texts(text)).toEqual([
    [2, '192.0.2.0/24', ''],
    [4, '2001:db8::1', ''],
    [5, '192.0.2.1-192.0.2.9', ''],
    [6, '192.0.2.1-192.0.2.9', ''],
  ])
})

test('an entry counts until the end of its day in UTC', () => {
  expect(texts('192.0.2.1 - 192.0.2.9 until 2027-01-31 # guests')).toEqual([
    [1, '192.0.2.1-192.0.2.9', '2027-02-01T00:00:00.000Z'],
  ])
})

test('every line that cannot be read is told of, with its place', () => {
  const text = [
    '192.0.2.7/24',
    '  example.com',
    '192.0.2.1 until 2027-02-30',
    '192.0.2.1 untill 2027-01-31',
    '192.0.2.1 192.0.2.2',
    '192.0.2.1 until',
    '192.0.2.1, 192.0.2.2',
    '192.0.2.1 until 2027-01-31 or so',
  ]
  expect(faults(text.join('\n'))).toEqual([
    '1:1: `192.0.2.7/24` has bits set behind /24; write 192.0.2.0/24 for the network or 192.0.2.7 for the one address',
    '2:3: `example.com` is no address, network (192.0.2.0/24) or range (192.0.2.1-192.0.2.9)',
    '3:17: `2027-02-30` is no day; write it like 2027-01-31',
    '4:11: `untill 2027-01-31` is not understood; only `until 2027-01-31` or a # comment may follow',
    '5:11: `192.0.2.2` is not understood; only `until 2027-01-31` or a # comment may follow',
    '6:11: `until` is not understood; only `until 2027-01-31` or a # comment may follow',
    '7:1: `192.0.2.1,` is no address, network (192.0.2.0/24) or range (192.0.2.1-192.0.2.9)',
    '8:28: `or so` is not understood; only `until 2027-01-31` or a # comment may follow',
  ])
})

test('a file of quite another kind shows no more than the start of a line', () => {
  const line = 'A'.repeat(70)
  expect(faults(line)).toEqual([
    `1:1: \`${'A'.repeat(50)}…\` is no address, network (192.0.2.0/24) or range (192.0.2.1-192.0.2.9)`,
  ])
  expect(faults('-a'.repeat(50_000))).toEqual(['1:1: the line is longer than 200 characters; is this a list file?'])
})
