import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clean } from '../../src/base/clean.ts'

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), hostileText(), fc.string({ unit: codeUnit() }))

function codeUnit() {
  return fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit))
}

function hostileText() {
  const pieces = [
    '\r\n',
    '\u001b[2J',
    '\u202e',
    '\u2066',
    '\u2028',
    '\u0085',
    '\ud800',
    '\udc00',
    '\u0000',
    '\u200b',
    '\\u{1b}',
    '\\',
    'a',
  ]
  return fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((all) => all.join(''))
}

const HARM = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

test('no line break, terminal escape, bidi sign or lone surrogate gets through', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 300 }), (text, max) => {
      const out = clean(text, max)
      expect(HARM.test(out)).toBe(false)
      expect(out.isWellFormed()).toBe(true)
      expect(out.length).toBeLessThanOrEqual(max)
    }),
  )
})

test('two different texts stay different as long as they fit', () => {
  fc.assert(
    fc.property(anyText, anyText, (one, other) => {
      fc.pre(one !== other)
      expect(clean(one, 100_000)).not.toBe(clean(other, 100_000))
    }),
  )
})

test('printable text without our own escapes comes out as it went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 255 }), (text) => {
      fc.pre(!text.includes('\\u{'))
      expect(clean(text)).toBe(text)
    }),
  )
})
