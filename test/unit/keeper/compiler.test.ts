import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import type { Job, Made, ParseJob } from '../../../src/compiler/job.ts'
import { compileApart, rememberingCompile } from '../../../src/keeper/compiler.ts'
import { frontIdentity } from '../../../src/keeper/supervise.ts'
import { startFeedServer } from '../../support/feed-server.ts'

const identity = frontIdentity('nobody', () => undefined)
const listJob = (text: string, name = 'lists/a.txt'): ParseJob => ({
  do: 'lists',
  sources: [{ name, bytes: Buffer.from(text), digest: text }],
})

describe('the compiler', () => {
  test('reads lists, apart, and says what is wrong with them', async () => {
    const jobs: Job[] = [
      listJob('192.0.2.0/24 until 2026-11-21\nnonsense\n'),
      listJob('\u00ff\ufeff'),
      { do: 'feed', source: { name: 'f', bytes: Buffer.from('<p>'), digest: '' } },
    ]
    const [lists, odd, feed] = await compileApart(jobs, { identity })
    expect(lists).toMatchObject({
      at: 'lists',
      list: { files: ['lists/a.txt'] },
      reports: [{ unreadable: null, faults: [{ line: 2 }], ends: { line: 1 } }],
    })
    expect(odd).toMatchObject({ at: 'lists', reports: [{ faults: [{ line: 1 }] }] })
    expect(feed).toEqual({ at: 'failed', reason: 'the body is HTML or XML, not a list of networks' })
  })

  test('fetches a feed and gives its body', async () => {
    const server = await startFeedServer((_, response) => response.end('192.0.2.0/24\n'))
    const job: Job = { do: 'fetch', name: 'f', url: server.url, etag: null, lastModified: null, ca: [server.ca] }
    const [made] = await compileApart([job], { identity })
    await server.close()
    expect(made).toMatchObject({ at: 'fetched', feed: { entries: 1, bad: 0 }, etag: null })
    expect(made?.at === 'fetched' && Buffer.from(made.body).toString()).toBe('192.0.2.0/24\n')
  })
})

/** The user that a process of ours runs as, whose command line holds `words`. */
function userOf(words: string): number | null {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8')
    } catch {
      return ''
    }
  }
  const isOurs = (pid: string) => new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(read(pid, 'status'))
  const pid = readdirSync('/proc').find(
    (one) => /^\d+$/.test(one) && isOurs(one) && read(one, 'cmdline').includes(words),
  )
  return pid === undefined ? null : Number(/^Uid:\s+(\d+)/m.exec(read(pid, 'status'))?.[1])
}

test('the compiler gives up root before it reads what a stranger sends', async () => {
  let seen: number | null = null
  const server = await startFeedServer((_, response) => {
    seen = userOf('compiler-process')
    response.end('192.0.2.0/24\n')
  })
  const job: Job = { do: 'fetch', name: 'f', url: server.url, etag: null, lastModified: null, ca: [server.ca] }
  await compileApart([job], { identity })
  await server.close()
  expect(seen).toBe(identity?.uid ?? process.getuid?.())
})

const program = {
  file: new URL('../../support/hostile-compiler.ts', import.meta.url).pathname,
  folder: new URL('../../..', import.meta.url).pathname,
}

async function hostile(what: string, deadlineMs = 20_000): Promise<string> {
  const [made] = await compileApart([listJob(what)], { identity, deadlineMs, program, heapMiB: 48 })
  if (made?.at !== 'failed') throw new Error(`it was believed: ${JSON.stringify(made)}`)
  return made.reason
}

describe('a compiler that was taken over', () => {
  test('opens no file, starts no program or thread, and finds an empty environment', async () => {
    process.env['POSTERN_TEST_SECRET'] = 'x'
    const got = JSON.parse(await hostile('powers')) as Record<string, unknown>
    delete process.env['POSTERN_TEST_SECRET']
    const denied = 'ERR_ACCESS_DENIED'
    expect(got).toMatchObject({ read: denied, write: denied, program: denied, thread: denied, environment: '{}' })
    if (process.getuid?.() === 0) expect(got['uid']).toBe(identity?.uid)
  })

  test('that hangs is ended', async () => {
    expect(await hostile('hang', 1_500)).toMatch(/^the compiler failed \(SIGKILL\): the compiler: deadline passed/)
  })

  test('that crashes is a failure, and nothing else', async () => {
    expect(await hostile('crash')).toMatch(/^the compiler failed \(exit 7\)/)
  })

  test('that sends nonsense, a flood or what is no list is not believed', async () => {
    expect(await hostile('nonsense')).toMatch(/larger than its ceiling/)
    expect(await hostile('flood')).toMatch(/larger than its ceiling|ended|announced/)
    expect(await hostile('else')).toBe('the compiler sent what is no answer')
  })

  test('that eats memory ends at its ceiling', async () => {
    expect(await hostile('memory')).toMatch(/^the compiler failed \((SIG\w+|exit \d+)\)/)
  })
})

describe('what did not change since the last load', () => {
  const made = (n: number): Made => ({ at: 'failed', reason: String(n) })

  test('is not parsed again and stays the same arrays', async () => {
    const apart = vi.fn((jobs: ParseJob[]) => compileApart(jobs, { identity }))
    const start = rememberingCompile(apart)
    const [first] = await start('u')([listJob('192.0.2.0/24')])
    const [again, other] = await start('u')([listJob('192.0.2.0/24'), listJob('192.0.2.0/25')])
    expect(again).toBe(first)
    expect(other).not.toBe(first)
    expect(apart.mock.calls.map(([jobs]) => jobs.length)).toEqual([1, 1])
    const [renamed] = await start('u')([listJob('192.0.2.0/24', 'lists/b.txt')])
    expect(renamed).toMatchObject({ list: { files: ['lists/b.txt'] } })
  })

  test('is asked for again when it failed', async () => {
    let calls = 0
    const start = rememberingCompile(() => Promise.resolve([made(++calls)]))
    await start('u')([listJob('x')])
    expect(await start('u')([listJob('x')])).toEqual([made(2)])
  })
})
