import fc from 'fast-check'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { reveal } from '../../src/base/secret.ts'
import { isPassword, isUserName, parse, readSessionLine } from '../../src/pop3/command.ts'
import { decodeBase64, readPlain } from '../../src/pop3/sasl.ts'

const anyBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const keyword = fc.constantFrom('USER', 'pass', 'AUTH', 'AUTH PLAIN', 'RETR', 'list', 'TOP', 'LANG', 'QUIT', 'GET', 'X')
const line = fc.oneof(
  anyBytes,
  fc.tuple(keyword, anyBytes).map(([word, rest]) => Buffer.concat([Buffer.from(`${word} `), rest])),
)

test('any bytes are a command or a fault, never an exception', () => {
  fc.assert(
    fc.property(line, (bytes) => {
      expect(['command', 'fault']).toContain(parse(bytes).got)
      expect(['carry', 'refuse', 'fault']).toContain(readSessionLine(bytes).say)
    }),
    { numRuns: 2000 },
  )
})

test('no line with CR, LF or NUL is a command', () => {
  fc.assert(
    fc.property(line, fc.nat(), fc.constantFrom(0x00, 0x0a, 0x0d), (bytes, at, byte) => {
      const cut = at % (bytes.length + 1)
      const bad = Buffer.concat([bytes.subarray(0, cut), Buffer.of(byte), bytes.subarray(cut)])
      expect(parse(bad).got).toBe('fault')
      expect(readSessionLine(bad).say).not.toBe('carry')
    }),
    { numRuns: 2000 },
  )
})

test('what goes on to the old server is one printable line that reads the same again', () => {
  fc.assert(
    fc.property(line, (bytes) => {
      const read = readSessionLine(bytes)
      if (read.say !== 'carry') return
      expect(read.line.toString('latin1')).toMatch(/^[A-Z]{3,4}( [\x21-\x7e\x80-\xff]+)*$/)
      expect(readSessionLine(read.line)).toEqual(read)
    }),
    { numRuns: 2000 },
  )
})

test('every password comes out of PASS as it was typed and is nowhere to be seen', () => {
  const password = anyBytes.filter(isPassword)
  fc.assert(
    fc.property(password, (bytes) => {
      const parsed = parse(Buffer.concat([Buffer.from('PASS '), bytes]))
      if (parsed.got !== 'command' || parsed.command.verb !== 'PASS') throw new Error('not read as PASS')
      expect(reveal(parsed.command.password)).toEqual(bytes)
      expect(inspect(parsed, { depth: 9 })).toContain('[secret]')
      expect(JSON.stringify(parsed)).toBe('{"got":"command","command":{"verb":"PASS","password":"[secret]"}}')
    }),
  )
})

test('base64 is taken in its one spelling only', () => {
  fc.assert(
    fc.property(
      anyBytes,
      fc.nat(),
      fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 }),
      (bytes, at, extra) => {
        const text = bytes.toString('base64')
        expect(decodeBase64(Buffer.from(text))).toEqual(bytes)
        const place = at % (text.length + 1)
        expect(decodeBase64(Buffer.from(text.slice(0, place) + extra + text.slice(place)))).toBeNull()
      },
    ),
    { numRuns: 1000 },
  )
})

test('what PLAIN gives could have been typed as USER and PASS', () => {
  const field = fc.oneof(
    anyBytes,
    fc.constantFrom('bob', '', 'a b').map((text) => Buffer.from(text)),
  )
  const message = fc
    .tuple(field, field, field)
    .map((parts) => Buffer.concat(parts.flatMap((part) => [part, Buffer.of(0)])))
  fc.assert(
    fc.property(
      fc.oneof(
        anyBytes,
        message.map((all) => all.subarray(0, -1)),
      ),
      (bytes) => {
        const found = readPlain(bytes)
        if (found === null) return
        expect(isUserName(found.user) && isPassword(reveal(found.password))).toBe(true)
        const again = Buffer.concat([Buffer.of(0), found.user, Buffer.of(0), reveal(found.password)])
        expect([again, Buffer.concat([found.user, again])]).toContainEqual(bytes)
      },
    ),
    { numRuns: 2000 },
  )
})
