import { describe, expect, test } from 'vitest'
import { parseAddress, type Endpoint } from '../../../src/base/ip.ts'
import { readProxyHeader } from '../../../src/front/proxy-header.ts'
import { proxyHeader, xclientLine, type Client } from '../../../src/relay/introduction.ts'

function end(ip: string, port: number): Endpoint {
  const address = parseAddress(ip)
  if (address === null) throw new Error(ip)
  return { address, port }
}
function client(from: string, to: string): Client {
  return { session: '0123456789abcdef01234567', source: end(from, 4711), destination: end(to, 995) }
}

const FOUR = client('192.0.2.7', '198.51.100.1')
const SIX = client('2001:db8::7', '2001:db8::1')
const MIXED = client('192.0.2.7', '2001:db8::1')

describe('version 1', () => {
  test('is one line', () => {
    expect(proxyHeader('v1', FOUR).toString()).toBe('PROXY TCP4 192.0.2.7 198.51.100.1 4711 995\r\n')
    expect(proxyHeader('v1', SIX).toString()).toBe('PROXY TCP6 2001:db8::7 2001:db8::1 4711 995\r\n')
    expect(proxyHeader('v1', null).toString()).toBe('PROXY UNKNOWN\r\n')
  })

  test('with ends of two families is of IPv6', () => {
    expect(proxyHeader('v1', MIXED).toString()).toBe('PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 4711 995\r\n')
  })
})

describe('version 2', () => {
  test('is octet for octet that of the specification', () => {
    expect(proxyHeader('v2', FOUR).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a' + '2111000c' + 'c0000207' + 'c6336401' + '1267' + '03e3',
    )
    expect(proxyHeader('v2', null).toString('hex')).toBe('0d0a0d0a000d0a515549540a' + '20000000')
  })

  test('with ends of two families is of IPv6', () => {
    expect(proxyHeader('v2', MIXED).subarray(16, 32).toString('hex')).toBe('00000000000000000000ffffc0000207')
  })

  test('a port above 32767 is not taken for a sign', () => {
    const high = { ...FOUR, source: { ...FOUR.source, port: 65_535 } }
    expect(proxyHeader('v2', high).subarray(24, 26).toString('hex')).toBe('ffff')
  })
})

test('what is written is read as the same', () => {
  for (const version of ['v1', 'v2'] as const) {
    for (const one of [FOUR, SIX, MIXED]) {
      const { source, destination } = one
      expect(readProxyHeader(proxyHeader(version, one))).toMatchObject({ at: 'client', source, destination })
    }
    expect(readProxyHeader(proxyHeader(version, null)).at).toBe('own')
  }
})

test('XCLIENT says who and from where, and that the client spoke TLS', () => {
  expect(xclientLine(SIX).toString()).toBe(
    'XCLIENT ADDR=2001:db8::7 PORT=4711 SESSION=0123456789abcdef01234567 TTL=4 CLIENT-TRANSPORT=TLS\r\n',
  )
})
