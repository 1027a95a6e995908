import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  auditName,
  backendFor,
  backendUsername,
  canonicalName,
  type IdentityRules,
} from '../../../src/keeper/identity.ts'

const RULES: IdentityRules = { default_domain: 'example.com', strip_prefix: ['CORP\\'], roster: null }
const nameOf = (typed: string | Buffer, change: Partial<IdentityRules> = {}) =>
  canonicalName(Buffer.from(typed), { ...RULES, ...change })

describe('one form for every spelling', () => {
  test.each([
    ['ann@example.com', 'ann@example.com'],
    ['ann', 'ann@example.com'],
    ['Ann@Example.COM', 'ann@example.com'],
    ['CORP\\ann', 'ann@example.com'],
    ['corp\\ANN@example.com', 'ann@example.com'],
    ['josé@example.com', 'jos\u00e9@example.com'],
    ['jose\u0301@example.com', 'jos\u00e9@example.com'],
    ['JOSÉ@example.com', 'jos\u00e9@example.com'],
  ])('%s', (typed, canonical) => {
    expect(nameOf(typed)).toBe(canonical)
  })

  test('without a default domain a bare name stays bare', () => {
    expect(nameOf('Ann', { default_domain: null })).toBe('ann')
  })

  test('aliases of the roster are their user, and who is not on it is nobody', () => {
    const roster = new Map([
      ['ann@example.com', 'ann@example.com'],
      ['a.miller@example.com', 'ann@example.com'],
    ])
    expect(nameOf('ANN', { roster })).toBe('ann@example.com')
    expect(nameOf('a.Miller@example.com', { roster })).toBe('ann@example.com')
    expect(nameOf('bob', { roster })).toBeNull()
  })

  test('no spelling of a name on the roster is anybody else', () => {
    const users = [
      'ann@example.com',
      'jos\u00e9@example.com',
      'stra\u00dfe@example.com',
      '\u03c3\u03b1\u03c2@example.com',
    ]
    const roster = new Map(users.map((user) => [user, user]))
    const spelling = fc.record({
      user: fc.constantFrom(...users),
      upper: fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
      form: fc.constantFrom('NFC', 'NFD', 'NFKC', 'NFKD'),
      prefix: fc.constantFrom('', 'CORP\\', 'corp\\', 'Corp\\CORP\\'),
      bare: fc.boolean(),
      tail: fc.constantFrom('', '', '', '.', '\0', ' ', '\u200b', '@example.com'),
    })
    let found = 0
    fc.assert(
      fc.property(spelling, ({ user, upper, form, prefix, bare, tail }) => {
        const cased = [...user].map((sign, i) => (upper[i] === true ? sign.toUpperCase() : sign)).join('')
        const typed = `${prefix}${(bare ? cased.replace(/@.*/, '') : cased).normalize(form)}${tail}`
        const name = nameOf(typed, { roster })
        if (name === user) found++
        expect([user, null]).toContain(name)
      }),
      { numRuns: 1000 },
    )
    expect(found).toBeGreaterThan(100)
  })

  test('is its own form: what it gives, given again, stays', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' })), (typed) => {
        const once = nameOf(typed)
        expect(once === null ? null : nameOf(once)).toBe(once)
      }),
      { numRuns: 2000 },
    )
  })

  test('of any bytes is a clean name or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const name = nameOf(Buffer.from(bytes))
        if (name !== null) expect(name).toMatch(/^[^\s\p{C}]+@[^\s\p{C}@]+$/u)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('no name at all', () => {
  test.each([
    ['empty', ''],
    ['only a prefix', 'CORP\\'],
    ['a prefix within a prefix', 'CORP\\corp\\ann'],
    ['no local part', '@example.com'],
    ['no domain', 'ann@'],
    ['a dot behind the domain', 'ann@example.com.'],
    ['a dot before the domain', 'ann@.example.com'],
    ['two dots in the domain', 'ann@example..com'],
    ['two @', 'ann@example.com@evil.example'],
    ['a space', 'ann smith'],
    ['a space at the end', 'ann '],
    ['a no-break space', 'ann\u00a0'],
    ['a NUL', 'ann\0'],
    ['a line end', 'ann\r\nQUIT'],
    ['a zero width space', 'an\u200bn'],
    ['a zero width joiner', 'an\u200dn'],
    ['a byte order mark', '\ufeffann'],
    ['a soft hyphen', 'an\u00adn'],
    ['a variation selector', 'ann\ufe0f'],
    ['a sign that turns the direction', 'ann\u202e'],
    ['a Hangul filler', 'ann\u115f'],
    ['full width letters', '\uff41nn'],
    ['a Kelvin sign for k', 'an\u212a'],
    ['a ligature', '\ufb01nn'],
    ['a superscript', 'ann\u00b2'],
    ['a full width @', 'ann\uff20example.com'],
    ['a private sign', 'ann\ue000'],
    ['an unassigned sign', 'ann\u0378'],
    ['255 octets', `${'a'.repeat(243)}@example.com`],
    ['10,000 octets', 'a'.repeat(10_000)],
  ])('%s', (_, typed) => {
    expect(nameOf(typed)).toBeNull()
  })

  test.each([
    ['a stray continuation byte', [0x61, 0x80]],
    ['an overlong letter', [0xc1, 0xa1]],
    ['half a sign', [0x61, 0xc3]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['Latin-1', [0x6a, 0x6f, 0x73, 0xe9]],
  ])('%s', (_, bytes) => {
    expect(nameOf(Buffer.from(bytes))).toBeNull()
  })

  test('254 octets are one', () => {
    expect(nameOf(`${'a'.repeat(242)}@example.com`)).toHaveLength(254)
  })
})

describe('the backend', () => {
  const backends = [
    { name: 'a', domains: ['one.example', 'TWO.example'], username: '' },
    { name: 'b', domains: ['*'], username: '' },
  ]
  test.each([
    ['ann@one.example', 'a'],
    ['ann@two.example', 'a'],
    ['ann@three.example', 'b'],
    ['ann@sub.one.example', 'b'],
    ['ann', 'b'],
  ])('of %s is %s', (name, expected) => {
    expect(backendFor(name, backends)?.name).toBe(expected)
  })

  test('is none where no domain matches', () => {
    expect(backendFor('ann@three.example', backends.slice(0, 1))).toBeNull()
    expect(backendFor('ann', backends.slice(0, 1))).toBeNull()
  })

  test.each([
    ['{user}', 'ann@one.example', 'ann@one.example'],
    ['{local}', 'ann@one.example', 'ann'],
    ['{domain}/{local}', 'ann@one.example', 'one.example/ann'],
    ['{local}{domain}', 'ann', 'ann'],
    ['{user}', '{local}@one.example', '{local}@one.example'],
    ['{user}', '$&$1@one.example', '$&$1@one.example'],
  ])('hears of %s for %s', (template, name, expected) => {
    expect(backendUsername(name, template).toString()).toBe(expected)
  })
})

test('a name of 10,000 bytes does not fill the audit', () => {
  expect(auditName(Buffer.alloc(10_000, 'a')).length).toBeLessThan(1100)
})
