import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readClientHello } from '../../src/front/client-hello.ts'

test('no bytes of a stranger make the ClientHello reader throw', () => {
  const framed = fc.uint8Array({ maxLength: 400 }).map((body) => {
    const message = Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 255]), body])
    return Buffer.concat([Buffer.from([22, 3, 1, message.length >> 8, message.length & 255]), message])
  })
  const anything = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof(framed, anything), (bytes) => {
      const read = readClientHello(bytes)
      expect(read === 'more' || read === 'not-tls' || /^t/.test(read.ja4)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})
