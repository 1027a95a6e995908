import { describe, expect, test } from 'vitest'
import { parseFeed } from '../../../src/compiler/feed.ts'

function read(...lines: string[]): string[] {
  const feed = parseFeed(Buffer.from(lines.join('\n')))
  if (!feed.ok) throw new Error(feed.fault)
  return feed.value.entries.map(({ range, line }) => `${line} ${range.text}`)
}

function refused(body: string | Buffer): string {
  const feed = parseFeed(Buffer.from(body))
  return feed.ok ? `taken: ${feed.value.entries.length}` : feed.fault
}

const good = (count: number) => Array.from({ length: count }, (_, i) => `192.0.2.${i % 256}`)

describe('formats are told apart by their content', () => {
  test('lines of networks, addresses and ranges', () => {
    const lines = [
      '# a comment',
      '',
      '192.0.2.0/24',
      '198.51.100.7   # home',
      '203.0.113.1-203.0.113.9',
      '203.0.113.20 - 203.0.113.30 ; x',
      '2001:db8::/32\r',
    ]
    expect(read(...lines)).toEqual([
      '3 192.0.2.0/24',
      '4 198.51.100.7',
      '5 203.0.113.1-203.0.113.9',
      '6 203.0.113.20-203.0.113.30',
      '7 2001:db8::/32',
    ])
  })

  test('a FireHOL netset', () => {
    expect(read('#', '# firehol_level1', '# Category        : attacks', '1.10.16.0/20', '1.19.0.0')).toEqual([
      '4 1.10.16.0/20',
      '5 1.19.0.0',
    ])
  })

  test('Spamhaus DROP as text', () => {
    expect(read('; Spamhaus DROP List 2026/11/21', '1.10.16.0/20 ; SBL256894', '2a06:f680::/29 ; SBL1')).toEqual([
      '2 1.10.16.0/20',
      '3 2a06:f680::/29',
    ])
  })

  test('Spamhaus DROP as JSON lines, whose last one is metadata', () => {
    const lines = [
      '{"cidr":"1.10.16.0/20","sblid":"SBL256894","rir":"apnic"}',
      '{"cidr":"2a06:f680::/29","sblid":"SBL1","rir":"ripencc"}',
      '{"type":"metadata","timestamp":1763726400,"size":2,"records":2,"copyright":"x","terms":"y"}',
      '',
    ]
    expect(read(...lines)).toEqual(['1 1.10.16.0/20', '2 2a06:f680::/29'])
  })

  test('behind a byte order mark as well', () => {
    expect(read('\ufeff192.0.2.0/24')).toEqual(['1 192.0.2.0/24'])
  })
})

describe('what is no feed is refused whole', () => {
  test.each([
    ['', 'is empty'],
    [' \r\n\n', 'is empty'],
    ['# only words\n; and more\n', 'holds no network'],
    ['{"type":"metadata"}\n', 'holds no network'],
    ['<!DOCTYPE html>\n<p>Too many requests', 'is HTML or XML, not a list of networks'],
    ['\n  <?xml version="1.0"?>', 'is HTML or XML, not a list of networks'],
    ['[{"cidr":"192.0.2.0/24"}]', 'is one JSON document; JSON lines are read, one object a line'],
    ['\u0000\u0001\u0002', 'is no text'],
    ['Too many requests, come back later', 'is no list of networks: 1 of 1 lines cannot be read, the first is line 1'],
  ])('%j', (body, fault) => {
    expect(refused(body)).toBe(fault)
  })

  test('also when one line in ten is no network, but not for one in a hundred', () => {
    expect(refused([...good(9), 'x'].join('\n'))).toBe(
      'is no list of networks: 1 of 10 lines cannot be read, the first is line 10',
    )
    const feed = parseFeed(Buffer.from([...good(50), 'x', ...good(49)].join('\n')))
    expect(feed).toMatchObject({ ok: true, value: { bad: 1, firstBad: 51 } })
  })

  test('metadata in the midst of JSON lines is no network', () => {
    const line = '{"cidr":"192.0.2.0/24"}'
    const feed = parseFeed(Buffer.from([...Array<string>(50).fill(line), '{"type":"x"}', line].join('\n')))
    expect(feed).toMatchObject({ ok: true, value: { bad: 1, firstBad: 51 } })
  })
})

test('lines that only look like networks count as unread, whatever they are made of', () => {
  const odd = [
    '300.1.1.1',
    '192.0.2.1/24',
    '010.0.0.1',
    '1.2.3',
    '::ffff:1.2.3.4/24',
    '1.2.3.4/',
    '1.2.3.4/33',
    `${'1'.repeat(5_000)}`,
    '192.0.2.0/24 until 2027-01-01',
  ]
  const feed = parseFeed(Buffer.from([...good(400), ...odd].join('\n')))
  expect(feed).toMatchObject({ ok: true, value: { bad: odd.length } })
})
