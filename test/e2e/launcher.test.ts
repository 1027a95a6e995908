import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ROOT } from '../house/sources.ts'

let folder: string
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'postern-'))))
afterEach(() => rm(folder, { recursive: true }))

type Ran = { code: number; out: string; err: string }

function node(...argv: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, argv, { cwd: folder, timeout: 150_000 }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err })
    })
  })
}

/** Has Node say that it is of another version. */
function pretend(version: string): string[] {
  const code = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`]
}

/** Puts a launcher beside a `main` that prints what it was given and ends with 7. */
async function install(where: 'src/main.ts' | 'dist/main.js'): Promise<string> {
  const types = where.endsWith('.ts') ? ': string[]' : ''
  await mkdir(join(folder, 'src'))
  await mkdir(join(folder, 'dist'))
  await cp(join(ROOT, 'src/launcher.js'), join(folder, 'src/launcher.js'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const text = `export async function main(argv${types}) { console.log('${where}', ...argv); return 7 }\n`
  await writeFile(join(folder, where), text)
  return join(folder, 'src/launcher.js')
}

describe('the launcher', () => {
  test.each(['20.11.0', '24.6.9', '18.0.0'])('on Node %s says in one line what to do, exit 2', async (version) => {
    const { code, out, err } = await node(...pretend(version), join(ROOT, 'src/launcher.js'), '--version')
    expect([code, out]).toEqual([2, ''])
    expect(err).toBe(
      `postern: needs Node 24.7 or newer, this is ${version}: use \`npm exec -- postern\` inside the source tree, or install a newer Node\n`,
    )
  })

  test.each(['24.7.0', '25.0.0', '100.1.0'])('starts on Node %s', async (version) => {
    const launcher = await install('src/main.ts')
    expect(await node(...pretend(version), launcher)).toMatchObject({ code: 7 })
  })

  test.each(['src/main.ts', 'dist/main.js'] as const)('runs %s with the words it was given', async (where) => {
    const launcher = await install(where)
    expect(await node(launcher, 'check', '-c', 'a b')).toEqual({ code: 7, out: `${where} check -c a b\n`, err: '' })
  })

  test('a long answer arrives whole, also through a pipe that is read slowly', async () => {
    const launcher = await install('dist/main.js')
    const text = `export async function main() { process.stdout.write('x'.repeat(3_000_000)); return 0 }\n`
    await writeFile(join(folder, 'dist/main.js'), text)
    const shell = `"${process.execPath}" "${launcher}" | { sleep 0.3; wc -c; }`
    const out = await new Promise((resolve) => execFile('sh', ['-c', shell], (_, stdout) => resolve(stdout.trim())))
    expect(out).toBe('3000000')
  })

  test('a reader that goes away early is no fault of the command', async () => {
    const launcher = await install('dist/main.js')
    const text = `export async function main() { process.stdout.write('x'.repeat(3_000_000)); return 0 }\n`
    await writeFile(join(folder, 'dist/main.js'), text)
    const shell = `"${process.execPath}" "${launcher}" | head -c 1`
    const said = await new Promise((resolve) => execFile('sh', ['-c', shell], (_, out, err) => resolve([out, err])))
    expect(said).toEqual(['x', ''])
  })

  test('a fault is one line, with the stack on request only', async () => {
    const launcher = await install('dist/main.js')
    await writeFile(join(folder, 'dist/main.js'), `throw new Error('no such thing')`)
    expect(await node(launcher)).toEqual({ code: 1, out: '', err: 'postern: no such thing\n' })
  })
})

test('the compiled build runs below node_modules, where Node strips no types', { timeout: 180_000 }, async () => {
  const home = join(folder, 'node_modules/postern')
  await mkdir(join(home, 'src'), { recursive: true })
  const tsc = join(ROOT, 'node_modules/typescript-native/bin/tsc')
  const built = await node(tsc, '-p', join(ROOT, 'test/house/tsconfig.dist.json'), '--outDir', join(home, 'dist'))
  expect(built).toEqual({ code: 0, out: '', err: '' })
  await cp(join(ROOT, 'src/launcher.js'), join(home, 'src/launcher.js'))
  await cp(join(ROOT, 'package.json'), join(home, 'package.json'))
  await symlink(join(ROOT, 'node_modules'), join(home, 'node_modules'))
  expect(await node(join(home, 'src/launcher.js'), '--version')).toMatchObject({ code: 0, err: '' })
})
