import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAddress } from '../../src/base/ip.ts'
import type { DatabaseAnswer, DatabaseQuestion } from '../../src/compiler/database-process.ts'
import { countryOf } from '../../src/gate/geo-table.ts'
import { databaseCompiler } from '../../src/keeper/database-compiler.ts'
import { startDownloads, type Downloads } from '../support/https-server.ts'
import { mmdb } from '../support/mmdb.ts'

const HOSTILE = {
  file: new URL('../support/hostile-database-compiler.ts', import.meta.url).pathname,
  folder: new URL('../..', import.meta.url).pathname,
}
const NOBODY = { uid: 65_534, gid: 65_534, name: 'nobody' }
const isRoot = process.getuid?.() === 0
const database = mmdb([['192.0.2.0/24', { country_code: 'KP' }]])

let folder: string
let server: Downloads

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-compiler-'))
  server = await startDownloads()
  writeFileSync(join(folder, 'ca.pem'), server.certificate)
  process.env['NODE_EXTRA_CA_CERTS'] = join(folder, 'ca.pem')
})
afterAll(() => {
  delete process.env['NODE_EXTRA_CA_CERTS']
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function compile(
  content: Buffer,
  from: DatabaseQuestion['from'],
  as: typeof NOBODY | null = null,
): Promise<DatabaseAnswer> {
  const path = join(folder, 'database')
  // Of root alone: the process gets it open.
  writeFileSync(path, content, { mode: 0o600 })
  const file = await open(path, from.at === 'file' ? 'r' : 'w')
  try {
    return await databaseCompiler(as)({ kind: 'country', from }, file, 20_000)
  } finally {
    await file.close()
  }
}

const country = (answer: DatabaseAnswer) => {
  if (!answer.ok || answer.value.got !== 'database') return answer
  const address = parseAddress('192.0.2.1')
  return address && countryOf(answer.value.table, address)
}
const url = (path = '/') => ({ at: 'url', url: server.url(path), deadlineMs: 10_000, etag: null, lastModified: null }) as const // prettier-ignore

describe.each(isRoot ? [null, NOBODY] : [null])('the compiler of databases, as %o', (as) => {
  test('compiles what it is given open', async () => {
    expect(country(await compile(database, { at: 'file' }, as))).toBe('KP')
    expect(await compile(database.subarray(0, -9), { at: 'file' }, as)).toMatchObject({ ok: false })
  })

  test('fetches, and hands the database on to be kept', async () => {
    server.answer = (_, response) => response.end(database)
    expect(country(await compile(Buffer.alloc(0), url(), as))).toBe('KP')
    expect(readFileSync(join(folder, 'database')).equals(database)).toBe(true)
  })

  test('keeps nothing of what is no database', async () => {
    server.answer = (_, response) => response.end('<html>Sign in</html>')
    expect(await compile(Buffer.alloc(0), url(), as)).toMatchObject({ ok: false, fault: expect.stringMatching(/^what the server sent is no MaxMind database/) as string }) // prettier-ignore
    expect(readFileSync(join(folder, 'database'))).toHaveLength(0)
  })
})

describe('one that was taken over', () => {
  const hostile = async (kind: string, deadlineMs: number) => {
    writeFileSync(join(folder, 'database'), '')
    const file = await open(join(folder, 'database'), 'r')
    const question = { kind, from: { at: 'file' } } as unknown as DatabaseQuestion
    const answer = await databaseCompiler(null, HOSTILE)(question, file, deadlineMs)
    await file.close()
    return answer.ok ? null : answer.fault
  }

  test('opens no file, starts no program and no thread', async () => {
    const got = JSON.parse((await hostile('country', 20_000)) ?? '{}') as Record<string, string>
    expect(Object.keys(got)).toHaveLength(5)
    for (const [attack, result] of Object.entries(got)) expect([attack, result]).toEqual([attack, 'ERR_ACCESS_DENIED'])
  })

  test('is ended when it hangs, and its end is noticed when it crashes', async () => {
    expect(await hostile('hang', 1_500)).toBe(
      'could not be compiled: the compiler failed (SIGKILL): the compiler: deadline passed',
    )
    expect(await hostile('crash', 20_000)).toBe(
      'could not be compiled: the compiler failed (exit 7): it ended in the midst of its answer',
    )
  })

  test('is ended when it sends without end, and not believed when its table does not fit together', async () => {
    expect(await hostile('flood', 20_000)).toMatch(/^could not be compiled: the compiler failed \(SIG\w+\): larger/)
    expect(await hostile('untrue', 20_000)).toBe('could not be compiled: the compiler sent what is no answer')
  })
})
