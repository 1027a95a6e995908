import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chain, GENESIS, linkOf } from '../../src/audit/chain.ts'
import { bodyOf } from '../../src/audit/line.ts'
import { everyEvent } from '../support/audit-events.ts'

const HARM = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))
const hostile = fc.oneof(
  fc.string({ unit }),
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '\r\n',
        '\n',
        '"',
        '\\',
        '\u001b]0;x\u0007',
        '\u202e',
        '\u2028',
        '\ud800',
        '"},"chain":{"seq":1,',
        'x'.repeat(200),
      ),
      { maxLength: 30 },
    )
    .map((pieces) => pieces.join('')),
)

test('whatever a stranger sends, an event is one line of JSON without a harmful sign, and its hash fits', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      for (const event of everyEvent(text)) {
        const { line } = chain(bodyOf(event, 0), GENESIS)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(HARM.test(line.slice(0, -1))).toBe(false)
        const { chain: link, event: told } = JSON.parse(line) as { chain: { seq: number }; event: { action: string } }
        expect([link.seq, told.action]).toEqual([1, event.action])
        expect(linkOf(Buffer.from(line.slice(0, -1)))?.seq).toBe(1)
      }
    }),
  )
})
