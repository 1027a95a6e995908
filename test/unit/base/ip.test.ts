import { describe, expect, test } from 'vitest'
import { contains, isLoopback, isPrivate, networkOf, parseAddress, parseRange } from '../../../src/base/ip.ts'

const address = (text: string) => {
  const read = parseAddress(text)
  if (read === null) throw new Error(`no address: ${text}`)
  return read
}
const fault = (text: string) => {
  const read = parseRange(text)
  return read.ok ? 'no fault' : read.fault
}
const range = (text: string) => {
  const read = parseRange(text)
  if (!read.ok) throw new Error(read.fault)
  return read.value
}

describe('addresses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is written %s', (text, canonical) => {
    expect(address(text).text).toBe(canonical)
  })

  test.each(['::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:192.0.2.1'])('%s is IPv4', (text) => {
    expect(address(text)).toEqual({ family: 4, words: [0xc0000201], text: '192.0.2.1' })
  })

  test('an IPv4-compatible address is no mapped one', () => {
    expect(address('::192.0.2.1').family).toBe(6)
  })

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    '0x7f.0.0.1',
    '2130706433',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::12345',
    '::g',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::ffff:1.2.3',
    'fe80::1%eth0',
    '[::1]',
    'localhost',
    `${'0:'.repeat(5000)}1`,
  ])('%j is no address', (text) => {
    expect(parseAddress(text)).toBeNull()
  })
})

describe('ranges', () => {
  test.each([
    ['192.0.2.0/24', '192.0.2.0/24', '192.0.2.0', '192.0.2.255'],
    ['0.0.0.0/0', '0.0.0.0/0', '0.0.0.0', '255.255.255.255'],
    ['192.0.2.7/32', '192.0.2.7/32', '192.0.2.7', '192.0.2.7'],
    ['192.0.2.7', '192.0.2.7', '192.0.2.7', '192.0.2.7'],
    ['192.0.2.9-192.0.3.1', '192.0.2.9-192.0.3.1', '192.0.2.9', '192.0.3.1'],
    ['192.0.2.9 - 192.0.3.1', '192.0.2.9-192.0.3.1', '192.0.2.9', '192.0.3.1'],
    ['2001:db8::/33', '2001:db8::/33', '2001:db8::', '2001:db8:7fff:ffff:ffff:ffff:ffff:ffff'],
    ['::/0', '::/0', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24', '192.0.2.0', '192.0.2.255'],
    ['::ffff:0:0/96', '0.0.0.0/0', '0.0.0.0', '255.255.255.255'],
  ])('%s reads as %s', (text, canonical, from, to) => {
    expect(range(text)).toEqual({
      family: address(from).family,
      from: address(from).words,
      to: address(to).words,
      text: canonical,
    })
  })

  test.each([
    ['192.0.2.7/24', 'has bits set behind /24; write 192.0.2.0/24 for the network or 192.0.2.7 for the one address'],
    [
      '2001:db8::1/64',
      'has bits set behind /64; write 2001:db8::/64 for the network or 2001:db8::1 for the one address',
    ],
    ['192.0.2.0/33', 'has no such prefix length; write /0 to /32'],
    ['192.0.2.0/', 'has no such prefix length; write /0 to /32'],
    ['192.0.2.0/024', 'has no such prefix length; write /0 to /32'],
    ['2001:db8::/129', 'has no such prefix length; write /0 to /128'],
    ['::ffff:192.0.2.0/24', 'has no such prefix length; write /96 to /128'],
    ['192.0.2.0/24/8', 'is no network; write it like 192.0.2.0/24 or 2001:db8::/32'],
    ['example.com/24', 'is no network; write it like 192.0.2.0/24 or 2001:db8::/32'],
    ['192.0.2.9-192.0.2.1', 'runs backwards; write 192.0.2.1-192.0.2.9'],
    ['192.0.2.9-2001:db8::', 'runs from one IP version into the other; write one range for each'],
    ['192.0.2.9-', 'is no range; write it like 192.0.2.1-192.0.2.9'],
    ['nonsense', 'is no address, network (192.0.2.0/24) or range (192.0.2.1-192.0.2.9)'],
  ])('%s %s', (text, words) => {
    expect(fault(text)).toBe(words)
  })

  test('a range holds its ends and nothing beyond them', () => {
    const span = range('192.0.2.9-192.0.2.11')
    const held = ['192.0.2.8', '192.0.2.9', '::ffff:192.0.2.10', '192.0.2.11', '192.0.2.12', '::c000:20a']
    expect(held.map((text) => contains(span, address(text)))).toEqual([false, true, true, true, false, false])
  })

  test('::/0 holds every IPv6 address and no IPv4 one, mapped or not', () => {
    expect(contains(range('::/0'), address('2001:db8::1'))).toBe(true)
    expect(contains(range('::/0'), address('::ffff:192.0.2.1'))).toBe(false)
  })
})

describe('networks', () => {
  test.each([
    ['192.0.2.77', '192.0.2.0/24'],
    ['::ffff:192.0.2.77', '192.0.2.0/24'],
    ['2001:db8:1:2ff::9', '2001:db8:1:200::/56'],
  ])('%s is of %s', (text, network) => {
    expect(networkOf(address(text), { ipv4: 24, ipv6: 56 })).toBe(network)
  })

  test('a network may be all addresses or one', () => {
    expect(networkOf(address('192.0.2.77'), { ipv4: 0, ipv6: 0 })).toBe('0.0.0.0/0')
    expect(networkOf(address('192.0.2.77'), { ipv4: 32, ipv6: 128 })).toBe('192.0.2.77/32')
    expect(networkOf(address('2001:db8::9'), { ipv4: 32, ipv6: 128 })).toBe('2001:db8::9/128')
  })

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.7.7',
    '169.254.1.1',
    '100.127.0.1',
    '::1',
    'fd00::1',
    'febf::1',
  ])('%s is private', (text) => {
    expect(isPrivate(address(text))).toBe(true)
  })

  test.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '11.0.0.1', '2001:db8::1', 'fec0::1', '::2'])(
    '%s is public',
    (text) => {
      expect(isPrivate(address(text))).toBe(false)
    },
  )

  test('only this machine is loopback', () => {
    const all = ['127.9.9.9', '::1', '::ffff:127.0.0.1', '10.0.0.1', '::2']
    expect(all.map((text) => isLoopback(address(text)))).toEqual([true, true, true, false, false])
  })
})
