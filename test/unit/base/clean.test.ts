import { expect, test } from 'vitest'
import { clean } from '../../../src/base/clean.ts'

test('control bytes and direction signs become visible', () => {
  expect(clean('ann\r\n\u001b[2J\u202egnp.exe')).toBe('ann\\u{d}\\u{a}\\u{1b}[2J\\u{202e}gnp.exe')
})

test('umlauts, other scripts and emoji stay', () => {
  expect(clean('Jürgen Ωmega 山田 🐢')).toBe('Jürgen Ωmega 山田 🐢')
})

test('a name typed as an escape is told from the byte', () => {
  expect(clean('\\u{1b}')).toBe('\\u{5c}u{1b}')
  expect(clean('CORP\\user')).toBe('CORP\\user')
})

test('a lone surrogate becomes visible', () => {
  expect(clean('a\ud83d')).toBe('a\\u{d83d}')
})

test('a long text is cut and says so, never inside an escape or a pair', () => {
  expect(clean('abcdef', 6)).toBe('abcdef')
  expect(clean('abcdefg', 6)).toBe('abcde…')
  expect(clean('abcd\u001b', 6)).toBe('abcd…')
  expect(clean('abcd🐢🐢', 6)).toBe('abcd…')
  expect(clean('\u001b', 3)).toBe('…')
})

test('a huge text costs no more than its head', () => {
  expect(clean('\u0000'.repeat(50_000_000), 20)).toBe('\\u{0}\\u{0}\\u{0}…')
})
