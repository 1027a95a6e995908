import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acquireLock } from '../../../src/state/lock.ts'

let folder = ''
const children: ChildProcess[] = []
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'postern-lock-')), 'state')
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(join(folder, '..'), { recursive: true, force: true })
})

/** Another process that takes the lock and sits on it. */
async function holder(): Promise<ChildProcess> {
  const lock = new URL('../../../src/state/lock.ts', import.meta.url).href
  const script = `import { acquireLock } from ${JSON.stringify(lock)}
    acquireLock(${JSON.stringify(folder)})
    gc()
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout as NodeJS.EventEmitter, 'data')
  return child
}

test('a second process is refused and told who holds the lock', async () => {
  const child = await holder()
  expect(() => acquireLock(folder)).toThrow(`another postern (pid ${child.pid}) runs on the state in ${folder}`)
  // Being refused takes nothing away from the holder.
  expect(() => acquireLock(folder)).toThrow(/another postern/)
})

test('a holder that is killed leaves no lock behind', async () => {
  const child = await holder()
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = acquireLock(folder)
  expect(() => acquireLock(folder)).toThrow(`another postern (pid ${process.pid})`)
  lock.release()
})

test('released, it can be taken again; a second release does no harm to who has it then', () => {
  const first = acquireLock(folder)
  first.release()
  const second = acquireLock(folder)
  first.release()
  expect(() => acquireLock(folder)).toThrow(/another postern/)
  second.release()
  acquireLock(folder).release()
})

test('its files are for their owner alone', () => {
  const lock = acquireLock(folder)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(readdirSync(folder).sort()).toEqual(['instance.lock', 'instance.pid'])
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
  lock.release()
})
