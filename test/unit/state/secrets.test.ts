import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { reveal, Secret } from '../../../src/base/secret.ts'
import { createKeyring } from '../../../src/state/secrets.ts'

const MASTER = Buffer.alloc(32, 9)
const keys = createKeyring(new Secret(MASTER))
const seed = new Secret(Buffer.from('twenty bytes of seed'))

describe('a sealed value', () => {
  const sealed = keys.seal('seed', 'ann', seed)

  test('opens for its user under its key', () => {
    expect(reveal(keys.open('seed', 'ann', sealed)).equals(reveal(seed))).toBe(true)
    expect(reveal(createKeyring(new Secret(MASTER)).open('seed', 'ann', sealed)).equals(reveal(seed))).toBe(true)
  })

  test('does not open when moved to another user', () => {
    expect(() => keys.open('seed', 'bob', sealed)).toThrow()
  })

  test('does not open under another master key', () => {
    expect(() => createKeyring(new Secret(Buffer.alloc(32, 8))).open('seed', 'ann', sealed)).toThrow()
  })

  test('does not open with any one bit turned, or cut anywhere', () => {
    for (let at = 0; at < sealed.length; at++) {
      const turned = Buffer.from(sealed)
      turned[at] = (turned[at] ?? 0) ^ 1
      expect(() => keys.open('seed', 'ann', turned)).toThrow()
      expect(() => keys.open('seed', 'ann', sealed.subarray(0, at))).toThrow()
    }
  })

  test('is another one each time and does not hold the plain bytes', () => {
    expect(keys.seal('seed', 'ann', seed).equals(sealed)).toBe(false)
    expect(sealed.includes(reveal(seed))).toBe(false)
  })
})

describe('an HMAC', () => {
  test('is its user’s, its purpose’s and its key’s own', () => {
    const all = [
      keys.mac('string', 'ann', 'x'),
      keys.mac('string', 'bob', 'x'),
      keys.mac('bare', 'ann', 'x'),
      keys.mac('string', 'ann', 'y'),
      createKeyring(new Secret(Buffer.alloc(32, 8))).mac('string', 'ann', 'x'),
    ]
    expect(new Set(all.map((mac) => mac.toString('hex'))).size).toBe(all.length)
    expect(keys.mac('string', 'ann', 'x').equals(keys.mac('string', 'ann', Buffer.from('x')))).toBe(true)
  })

  test('tells apart where one part ends and the next begins', () => {
    expect(keys.mac('device', 'ann', 'ab', 'c').equals(keys.mac('device', 'ann', 'a', 'bc'))).toBe(false)
    expect(keys.mac('device', 'anna', 'b').equals(keys.mac('device', 'ann', 'ab'))).toBe(false)
    expect(keys.mac('device', 'ann', 'a').equals(keys.mac('device', 'ann', 'a', ''))).toBe(false)
  })
})

test('no way of printing the keys shows a byte of them', () => {
  const printed = [inspect(keys, { depth: 9, showHidden: true }), JSON.stringify(keys)].join('\n')
  expect(printed).not.toContain(MASTER.toString('hex').slice(0, 8))
  expect(printed).not.toContain('09 09')
  expect(printed).not.toContain(MASTER.toString('base64').slice(0, 8))
})
