import { describe, expect, test } from 'vitest'
import { readCandidate } from '../../../src/factors/candidate.ts'

const read = (typed: string | Buffer, separator = '') => {
  const candidate = readCandidate(Buffer.from(typed), separator)
  return candidate.how === 'none'
    ? 'none'
    : `${candidate.how} ${candidate.password.toString('latin1')} | ${candidate.code.toString()}`
}

describe('one reading of what was typed', () => {
  test.each([
    ['secret123456', '', 'code secret | 123456'],
    ['secret,123456', '', 'code secret, | 123456'],
    ['secret123456', ',', 'code secret | 123456'],
    ['secret,123456', ',', 'code secret | 123456'],
    ['secret,,123456', ',', 'code secret, | 123456'],
    ['secret1234567', '', 'code secret1 | 234567'],
    ['secret 123456', '', 'code secret  | 123456'],
    ['1123456', '', 'code 1 | 123456'],
    ['123456', '', 'none'],
    [',123456', ',', 'none'],
    [',123456', '', 'code , | 123456'],
    ['12345', '', 'none'],
    ['', '', 'none'],
    ['secret12345', '', 'none'],
    ['secret12345x', '', 'none'],
    ['secret123 456', '', 'none'],
    ['secret-123456', '', 'code secret- | 123456'],
    ['secretabcde-fgh23', '', 'recovery secret | abcde-fgh23'],
    ['secretABCDE-FGH23', '', 'recovery secret | abcde-fgh23'],
    ['secret,abcde-fgh23', ',', 'recovery secret | abcde-fgh23'],
    ['abcde-fgh23', '', 'none'],
    [',abcde-fgh23', ',', 'none'],
    ['secretabcde-fghil', '', 'none'],
    ['secretabcdefgh23', '', 'none'],
    ['secretabcde-12345', '', 'recovery secret | abcde-12345'],
    ['secret12345-123456', '', 'code secret12345- | 123456'],
  ])('"%s" with the separator "%s" is %s', (typed, separator, reading) => {
    expect(read(typed, separator)).toBe(reading)
  })

  test('digits of other scripts are no digits', () => {
    expect(read('secret١٢٣٤٥٦')).toBe('none')
    expect(read('secret１２３４５６')).toBe('none')
  })

  test('a password of any bytes keeps its bytes', () => {
    const password = Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x20])
    const candidate = readCandidate(Buffer.concat([password, Buffer.from('123456')]), '')
    expect(candidate).toEqual({ how: 'code', password, code: Buffer.from('123456') })
  })

  test('what it gives outlives the message it came in', () => {
    const typed = Buffer.from('secret123456')
    const candidate = readCandidate(typed, '')
    typed.fill(0)
    expect(candidate).toEqual({ how: 'code', password: Buffer.from('secret'), code: Buffer.from('123456') })
  })
})
