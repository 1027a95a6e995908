import { describe, expect, test } from 'vitest'
import { reveal, Secret } from '../../../src/base/secret.ts'
import {
  groupsOf,
  keyPairOf,
  makeAppPassword,
  openBox,
  readAppPassword,
  sealBox,
} from '../../../src/factors/app-password.ts'

const secret = (text: string) => new Secret(Buffer.from(text))
const LETTERS = secret('abcdefghijklmnop')
const ANN = { user: 'ann@example.com', id: 'a1' }

describe('the form', () => {
  test.each([
    ['abcdefghijklmnop', 'abcdefghijklmnop'],
    ['ABCD EFGH IJKL MNOP', 'abcdefghijklmnop'],
    ['abcd-efgh-ijkl-mnop', 'abcdefghijklmnop'],
    [' a b-c d-e f-g h-i j-k l-m n-o p ', 'abcdefghijklmnop'],
  ])('"%s" is read', (typed, letters) => {
    const read = readAppPassword(Buffer.from(typed))
    expect(read === null ? null : reveal(read).toString()).toBe(letters)
  })

  test.each([
    'abcdefghijklmno',
    'abcdefghijklmnopq',
    'abcdefghijklmno1',
    'abcdefghijklmnop123456',
    'abcd_efgh_ijkl_mnop',
    'abcd\tefghijklmnop',
    '\u017fbcdefghijklmnop',
    `${' '.repeat(40)}abcdefghijklmnop`,
    '',
  ])('"%s" is not: it goes on to the other readings', (typed) => {
    expect(readAppPassword(Buffer.from(typed))).toBeNull()
  })

  test('what is made and shown is read back, and uses every letter', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const made = makeAppPassword()
      const shown = groupsOf(made)
      expect(shown).toMatch(/^([a-z]{4} ){3}[a-z]{4}$/)
      const read = readAppPassword(Buffer.from(shown.toUpperCase()))
      expect(read === null ? null : reveal(read)).toEqual(reveal(made))
      for (const letter of reveal(made).toString()) seen.add(letter)
    }
    expect(seen.size).toBe(26)
  })
})

describe('the key pair', () => {
  test('is that of the letters and the user, always the same', () => {
    const half = keyPairOf('ann@example.com', LETTERS).publicHalf
    expect(half).toHaveLength(32)
    // Fixed: another derivation would make every app password that was given out worthless.
    expect(half.toString('hex')).toBe('deef2a22d0f7fcc0ed262454813edd5551bb83343c0b54d7d5e9e19cf093d63b')
    expect(keyPairOf('bob@example.com', LETTERS).publicHalf).not.toEqual(half)
    expect(keyPairOf('ann@example.com', secret('abcdefghijklmnoq')).publicHalf).not.toEqual(half)
  })
})

describe('the box', () => {
  const pair = keyPairOf(ANN.user, LETTERS)
  const box = sealBox(pair.publicHalf, ANN, secret('hunter2 ü'))

  test('opens with the letters alone', () => {
    expect(reveal(openBox(pair, ANN, box)).toString()).toBe('hunter2 ü')
    const other = keyPairOf(ANN.user, secret('abcdefghijklmnoq'))
    expect(() => openBox(other, ANN, box)).toThrow()
    expect(() => openBox({ ...pair, privateKey: other.privateKey }, ANN, box)).toThrow()
  })

  test('does not open for another user or another app password', () => {
    expect(() => openBox(pair, { ...ANN, user: 'bob@example.com' }, box)).toThrow()
    expect(() => openBox(pair, { ...ANN, id: 'a2' }, box)).toThrow()
  })

  test('does not open when any octet of it is another, or some are missing', () => {
    for (const at of box.keys()) {
      if (at % 7 !== 0 && at > 40 && at < box.length - 20) continue
      const altered = Buffer.from(box)
      altered.writeUInt8((altered[at] ?? 0) ^ 1, at)
      expect(() => openBox(pair, ANN, altered), `octet ${at}`).toThrow()
    }
    expect(() => openBox(pair, ANN, box.subarray(0, -1))).toThrow()
    expect(() => openBox(pair, ANN, Buffer.alloc(0))).toThrow()
  })

  test('is sealed under a key of one use, and does not tell how long the password is', () => {
    expect(sealBox(pair.publicHalf, ANN, secret('hunter2 ü')).equals(box)).toBe(false)
    const lengths = [0, 1, 8, 254].map((n) => sealBox(pair.publicHalf, ANN, secret('x'.repeat(n))).length)
    expect(new Set(lengths).size).toBe(1)
    const long = 'y'.repeat(255)
    expect(reveal(openBox(pair, ANN, sealBox(pair.publicHalf, ANN, secret(long)))).toString()).toBe(long)
  })
})
