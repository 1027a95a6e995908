import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from './support/exec.ts'

const TREE = new URL('../..', import.meta.url).pathname
const DIST = join(TREE, 'dist')
const hadDist = existsSync(DIST)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-tarball-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  // The packing compiles into the tree.
  if (!hadDist) await rm(DIST, { recursive: true, force: true })
})

test(
  'the packed tarball, installed globally, shows the main job in an empty folder',
  { timeout: 240_000 },
  async () => {
    const empty = join(folder, 'empty')
    await mkdir(empty)
    const packed = await must(['npm', 'pack', '--json', '--pack-destination', folder], { ms: 120_000, cwd: TREE })
    const name = /"filename": "([^"]+\.tgz)"/.exec(packed)?.[1] ?? ''
    await must(['npm', 'install', '--global', '--prefix', join(folder, 'to'), join(folder, name)], {
      ms: 120_000,
      cwd: empty,
    })
    const program = join(folder, 'to/bin/postern')
    // Its first line asks for `node`: the one that runs this test, as npm finds it for the project too.
    const shown = await must(['env', `PATH=${dirname(process.execPath)}:/usr/bin:/bin`, program, 'demo', '--check'], {
      ms: 60_000,
      cwd: empty,
    })
    expect(shown).toMatch(/demo: all \d+ messages came through unaltered/)
  },
)
