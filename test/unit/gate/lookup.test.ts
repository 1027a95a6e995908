import { expect, test } from 'vitest'
import { parseListFile } from '../../../src/compiler/list-file.ts'
import { compileLists } from '../../../src/compiler/prefixes.ts'
import { find } from '../../../src/gate/lookup.ts'
import { address, list, NOW } from './lists.ts'

const at = (line: number) => ({ file: 'lists/a.txt', line })

test('the narrowest entry names the line', () => {
  const found = list('10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3')
  const lines = ['10.9.9.9', '10.1.9.9', '10.1.2.9', '10.1.2.3', '11.0.0.0'].map((ip) => find(found, address(ip), NOW))
  expect(lines).toEqual([at(1), at(2), at(3), at(4), null])
})

test('an entry that ran out uncovers the wider one around it', () => {
  const found = list('10.0.0.0/8', '10.1.0.0/16 until 2026-11-21', '10.1.2.0/24 until 2026-11-01')
  expect(find(found, address('10.1.2.3'), NOW)).toEqual(at(2))
  expect(find(found, address('10.1.2.3'), Date.parse('2026-11-01T23:59:59.999Z'))).toEqual(at(3))
  expect(find(found, address('10.1.2.3'), Date.parse('2026-11-21T23:59:59.999Z'))).toEqual(at(2))
  expect(find(found, address('10.1.2.3'), Date.parse('2026-11-22T00:00:00Z'))).toEqual(at(1))
})

test('an entry that ran out with nothing around it counts no more', () => {
  expect(find(list('10.1.0.0/16 until 2026-11-20'), address('10.1.2.3'), NOW)).toBeNull()
})

test('several lists are one, and each line keeps its file', () => {
  const both = compileLists([
    { name: 'a', entries: parseListFile('10.0.0.0/8').entries },
    { name: 'b', entries: parseListFile('#\n10.0.0.1').entries },
  ])
  expect(find(both, address('10.0.0.1'), NOW)).toEqual({ file: 'b', line: 2 })
  expect(find(both, address('10.0.0.2'), NOW)).toEqual({ file: 'a', line: 1 })
})

test('the last IPv6 address is in a list that ends there', () => {
  const found = list('ffff::/16', '255.255.255.255', '::')
  const top = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
  expect([top, '255.255.255.255', '::', '::1', '0.0.0.0'].map((ip) => find(found, address(ip), NOW)?.line)).toEqual([
    1,
    2,
    3,
    undefined,
    undefined,
  ])
})
