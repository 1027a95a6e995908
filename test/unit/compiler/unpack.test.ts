import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { DATABASE_MAX } from '../../../src/base/gate-limits.ts'
import { unpack } from '../../../src/compiler/unpack.ts'
import { tar } from '../../support/tar.ts'

const database = Buffer.from('what a database holds')
const bytesIn = (packed: Buffer) => {
  const got = unpack(packed)
  return got.ok ? got.value.toString() : got.fault
}

test('a database comes out as it is, out of gzip, and out of an archive', () => {
  const archive = tar([
    ['GeoLite2-Country_20270101/', ''],
    ['GeoLite2-Country_20270101/README.txt', 'x'.repeat(700)],
    ['GeoLite2-Country_20270101/GeoLite2-Country.mmdb', database],
  ])
  for (const packed of [database, gzipSync(database), gzipSync(archive), archive]) {
    expect(bytesIn(packed)).toBe('what a database holds')
  }
})

describe('what is no good is refused', () => {
  test('gzip that is cut short or damaged', () => {
    const packed = gzipSync(Buffer.alloc(10_000, 'ab'))
    for (const length of [2, 5, 20, packed.length - 1]) {
      expect(bytesIn(packed.subarray(0, length))).toBe('is damaged gzip, or is cut short')
    }
  })

  test('a bomb of gzip: it stops at the ceiling', () => {
    const member = gzipSync(Buffer.alloc(1_048_576))
    const bomb = Buffer.concat(new Array<Buffer>(DATABASE_MAX / 1_048_576 + 1).fill(member))
    expect(bomb.length).toBeLessThan(1_000_000)
    expect(bytesIn(bomb)).toBe(`unpacks to more than ${DATABASE_MAX} octets`)
  })

  test('an archive without a database, with a link in its place, and one cut short', () => {
    expect(bytesIn(tar([['a.txt', 'x']]))).toBe('is an archive without an .mmdb file in it')
    expect(bytesIn(tar([['a.mmdb', '', '2']]))).toBe('is an archive without an .mmdb file in it')
    expect(bytesIn(tar([['a.mmdb', 'x'.repeat(2_000)]]).subarray(0, 1_100))).toBe('is a tar archive cut short')
  })

  test('an archive that lies about a length', () => {
    for (const size of ['77777777777', '-1', 'x', '']) {
      const lying = tar([['a.mmdb', 'x']])
      lying.write(size.padEnd(12, '\0'), 124, 'latin1')
      expect(bytesIn(lying)).toMatch(/^is a (damaged tar archive|tar archive cut short)$/)
    }
  })
})
