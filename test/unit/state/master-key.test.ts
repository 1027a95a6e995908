import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { reveal } from '../../../src/base/secret.ts'
import { masterKeyFromFile } from '../../../src/state/master-key.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-key-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('a missing key file', () => {
  test('is made whole, for its owner alone, in a folder of its own', () => {
    const path = join(folder, 'keys', 'master.key')
    const first = masterKeyFromFile(path, true)
    expect(first.made).toBe(true)
    expect(first.warnings).toEqual([])
    expect(reveal(first.key)).toHaveLength(32)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'keys')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(folder, 'keys'))).toEqual(['master.key'])
  })

  test('is not made where a store exists: a new key would open nothing', () => {
    const path = join(folder, 'master.key')
    expect(() => masterKeyFromFile(path, false)).toThrow(/missing.*put the key file back/)
    expect(readdirSync(folder)).toEqual([])
  })

  test('that cannot be made is a clear fault', () => {
    writeFileSync(join(folder, 'file'), '')
    expect(() => masterKeyFromFile(join(folder, 'file', 'master.key'), true)).toThrow(/cannot be (made|read)/)
  })
})

describe('a key file', () => {
  test('gives the same key each time', () => {
    const path = join(folder, 'master.key')
    const made = masterKeyFromFile(path, true)
    const found = masterKeyFromFile(path, true)
    expect(found.made).toBe(false)
    expect(reveal(found.key).equals(reveal(made.key))).toBe(true)
    expect(readFileSync(path, 'utf8').trim()).toBe(reveal(made.key).toString('base64'))
  })

  test('that others can read is warned of', () => {
    const path = join(folder, 'master.key')
    masterKeyFromFile(path, true)
    chmodSync(path, 0o640)
    expect(masterKeyFromFile(path, true).warnings).toEqual([
      `${path} can be read by others than its owner: chmod 600 ${path}`,
    ])
  })

  test.each([
    ['empty', ''],
    ['31 bytes', Buffer.alloc(31).toString('base64')],
    ['33 bytes', Buffer.alloc(33).toString('base64')],
    ['hexadecimal', Buffer.alloc(32).toString('hex')],
    ['two keys', `${Buffer.alloc(32).toString('base64')}\n${Buffer.alloc(32).toString('base64')}`],
    ['far too long', 'A'.repeat(5000)],
  ])('that is %s is refused and left as it is', (_, text) => {
    const path = join(folder, 'master.key')
    writeFileSync(path, text)
    expect(() => masterKeyFromFile(path, true)).toThrow(/holds no master key: it must be 32 random bytes in base64/)
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  test('that is a folder or a pipe is refused without waiting', () => {
    mkdirSync(join(folder, 'dir'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    expect(() => masterKeyFromFile(join(folder, 'dir'), true)).toThrow(/holds no master key|cannot be read/)
    expect(() => masterKeyFromFile(join(folder, 'pipe'), true)).toThrow(/holds no master key/)
  })

  test('behind a dangling link is not made elsewhere', () => {
    const link = join(folder, 'master.key')
    symlinkSync(join(folder, 'elsewhere'), link)
    expect(() => masterKeyFromFile(link, true)).toThrow()
    expect(readdirSync(folder)).toEqual(['master.key'])
  })

  test('never shows its text in a fault', () => {
    const path = join(folder, 'master.key')
    writeFileSync(path, 'VERYSECRETBUTSHORT')
    try {
      masterKeyFromFile(path, true)
      expect.unreachable()
    } catch (error) {
      expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('VERYSECRET')
    }
  })
})
