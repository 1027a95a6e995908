import fc from 'fast-check'
import { Reader, type CountryResponse } from 'maxmind'
import { expect, test } from 'vitest'
import { parseAddress } from '../../src/base/ip.ts'
import { compileDatabase } from '../../src/compiler/mmdb.ts'
import { countryOf } from '../../src/gate/geo-table.ts'
import { mmdb, type Value } from '../support/mmdb.ts'

const octet = fc.constantFrom(0, 1, 2, 127, 128, 254, 255)
const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'))
const group = fc.constantFrom('0', '1', '2001', 'db8', '7fff', '8000', 'ffff')
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(':'))
const code = fc.constantFrom('DE', 'FR', 'KP')

/** A network of any length that holds an address. */
function networkAt(ip: string, length: number): string {
  const words = parseAddress(ip)?.words ?? []
  const bits = words.map((word) => word.toString(2).padStart(32, '0')).join('')
  const kept = bits.slice(0, length).padEnd(bits.length, '0')
  const groups = (kept.match(/.{16}/g) ?? []).map((part) => Number.parseInt(part, 2))
  const text =
    words.length === 1 ? groups.flatMap((pair) => [pair >>> 8, pair & 255]).join('.') : groups.map((one) => one.toString(16)).join(':') // prettier-ignore
  return `${text}/${length}`
}

const entry = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 1, max: 32 }), code),
  fc.tuple(ipv6.filter((ip) => parseAddress(ip)?.family === 6), fc.integer({ min: 17, max: 128 }), code), // prettier-ignore
)

test('the compiled table says of every address what the package says', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(ipv4, ipv6), { minLength: 20, maxLength: 40 }),
      fc.constantFrom(24 as const, 28 as const, 32 as const),
      (entries, ips, recordSize) => {
        const networks = entries.map(([ip, length, iso]) => [networkAt(ip, length), { country: { iso_code: iso } } satisfies Value] as const) // prettier-ignore
        const bytes = mmdb(networks, { recordSize })
        const compiled = compileDatabase(bytes, 'country')
        if (!compiled.ok) throw new Error(compiled.fault)
        const reader = new Reader<CountryResponse>(bytes)
        for (const ip of [...ips, ...entries.map(([one]) => one)]) {
          const address = parseAddress(ip)
          // 6to4 is ours to see through.
          if (address === null || (address.family === 6 && (address.words[0] ?? 0) >>> 16 === 0x2002)) continue
          expect([ip, countryOf(compiled.value.table, address)]).toEqual([ip, reader.get(address.text)?.country?.iso_code ?? null]) // prettier-ignore
        }
      },
    ),
  )
})
