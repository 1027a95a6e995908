import { expect, test, vi } from 'vitest'
import { COMMAND_LINE_MAX, SASL_LINE_MAX, UNREAD_MAX, UNREAD_PAUSE } from '../../../src/base/limits.ts'
import { lineReader, type LineReader } from '../../../src/pop3/line-reader.ts'

const fed = (text: string): LineReader => {
  const reader = lineReader()
  reader.push(Buffer.from(text, 'latin1'))
  return reader
}
const line = (text: string) => ({ got: 'line', line: Buffer.from(text, 'latin1') })
const NONE = { got: 'none' }
const TOO_LONG = { got: 'too-long' }

test('a line ends at CR LF and at a bare LF', () => {
  const reader = fed('NOOP\r\nQUIT\n')
  expect(reader.next('command')).toEqual(line('NOOP'))
  expect(reader.next('command')).toEqual(line('QUIT'))
  expect(reader.next('command')).toEqual(NONE)
  expect(reader.size()).toBe(0)
})

test('lines come one at a time and the rest stays until it is asked for', () => {
  const reader = fed('PASS x\r\nSTAT\r\nLI')
  expect(reader.next('command')).toEqual(line('PASS x'))
  expect(reader.size()).toBe(8)
  expect(reader.rest()).toEqual(Buffer.from('STAT\r\nLI'))
  expect(reader.size()).toBe(0)
  expect(reader.next('command')).toEqual(NONE)
})

test('a command cut at every byte is the same command', () => {
  const text = 'USER bob\r\nPASS two words \r\n\r\nQUIT\n'
  for (let at = 0; at <= text.length; at++) {
    const reader = lineReader()
    const got: unknown[] = []
    for (const part of [text.slice(0, at), text.slice(at)]) {
      reader.push(Buffer.from(part))
      for (let next = reader.next('command'); next.got !== 'none'; next = reader.next('command')) got.push(next)
    }
    expect(got).toEqual([line('USER bob'), line('PASS two words '), line(''), line('QUIT')])
  }
})

test('CR and NUL inside a line are not swallowed', () => {
  const reader = fed('A\rB\0C\r\r\n')
  expect(reader.next('command')).toEqual(line('A\rB\0C\r'))
})

test('a command has 255 octets with its line end and not one more', () => {
  expect(fed(`${'x'.repeat(253)}\r\n`).next('command')).toEqual(line('x'.repeat(253)))
  expect(fed(`${'x'.repeat(254)}\n`).next('command')).toEqual(line('x'.repeat(254)))
  expect(fed(`${'x'.repeat(254)}\r\n`).next('command')).toEqual(TOO_LONG)
  expect(fed('x'.repeat(COMMAND_LINE_MAX - 1)).next('command')).toEqual(NONE)
  expect(fed('x'.repeat(COMMAND_LINE_MAX)).next('command')).toEqual(TOO_LONG)
})

test('a SASL line, and a line of AUTH, has 12,288 octets and not one more', () => {
  const most = 'A'.repeat(SASL_LINE_MAX - 2)
  expect(fed(`${most}\r\n`).next('sasl')).toEqual(line(most))
  expect(fed(`${most}A\r\n`).next('sasl')).toEqual(TOO_LONG)
  const auth = `aUth PLAIN ${'A'.repeat(SASL_LINE_MAX - 13)}`
  expect(fed(`${auth}\r\n`).next('command')).toEqual(line(auth))
  expect(fed(`${auth}A\r\n`).next('command')).toEqual(TOO_LONG)
  expect(fed(`AUTHOR ${'A'.repeat(300)}\r\n`).next('command')).toEqual(TOO_LONG)
})

test('a command smuggled in the tail of a line that is too long is never seen', () => {
  const text = `${'x'.repeat(300)}STLS\rUSER eve\r\nNOOP\r\n`
  for (let at = 0; at <= text.length; at++) {
    const reader = lineReader()
    const got: unknown[] = []
    for (const part of [text.slice(0, at), text.slice(at)]) {
      reader.push(Buffer.from(part))
      for (let next = reader.next('command'); next.got !== 'none'; next = reader.next('command')) got.push(next)
    }
    expect(got).toEqual([TOO_LONG, line('NOOP')])
  }
})

test('an endless line is said once and held nowhere', () => {
  const reader = lineReader()
  let said = 0
  for (let i = 0; i < 1000; i++) {
    reader.push(Buffer.alloc(4096, 'x'))
    if (reader.next('command').got === 'too-long') said++
    expect(reader.size()).toBe(0)
  }
  expect(said).toBe(1)
  expect(() => reader.rest()).toThrow('too long')
  reader.push(Buffer.from('USER eve\nQUIT\n'))
  expect(reader.next('command')).toEqual(line('QUIT'))
})

test('nothing is left after clear, not even half a line that was too long', () => {
  const reader = fed('x'.repeat(300))
  expect(reader.next('command')).toEqual(TOO_LONG)
  reader.clear()
  reader.push(Buffer.from('QUIT\r\nUSER eve\r\n'))
  expect(reader.next('command')).toEqual(line('QUIT'))
  reader.clear()
  expect(reader.size()).toBe(0)
  expect(reader.next('command')).toEqual(NONE)
})

test('a line that came out stays as it was when more arrives', () => {
  const reader = fed('PASS one\r\n')
  const first = reader.next('command')
  reader.push(Buffer.from('PASS two\r\n'))
  reader.next('command')
  expect(first).toEqual(line('PASS one'))
})

test('bytes pushed are copied, so the caller may use its buffer again', () => {
  const chunk = Buffer.from('NOOP\r\n')
  const reader = lineReader()
  reader.push(chunk)
  chunk.fill(0)
  expect(reader.next('command')).toEqual(line('NOOP'))
})

test('a caller that forgets to pause is stopped before memory grows', () => {
  expect(UNREAD_PAUSE).toBeGreaterThan(SASL_LINE_MAX)
  const reader = lineReader()
  reader.push(Buffer.alloc(UNREAD_MAX))
  expect(reader.size()).toBe(UNREAD_MAX)
  expect(() => {
    reader.push(Buffer.alloc(1))
  }).toThrow(RangeError)
})

test('a password that was taken is not left in the memory of the reader', () => {
  const alloc = vi.spyOn(Buffer, 'alloc')
  const reader = fed('PASS hunt')
  reader.push(Buffer.from('er2\r\n'))
  const early = alloc.mock.results.map((result) => result.value as Buffer)
  expect(early.some((store) => store.includes('hunter2'))).toBe(true)
  // Grows the store: the bytes move, and the old store is wiped too.
  reader.push(Buffer.from('x'.repeat(4096)))
  reader.next('command')
  const stores = alloc.mock.results.slice(0, -1).map((result) => result.value as Buffer)
  alloc.mockRestore()
  expect(stores).toHaveLength(2)
  for (const store of stores) expect(store.includes('hunter2')).toBe(false)
})
