import { describe, expect, test } from 'vitest'
import { PROXY_V2_MAX } from '../../../src/base/gate-limits.ts'
import { readProxyHeader } from '../../../src/front/proxy-header.ts'
import { tlv, v2, v4, v6 } from '../../support/proxy-header.ts'

/** CRC-32C of the usual header with this TLV, computed by another program. */
const SUM = '5b11ea21'
const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 995\r\n'

/** What a test has to say about a header: who, what, or why not. */
function read(bytes: Buffer | string): string {
  const header = readProxyHeader(Buffer.from(bytes))
  if (header.at === 'fault') return header.why
  if (header.at !== 'client') return header.at
  const { source, destination, length } = header
  return `${source.address.text} ${source.port} to ${destination.address.text} ${destination.port}, ${length}`
}

describe('version 1', () => {
  test('names the client, what it connected to, and where the header ends', () => {
    expect(read(`${V1}rest`)).toBe(`192.0.2.7 4711 to 198.51.100.1 995, ${V1.length}`)
    expect(read('PROXY TCP6 2001:DB8::7 2001:db8::1 1 65535\r\n')).toBe('2001:db8::7 1 to 2001:db8::1 65535, 44')
  })

  test('an IPv4-mapped address is the IPv4 one', () => {
    expect(read('PROXY TCP6 ::ffff:192.0.2.7 ::ffff:c633:6401 1 2\r\n')).toMatch(
      /^192\.0\.2\.7 1 to 198\.51\.100\.1 2,/,
    )
  })

  test('UNKNOWN is the balancer itself, whatever stands behind it', () => {
    expect([read('PROXY UNKNOWN\r\n'), read('PROXY UNKNOWN ffff::1 x y z\r\n')]).toEqual(['own', 'own'])
    expect(readProxyHeader(Buffer.from('PROXY UNKNOWN\r\nx'))).toEqual({ at: 'own', length: 15 })
  })

  test('107 octets are a header, 108 are none', () => {
    expect(read(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`)).toBe('own')
    expect(read(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`)).toBe('proxy-header-too-long')
    expect(read(`PROXY UNKNOWN ${'x'.repeat(92)}`)).toBe('more')
    expect(read(`PROXY UNKNOWN ${'x'.repeat(93)}`)).toBe('proxy-header-too-long')
  })

  test.each([
    ['a lone LF', 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 995\n'],
    ['a lone LF before the CRLF', 'PROXY UNKNOWN a\nPROXY TCP4 192.0.2.7 198.51.100.1 4711 995\r\n'],
    ['a lone CR', 'PROXY TCP4 192.0.2.7\r198.51.100.1 4711 995\r\n'],
    ['an octet in another writing', V1.replace('192.0.2.7', '192.0.2.07')],
    ['a port in another writing', V1.replace('4711', '04711')],
    ['a port too high', V1.replace('4711', '65536')],
    ['a port below nought', V1.replace('4711', '-1')],
    ['two spaces', V1.replace(' 4711', '  4711')],
    ['a word too many', V1.replace('\r\n', ' 1\r\n')],
    ['a word too few', V1.replace(' 995', '')],
    ['IPv6 under the name of IPv4', V1.replace('192.0.2.7', '2001:db8::7')],
    ['IPv4 under the name of IPv6', V1.replace('TCP4', 'TCP6')],
    ['a name in place of an address', V1.replace('192.0.2.7', 'localhost')],
    ['a zone', 'PROXY TCP6 fe80::1%eth0 2001:db8::1 1 2\r\n'],
  ])('%s is malformed', (_, header) => {
    expect(read(header)).toBe('proxy-header-malformed')
  })

  test('other families are unknown', () => {
    for (const family of ['UDP4', 'tcp4', 'UNIX', '']) {
      expect(read(V1.replace('TCP4', family))).toBe('proxy-family-unknown')
    }
  })
})

describe('version 2', () => {
  test('names the client over IPv4 and IPv6', () => {
    expect(read(v2())).toBe('192.0.2.7 4711 to 198.51.100.1 995, 28')
    const six = v2({ family: 0x21, addresses: v6('20010db8000000000000000000000007') })
    expect(read(six)).toBe('2001:db8::7 4711 to 2001:db8::1 995, 52')
  })

  test('an IPv4-mapped address is the IPv4 one', () => {
    expect(read(v2({ family: 0x21, addresses: v6('00000000000000000000ffffc0000207') }))).toMatch(/^192\.0\.2\.7 4711 /)
  })

  test('LOCAL is the balancer itself, whatever family it claims', () => {
    expect(read(v2({ command: 0, family: 0, addresses: Buffer.alloc(0) }))).toBe('own')
    expect(read(v2({ command: 0, family: 0x31, addresses: Buffer.alloc(216) }))).toBe('own')
  })

  test('what else it tells is passed over', () => {
    const tlvs = Buffer.concat([tlv(4, Buffer.alloc(9)), tlv(0xe0, Buffer.from('own use')), tlv(5, Buffer.alloc(0))])
    expect(read(v2({ tlvs }))).toBe(`192.0.2.7 4711 to 198.51.100.1 995, ${28 + tlvs.length}`)
  })

  test('a checksum must be right where there is one', () => {
    expect(read(v2({ tlvs: tlv(3, Buffer.from([1, 2, 3])) }))).toBe('proxy-header-malformed')
    expect(read(v2({ tlvs: tlv(3, Buffer.from([1, 2, 3, 4])) }))).toBe('proxy-checksum-wrong')
    expect(read(v2({ tlvs: tlv(3, Buffer.from(SUM, 'hex')) }))).toMatch(/^192\.0\.2\.7/)
  })

  test('the longest that is taken, and one octet more', () => {
    const room = PROXY_V2_MAX - 28 - 3
    expect(read(v2({ tlvs: tlv(4, Buffer.alloc(room)) }))).toMatch(/^192/)
    expect(read(v2({ tlvs: tlv(4, Buffer.alloc(room + 1)) }).subarray(0, 16))).toBe('proxy-header-too-long')
  })

  test.each([
    ['version 1 in the form of version 2', v2({ version: 1 })],
    ['version 3', v2({ version: 3 })],
    ['a command that is neither LOCAL nor PROXY', v2({ command: 2 })],
    ['addresses cut short', v2({ addresses: v4().subarray(0, 11) })],
    ['IPv6 with the length of IPv4', v2({ family: 0x21 })],
    ['a TLV that runs over the end', v2({ tlvs: Buffer.from([4, 0, 9, 1]) })],
    ['half a TLV', v2({ tlvs: Buffer.from([4, 0]) })],
  ])('%s is malformed', (_, header) => {
    expect(read(header)).toBe('proxy-header-malformed')
  })

  test('datagrams, unix sockets and no family at all are unknown', () => {
    for (const family of [0x00, 0x01, 0x12, 0x22, 0x31, 0x32, 0x41, 0xff]) {
      expect(read(v2({ family, addresses: Buffer.alloc(216) }))).toBe('proxy-family-unknown')
    }
  })
})

test.each(['\x16\x03\x01', 'CAPA\r\n', 'proxy TCP4', ' PROXY ', '\r\n\r\n\0\r\nQUIX'])(
  '%j begins no header',
  (bytes) => {
    expect(read(Buffer.from(bytes, 'latin1'))).toBe('proxy-header-missing')
  },
)
