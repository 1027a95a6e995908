import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { RULES, type Breach } from './rules.ts'
import { factsOf, factsOfTree, ROOT, type Source } from './sources.ts'

const tree = factsOfTree('src')

const words = (breaches: Breach[]) => breaches.map(({ path, line, text }) => `${path}:${line} ${text}`)

describe('the rules can see', () => {
  test('the files', () => {
    expect(tree.length).toBeGreaterThan(60)
    expect(tree.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['src/main.ts', 'src/session.ts', 'src/base/ip.ts']),
    )
  })

  test('what they import, values and types apart', () => {
    const intake = tree.find(({ path }) => path === 'src/audit/intake.ts')
    expect(intake?.imports).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ to: 'src/audit/tally.ts', names: ['createTally'], typeOnly: false }),
        expect.objectContaining({ to: 'src/base/clock.ts', names: ['Clock'], typeOnly: true }),
      ]),
    )
  })

  test('the front process and most of what it loads', () => {
    const front = tree.find(({ path }) => path === 'src/front-process.ts')
    expect(front?.imports.map(({ to }) => to)).toContain('src/session.ts')
  })
})

/** For each rule, files that break it. They are judged together with the real ones. */
const BREACHES: Record<keyof typeof RULES, Source[]> = {
  'imports go one way': [
    { path: 'src/gate/planted.ts', text: `import { pump } from '../relay/pump.ts'` },
    { path: 'src/login/planted.ts', text: `import type { Step } from '../front/listen.ts'` },
    { path: 'src/relay/planted.ts', text: `import { readFromFront } from '../keeper/messages.ts'` },
    { path: 'src/base/planted.ts', text: `import { parseCommand } from '../pop3/command.ts'` },
    { path: 'src/front/planted.ts', text: `import { session } from '../session.ts'` },
    { path: 'src/audit/planted.ts', text: `import { help } from '../../test/support/help.ts'` },
    { path: 'src/unknown/planted.ts', text: `import { clean } from '../base/clean.ts'` },
    { path: 'src/gate/planted-later.ts', text: `export const x = async () => import('../relay/pump.ts')` },
  ],
  'nothing imports in a circle': [
    { path: 'src/base/planted-a.ts', text: `import { b } from './planted-b.ts'` },
    { path: 'src/base/planted-b.ts', text: `import type { A } from './planted-a.ts'` },
  ],
  'pure files ask nothing of the machine': [
    { path: 'src/login/machine.ts', text: `import { connect } from 'node:net'` },
  ],
  'a front opens no file, starts no program and loads no package': [
    { path: 'src/front-process.ts', text: `import { x } from './base/planted.ts'` },
    { path: 'src/base/planted.ts', text: `import { readFileSync } from 'node:fs'\nimport { z } from 'zod'` },
  ],
  'the compiler opens no file, starts no program and loads no package': [
    { path: 'src/compiler-process.ts', text: `import { x } from './compiler/planted.ts'` },
    { path: 'src/compiler/planted.ts', text: `import { spawn } from 'node:child_process'\nimport { z } from 'zod'` },
  ],
  'the forwarder opens no file, starts no program and loads no package': [
    { path: 'src/forward-process.ts', text: `import { x } from './forward/planted.ts'` },
    { path: 'src/forward/planted.ts', text: `import { readFileSync } from 'node:fs'` },
  ],
  'a file is read in one sitting': [{ path: 'src/base/planted.ts', text: '// line\n'.repeat(301) }],
  'a function fits on a screen': [
    { path: 'src/base/planted.ts', text: `function planted() {\n${'  work()\n'.repeat(39)}}\n` },
    { path: 'src/base/planted-arrow.ts', text: `const planted = () => {\n${'  work()\n'.repeat(39)}}\n` },
  ],
  'exports have names': [
    { path: 'src/base/planted.ts', text: `export default function planted() {}` },
    { path: 'src/base/planted-value.ts', text: `export default 1` },
  ],
  'no enums': [{ path: 'src/base/planted.ts', text: `export enum Planted { A }` }],
  'no barrels': [
    { path: 'src/base/planted.ts', text: `export * from './clean.ts'` },
    { path: 'src/base/planted-named.ts', text: `export { clean } from './clean.ts'` },
  ],
  'no classes where a function does': [{ path: 'src/base/planted.ts', text: `export class Planted extends Map {}` }],
  'exported functions say what they need and give': [
    { path: 'src/base/planted.ts', text: `// no docstring\nexport function planted() {}` },
    { path: 'src/base/planted-arrow.ts', text: `export const planted = () => 1` },
  ],
}

describe.each(Object.entries(RULES))('%s', (name, rule) => {
  test('holds', () => {
    expect(words(rule(tree))).toEqual([])
  })

  test.each(BREACHES[name] ?? [])('a planted breach goes red: $path', (planted) => {
    const group = /^(a front|the compiler|the forwarder|nothing)/.test(name) ? (BREACHES[name] ?? []) : [planted]
    const others = tree.filter(({ path }) => !group.some((one) => one.path === path))
    const before = rule(others).length
    expect(rule([...others, ...group.map(factsOf)]).length).toBeGreaterThan(before)
  })
})

test('every rule has a breach that was tried', () => {
  expect(Object.keys(BREACHES)).toEqual(Object.keys(RULES))
})

test('functions inside a function count for themselves', () => {
  const inner = `  const inner = () => {\n${'    work()\n'.repeat(30)}  }\n`
  const [outer] = factsOf({ path: 'src/x.ts', text: `function outer() {\n${inner}${inner}}\n` }).routines
  expect(outer).toMatchObject({ name: 'outer', own: 4 })
})

/** Files of src/gate that are no check. */
const NO_CHECK = ['gate.ts', 'verdict.ts', 'lookup.ts', 'geo-table.ts', 'break-glass.ts']

describe('a gate check is four files of one name', () => {
  const names = readdirSync(join(ROOT, 'src/gate')).filter((name) => !NO_CHECK.includes(name))
  const checks = names.map((name) => basename(name, '.ts'))

  test('there are checks', () => {
    expect(checks).toContain('networks')
  })

  test.each(checks)('%s has its policy, its test and its row in the README', (check) => {
    const policies = [`policies/${check}.yaml`, `policies/${check}.yaml.example`]
    expect(policies.some((path) => existsSync(join(ROOT, path)))).toBe(true)
    expect(existsSync(join(ROOT, `test/unit/gate/${check}.test.ts`))).toBe(true)
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toMatch(new RegExp(`^\\| *\`?${check}\\b.*\\|$`, 'm'))
  })
})

test('the root holds what belongs there', () => {
  const allowed = ['CHANGELOG.md', 'Dockerfile', 'LICENSE', 'README.md', 'package-lock.json', 'package.json', 'policies', 'src', 'test', 'tsconfig.json'] // prettier-ignore
  const found = readdirSync(ROOT).filter((name) => !name.startsWith('.') && !isIgnored(name))
  expect(found.filter((name) => !allowed.includes(name))).toEqual([])
})

function isIgnored(name: string): boolean {
  try {
    execFileSync('git', ['check-ignore', '--quiet', name], { cwd: ROOT, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
