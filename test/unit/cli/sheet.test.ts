import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCsv } from '../../../src/cli/csv.ts'
import { sheetName, sheetOf } from '../../../src/cli/sheet.ts'

const SHEET = { user: 'ann@example.com', otpauth: 'otpauth://totp/x?secret=ABCD&y=1', secret: 'ABCDEFGH', recoveryCodes: ['aaaaa-bbbbb'] } // prettier-ignore

describe('a sheet', () => {
  test('holds the picture, the secret to type, the address and the codes, and nothing from elsewhere', () => {
    const page = sheetOf(SHEET, Date.UTC(2026, 0, 5, 8))
    for (const part of ['<svg viewBox', 'ABCD EFGH', 'secret=ABCD&amp;y=1', 'aaaaa-bbbbb', '2026-01-05 08:00 UTC'])
      expect(page).toContain(part)
    expect(page).not.toMatch(/<script|src=|href=|url\(|https?:/i)
  })

  test('shows a hostile name as what it is', () => {
    const page = sheetOf({ ...SHEET, user: `<img/onerror="x">&'@example.com` }, 0)
    expect(page).not.toContain('<img')
    expect(page).toContain('&lt;img/onerror=&quot;x&quot;&gt;&amp;&#39;@example.com')
  })
})

describe('the file name of a sheet', () => {
  test.each([
    ['ann@example.com', 'ann@example.com.html'],
    ['ann.o-neil_2@example.com', 'ann.o-neil_2@example.com.html'],
    ['../../etc/cron.d/x@example.com', '%2e.%2f..%2fetc%2fcron.d%2fx@example.com.html'],
    ['.profile', '%2eprofile.html'],
    ['c:\\x', 'c%3a%5cx.html'],
    ['50%', '50%25.html'],
    ['josé', 'jos%c3%a9.html'],
    ["$(id)`;'", '%24%28id%29%60%3b%27.html'],
  ])('of %s is %s', (user, name) => {
    expect(sheetName(user)).toBe(name)
  })

  test('is plain and short for every name, and no two have the same', () => {
    const name = fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: 'binary', minLength: 1, maxLength: 90 }))
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(sheetName(a)).toMatch(/^[a-z0-9@_%-][a-z0-9@._%~-]{0,204}$/)
        // What is no Unicode has no octets of its own; the keeper lets no such name pass.
        if (a !== b && a.isWellFormed() && b.isWellFormed()) expect(sheetName(a)).not.toBe(sheetName(b))
      }),
      { numRuns: 100 },
    )
    const long = 'x'.repeat(253)
    expect(sheetName(`${long}a`)).not.toBe(sheetName(`${long}b`))
  })
})

test('a cell of CSV that a spreadsheet would run is text', () => {
  const rows = ['=1+1', '+1', '-1', '@x', '\t=1', '-', 'a"b', 'a,b', '|x', 'ann'].map((cell) => [cell])
  expect(encodeCsv(['user'], rows)).toBe(
    `user\r\n'=1+1\r\n'+1\r\n'-1\r\n'@x\r\n'\t=1\r\n-\r\n"a""b"\r\n"a,b"\r\n|x\r\nann\r\n`,
  )
})
