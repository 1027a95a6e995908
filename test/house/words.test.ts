import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT } from './sources.ts'

type Ban = { pattern: RegExp; besides: string[] }

/** Put together here, so that this file does not hold what it looks for. `besides`: where it is what it says. */
const FORBIDDEN: Record<string, Ban> = {
  'a path of a build machine': { pattern: pathBelow('work', 'Users', 'home'), besides: [] },
  'the home of root': { pattern: pathBelow('root'), besides: ['test/real/'] },
  'a private key': {
    pattern: new RegExp(`-----BEGIN (?:[A-Z]+ )?${'PRIVATE'} KEY-----\\s+[A-Za-z0-9+/=]{40}`),
    besides: [],
  },
  'a conflict left over': { pattern: new RegExp(`^(${'<'.repeat(7)}|${'>'.repeat(7)}) `, 'm'), besides: [] },
}

function pathBelow(...names: string[]): RegExp {
  return new RegExp(`(?<![\\w.-])/(${names.join('|')})/[a-z.]`)
}

/** Files that are in the repository, or would be with the next `git add`. */
function tracked(): string[] {
  const out = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT })
  return out.toString().split('\0').filter((path) => path !== '' && !path.startsWith('test/real/corpus/')) // prettier-ignore
}

function found(text: string, path = 'any'): string[] {
  const bans = Object.entries(FORBIDDEN).filter(([, { besides }]) => !besides.some((start) => path.startsWith(start)))
  return bans.filter(([, { pattern }]) => pattern.test(text)).map(([what]) => what)
}

function textOf(path: string): string {
  try {
    return readFileSync(join(ROOT, path), 'latin1')
  } catch {
    return ''
  }
}

describe('what must not be in the repository', () => {
  test('is in no file of it', () => {
    const files = tracked()
    expect(files).toContain('package.json')
    expect(files.flatMap((path) => found(textOf(path), path).map((what) => `${path}: ${what}`))).toEqual([])
  })

  test('is found when planted', () => {
    const key = `-----BEGIN ${'PRIVATE'} KEY-----\n${'A'.repeat(64)}\n`
    expect(found(`see /${'work'}/main/x`)).toEqual(['a path of a build machine'])
    expect(found(key)).toEqual(['a private key'])
    expect(found(`a\n${'<'.repeat(7)} HEAD\n`)).toEqual(['a conflict left over'])
    expect(found('https://example.com/work/items and ./work/x')).toEqual([])
  })
})

test('the lock file names no host: every registry, mirrored or not, serves it', () => {
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8')
  expect(lock).not.toContain('"resolved"')
  expect(lock).not.toMatch(/registry\.|\.tgz/)
})

test('every package in the lock file has its hash', () => {
  type Lock = { packages: Record<string, { integrity?: string; link?: boolean }> }
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock
  const bare = Object.entries(packages).filter(([path, { integrity }]) => path !== '' && integrity === undefined)
  expect(bare.map(([path]) => path)).toEqual([])
})
