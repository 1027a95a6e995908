import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/base/ip.ts'
import { PROXY_V2_MAX } from '../../src/base/gate-limits.ts'
import { readProxyHeader } from '../../src/front/proxy-header.ts'
import { tlv, v2, v4, v6 } from '../support/proxy-header.ts'

const port = fc.integer({ min: 0, max: 65_535 })
const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const tlvs = fc
  .array(fc.record({ type: fc.constantFrom(1, 2, 4, 5, 0x20, 0xe0), value: fc.uint8Array({ maxLength: 40 }) }))
  .map((all) => Buffer.concat(all.map(({ type, value }) => tlv(type, Buffer.from(value)))))

/** A header, and the client that it names. */
const header = fc.oneof(
  fc.record({ ip: octets(4), port }).map(({ ip, port }) => ({
    bytes: Buffer.from(`PROXY TCP4 ${ip.join('.')} 10.0.0.1 ${port} 995\r\n`),
    ip: ip.join('.'),
    port,
  })),
  fc
    .record({ ip: octets(4), port, tlvs })
    .map(({ ip, port, tlvs }) => ({ bytes: v2({ addresses: v4([...ip], port), tlvs }), ip: ip.join('.'), port })),
  fc.record({ ip: octets(16), port, tlvs }).map(({ ip, port, tlvs }) => {
    const hex = Buffer.from(ip).toString('hex')
    return {
      bytes: v2({ family: 0x21, addresses: v6(hex, port), tlvs }),
      ip: hex.match(/.{4}/g)?.join(':') ?? '',
      port,
    }
  }),
)

test('cut anywhere, a header asks for more; whole, it names its client; what follows changes nothing', () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 30 }), ({ bytes, ip, port }, rest) => {
      for (let cut = 0; cut < bytes.length; cut++) {
        expect(readProxyHeader(bytes.subarray(0, cut))).toEqual({ at: 'more' })
      }
      const read = readProxyHeader(Buffer.concat([bytes, rest]))
      expect(read).toMatchObject({ at: 'client', length: bytes.length, source: { address: parseAddress(ip), port } })
    }),
  )
})

test('random bytes never throw, and never ask for more than the ceiling', () => {
  const start = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n', '\r\n\r\n\0\r\nQUIT\n\x21\x11')
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (start, rest) => {
      const bytes = Buffer.concat([Buffer.from(start, 'latin1'), rest])
      const read = readProxyHeader(bytes)
      if (read.at === 'client' || read.at === 'own') expect(read.length).toBeLessThanOrEqual(bytes.length)
      const filled = Buffer.concat([bytes, Buffer.alloc(PROXY_V2_MAX, 'x')])
      expect(readProxyHeader(filled).at).not.toBe('more')
    }),
    { numRuns: 2_000 },
  )
})

test('one bit changed never names the client with another length than it has', () => {
  fc.assert(
    fc.property(header, fc.nat(), ({ bytes }, at) => {
      const changed = Buffer.from(bytes)
      const bit = at % (bytes.length * 8)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const read = readProxyHeader(changed)
      if (read.at === 'client') expect(read.length).toBeLessThanOrEqual(bytes.length)
    }),
  )
})
