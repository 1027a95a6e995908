import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { lookAt } from '../../../src/policy/read-file.ts'
import { watchFiles, type WatchTools } from '../../../src/policy/watch.ts'
import { folderOf } from './folder.ts'

/** A world where time passes when the test says so. */
function world(files: Record<string, string>) {
  let now = 0
  let due: { at: number; run: () => void } | null = null
  const looked: string[] = []
  const tools: WatchTools = {
    monotonic: () => now,
    look: (path) => {
      looked.push(path)
      const signature = files[path] ?? 'absent'
      return signature === 'hangs' ? Promise.reject(new Error('no answer')) : Promise.resolve(signature)
    },
    later: (ms, run) => {
      const mine = { at: now + ms, run }
      due = mine
      return () => {
        if (due === mine) due = null
      }
    },
  }
  const pass = async (ms: number) => {
    const end = now + ms
    for (let next = due; next !== null && next.at <= end; next = due) {
      now = next.at
      due = null
      next.run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    now = end
  }
  const watched = () => Object.entries(files).map(([path, signature]) => ({ path, signature }))
  return { tools, pass, watched, looked, isOver: () => due === null }
}

test('nothing is said while nothing changes', async () => {
  const { tools, pass, watched, looked } = world({ a: '1', b: '1' })
  const said: string[][] = []
  watchFiles(watched(), (paths) => said.push(paths), tools)
  await pass(10_000)
  expect(said).toEqual([])
  expect(looked.filter((path) => path === 'a')).toHaveLength(40)
})

test('a change is told once it has kept quiet for 500 ms, and only once', async () => {
  const files = { a: '1', b: '1' }
  const { tools, pass, watched } = world(files)
  const said: string[][] = []
  watchFiles(watched(), (paths) => said.push(paths), tools)
  files.a = '2'
  await pass(500)
  expect(said).toEqual([])
  await pass(250)
  expect(said).toEqual([['a']])
  await pass(10_000)
  expect(said).toHaveLength(1)
})

test('as long as files go on changing, the wait begins anew, and all come as one set', async () => {
  const files = { a: '1', b: '1', c: '1' }
  const { tools, pass, watched } = world(files)
  const said: string[][] = []
  watchFiles(watched(), (paths) => said.push(paths), tools)
  for (let i = 0; i < 10; i++) {
    files[i % 2 === 0 ? 'a' : 'b'] = `write ${i}`
    await pass(400)
  }
  expect(said).toEqual([])
  await pass(750)
  expect(said).toEqual([['a', 'b']])
})

test('a file that comes, and one that goes, is a change', async () => {
  const files: Record<string, string> = { a: '1', b: 'absent' }
  const { tools, pass, watched } = world(files)
  const said: string[][] = []
  watchFiles(watched(), (paths) => said.push(paths), tools)
  files['b'] = '1'
  await pass(1_000)
  files['a'] = 'absent'
  await pass(1_000)
  expect(said).toEqual([['b'], ['a', 'b']])
})

test('a change taken back before it was told is none', async () => {
  const files = { a: '1' }
  const { tools, pass, watched } = world(files)
  const said: string[][] = []
  watchFiles(watched(), (paths) => said.push(paths), tools)
  files.a = '2'
  await pass(300)
  files.a = '1'
  await pass(5_000)
  expect(said).toEqual([])
})

test('a change between the reading of a file and the watch on it is seen', async () => {
  const { tools, pass } = world({ a: '2' })
  const said: string[][] = []
  watchFiles([{ path: 'a', signature: '1' }], (paths) => said.push(paths), tools)
  await pass(1_000)
  expect(said).toEqual([['a']])
})

test('after a load its own files are watched, and those of before no more', async () => {
  const files = { a: '1', b: '1' }
  const { tools, pass } = world(files)
  const said: string[][] = []
  const watch = watchFiles([{ path: 'a', signature: '1' }], (paths) => said.push(paths), tools)
  await pass(1_000)
  watch.set([{ path: 'b', signature: '1' }])
  files.a = '2'
  await pass(2_000)
  expect(said).toEqual([])
  files.b = '2'
  await pass(1_000)
  expect(said).toEqual([['b']])
})

test('a file system that gives no answer changes nothing, and hides no change of other files', async () => {
  const files = { a: '1', b: '1' }
  const { tools, pass, watched } = world(files)
  const said: string[][] = []
  watchFiles(watched(), (paths) => said.push(paths), tools)
  files.a = 'hangs'
  await pass(1_000)
  files.b = '2'
  await pass(1_000)
  expect(said).toEqual([['b']])
})

test('once stopped it looks no more', async () => {
  const files = { a: '1' }
  const { tools, pass, watched, isOver } = world(files)
  const said: string[][] = []
  const watch = watchFiles(watched(), (paths) => said.push(paths), tools)
  files.a = '2'
  await pass(500)
  watch.stop()
  await pass(5_000)
  expect(said).toEqual([])
  expect(isOver()).toBe(true)
})

describe('the signature of a file differs', () => {
  const sign = async (change: (folder: string, path: string) => Promise<void>) => {
    const folder = await folderOf({ 'x.txt': 'one', 'other/x.txt': 'one', 'real/x.txt': 'one' })
    const path = join(folder, 'x.txt')
    await utimes(path, 1, 1)
    const before = await lookAt(path)
    await change(folder, path)
    return { before, after: await lookAt(path) }
  }

  test('when it is written in place, to the same length', async () => {
    const { before, after } = await sign((_, path) => writeFile(path, 'two'))
    expect(after).not.toBe(before)
  })

  test('when an editor renames a new one over it, of the same age and length', async () => {
    const { before, after } = await sign(async (folder, path) => {
      await writeFile(join(folder, 'new'), 'two')
      await utimes(join(folder, 'new'), 1, 1)
      await rename(join(folder, 'new'), path)
    })
    expect(after).not.toBe(before)
  })

  test('when the folder it lies in is a link that is swapped, as with mounted config maps', async () => {
    const folder = await folderOf({ 'v1/x.txt': 'one', 'v2/x.txt': 'two' })
    for (const version of ['v1', 'v2']) await utimes(join(folder, version, 'x.txt'), 1, 1)
    await symlink('v1', join(folder, 'data'))
    const before = await lookAt(join(folder, 'data/x.txt'))
    await symlink('v2', join(folder, 'data.new'))
    await rename(join(folder, 'data.new'), join(folder, 'data'))
    expect(await lookAt(join(folder, 'data/x.txt'))).not.toBe(before)
  })

  test('when it is gone, and all that is not there looks the same', async () => {
    const { after } = await sign((_, path) => rm(path))
    expect(after).toBe('absent')
    expect(await lookAt('/nowhere/at/all')).toBe('absent')
  })

  test('not when it is only read', async () => {
    const { before, after } = await sign(async (folder) => {
      await mkdir(join(folder, 'elsewhere'))
    })
    expect(after).toBe(before)
  })
})
