import { appendFile, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Stream } from '../../../src/audit/events.ts'
import { openJournal, type Journal, type JournalOptions } from '../../../src/audit/journal.ts'
import { openStream, type OpenStream } from '../../../src/audit/stream-file.ts'
import { verifyStream } from '../../../src/audit/verify.ts'
import { AUDIT_QUEUE_MAX, AUDIT_SYNC_DEADLINE_MS, TALLY_WINDOW_MS } from '../../../src/base/audit-limits.ts'
import { CONNECTION, denied, LOGIN } from '../../support/audit-events.ts'

/** What is waited for comes at once on a quiet machine. */
const PATIENT = { timeout: 20_000, interval: 10 }

let folder: string
let disk: Disk
let time: number
let timers: (() => void)[]
let said: string[]
let opened: Journal[]
let release: () => void

/** What the next calls on a file do. */
type Disk = { append: 'work' | 'half' | 'full' | 'hang'; sync: 'work' | 'fail'; cut: 'work' | 'fail' }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-'))
  disk = { append: 'work', sync: 'work', cut: 'work' }
  time = 1_000_000
  timers = []
  said = []
  opened = []
  release = () => undefined
})
afterEach(async () => {
  disk.append = 'work'
  release()
  await Promise.allSettled(opened.map((journal) => journal.close()))
  await rm(folder, { recursive: true })
})

const faulty: OpenStream = async (...args) => {
  const real = await openStream(...args)
  const append = async (bytes: Uint8Array) => {
    if (disk.append === 'hang') await new Promise<void>((resolve) => (release = resolve))
    if (disk.append === 'half') await real.file.append(bytes.subarray(0, bytes.length >> 1))
    if (disk.append !== 'work') throw new Error('ENOSPC: no space left on device, write')
    await real.file.append(bytes)
  }
  const sync = async (size: number) => {
    if (disk.sync === 'fail') throw new Error('EIO: i/o error, fdatasync')
    return real.file.sync(size)
  }
  const cutTo = async (size: number) => {
    if (disk.cut === 'fail') throw new Error('EIO: i/o error, ftruncate')
    await real.file.cutTo(size)
  }
  return { ...real, file: { ...real.file, append, sync, cutTo } }
}

async function open(more: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = await openJournal({
    ...more,
    folder: join(folder, 'audit'),
    clock: { now: () => time, monotonic: () => time },
    log: {
      error: (facts: unknown, text?: string) => said.push(text ?? String(facts)),
      info: (facts: unknown, text?: string) => said.push(text ?? String(facts)),
    },
    open: faulty,
    after: (_, run) => {
      timers.push(run)
      return () => {
        timers = timers.filter((one) => one !== run)
      }
    },
  })
  opened.push(journal)
  return journal
}

/** Runs every timer that stands: the tick and the tries after a failure. */
function timePasses(ms: number) {
  time += ms
  for (const run of timers.splice(0)) run()
}

const file = (stream: Stream) => join(folder, 'audit', `${stream}.jsonl`)

type Told = { event: { action: string; count?: number }; user?: { name: string }; postern: Record<string, unknown> }
async function told(stream: Stream): Promise<Told[]> {
  const text = await readFile(file(stream), 'utf8')
  return text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Told) // prettier-ignore
}

async function whole(stream: Stream) {
  return (await verifyStream([{ path: file(stream), first: null }], { stream })).at
}

const login = (user: string) => ({ ...LOGIN, user }) as typeof LOGIN
const OPENED = { stream: 'session', action: 'session-opened', connection: CONNECTION, backend: 'old-mail' } as const

describe('writing', () => {
  test('what was written before `durable` is on disk after it, in order, each stream in its file', async () => {
    const journal = await open()
    for (let n = 0; n < 50; n++) journal.write(login(`user-${n}`))
    journal.write({ stream: 'admin', action: 'user-removed', user: 'ann' })
    await journal.durable()
    expect((await told('auth')).map((line) => line.user?.name)).toEqual(
      Array.from({ length: 50 }, (_, n) => `user-${n}`),
    )
    expect(await told('admin')).toMatchObject([{ event: { action: 'user-removed' } }])
    expect([await whole('auth'), await whole('admin')]).toEqual(['whole', 'whole'])
  })

  test('what a login waits for is on disk at once; what nobody waits for gathers, and is written with the next `durable` or in its time', async () => {
    const journal = await open()
    journal.write(login('ann'))
    journal.write({ ...OPENED, user: 'ann' })
    await journal.loginsDurable()
    expect([(await told('auth')).length, (await told('session')).length]).toEqual([1, 0])
    journal.write({ ...OPENED, user: 'bob' })
    timePasses(100)
    await journal.durable()
    expect((await told('session')).map((line) => line.user?.name)).toEqual(['ann', 'bob'])
    journal.write({ ...OPENED, user: 'eve' })
    await journal.durable()
    expect(await told('session')).toHaveLength(3)
    expect(await whole('session')).toBe('whole')
  })

  test('a login is refused also while another stream cannot be written', async () => {
    const journal = await open()
    disk.sync = 'fail'
    journal.write({ ...OPENED, user: 'ann' })
    await expect(journal.durable()).rejects.toThrow('EIO')
    disk.sync = 'work'
    await expect(journal.loginsDurable()).rejects.toThrow('EIO')
    timePasses(100)
    await expect.poll(() => journal.state(), PATIENT).toEqual({ at: 'writing' })
    await journal.loginsDurable()
  })

  test('folder and files can be read by the group and by nobody else', async () => {
    await open()
    expect((await stat(join(folder, 'audit'))).mode & 0o777).toBe(0o750)
    expect((await stat(file('auth'))).mode & 0o777).toBe(0o640)
  })

  test('the chain goes on across a restart', async () => {
    for (const user of ['ann', 'bob', 'eve']) {
      const journal = await open()
      journal.write(login(user))
      await journal.close()
    }
    expect((await told('auth')).map((line) => line.user?.name)).toEqual(['ann', 'bob', 'eve'])
    expect(await whole('auth')).toBe('whole')
  })

  test('a flood of denials is summed, and the stop writes what stands', async () => {
    const journal = await open()
    for (let n = 0; n < 1000; n++) journal.write(denied('192.0.2.1'))
    await journal.close()
    const lines = await told('access')
    expect(lines).toHaveLength(11)
    expect(lines.at(-1)).toMatchObject({ event: { count: 990 }, postern: { network: '192.0.2.0/24' } })
  })

  test('the sum is written when its minute is over, without another denial', async () => {
    const journal = await open()
    for (let n = 0; n < 12; n++) journal.write(denied('192.0.2.1'))
    timePasses(TALLY_WINDOW_MS)
    await journal.durable()
    expect((await told('access')).at(-1)).toMatchObject({ event: { count: 2 } })
  })

  test('the lag is the age of the oldest line that is not on disk', async () => {
    const journal = await open()
    expect(journal.lagSeconds()).toBe(0)
    disk.append = 'full'
    journal.write(login('ann'))
    await expect(journal.durable()).rejects.toThrow('ENOSPC')
    time += 3_000
    expect(journal.lagSeconds()).toBe(3)
  })
})

describe('whoever listens', () => {
  test('hears every line with its exact bytes, once and in order, and only when it is on disk', async () => {
    const heard: string[] = []
    const journal = await open({
      written: (stream, lines) => heard.push(...lines.map((line) => `${stream} ${String(line)}`)),
    })
    for (let n = 0; n < 20; n++) journal.write(login(`user-${n}`))
    disk.sync = 'fail'
    await expect(journal.durable()).rejects.toThrow('EIO')
    expect(heard).toEqual([])
    disk.sync = 'work'
    timePasses(5_000)
    await expect.poll(() => journal.state(), PATIENT).toEqual({ at: 'writing' })
    journal.write(login('last'))
    await journal.durable()
    const lines = (await readFile(file('auth'), 'utf8')).split('\n').slice(0, -1)
    expect(lines).toHaveLength(21)
    expect(heard).toEqual(lines.map((line) => `auth ${line}\n`))
  })

  test('and throws does no harm: the line counts as written', async () => {
    const fail = () => {
      throw new Error('the spool is full')
    }
    const journal = await open({ written: fail })
    journal.write(login('ann'))
    await journal.durable()
    expect(journal.state()).toEqual({ at: 'writing' })
    expect(said).toEqual(['audit: lines are on disk, but could not be passed on'])
  })
})

describe('a disk that is full or fails', () => {
  test.each([
    ['writes half a line', { append: 'half' }],
    ['writes nothing', { append: 'full' }],
    ['fails at the sync, with all bytes written', { sync: 'fail' }],
  ] as const)('%s: who waits is refused, then it recovers with order and chain kept', async (_, fault) => {
    const journal = await open()
    journal.write(login('before'))
    await journal.durable()
    Object.assign(disk, fault)
    journal.write(login('during'))
    await expect(journal.durable()).rejects.toThrow(/audit: auth.jsonl: (ENOSPC|EIO)/)
    expect(journal.state()).toMatchObject({ at: 'failing', since: 1_000_000 })
    journal.write(login('later'))
    await expect(journal.durable()).rejects.toThrow('auth.jsonl')
    disk = { append: 'work', sync: 'work', cut: 'work' }
    timePasses(5_000)
    await expect.poll(() => journal.state(), PATIENT).toEqual({ at: 'writing' })
    await journal.durable()
    expect((await told('auth')).map((line) => line.user?.name)).toEqual(['before', 'during', 'later'])
    expect(await whole('auth')).toBe('whole')
    expect(said).toEqual(['audit: cannot write; logins are refused until it can', 'audit: writing again'])
  })

  test('that cannot even be cut back is tried again, and nothing is written behind the torn line', async () => {
    const journal = await open()
    disk.append = 'half'
    journal.write(login('ann'))
    await expect(journal.durable()).rejects.toThrow('ENOSPC')
    const { size } = await stat(file('auth'))
    disk = { append: 'work', sync: 'work', cut: 'fail' }
    timePasses(5_000)
    await expect.poll(() => timers.length, PATIENT).toBe(2)
    expect((await stat(file('auth'))).size).toBe(size)
    disk.cut = 'work'
    timePasses(5_000)
    await expect.poll(() => journal.state(), PATIENT).toEqual({ at: 'writing' })
    expect(await whole('auth')).toBe('whole')
  })

  test('that does not answer lets nobody wait for ever', async () => {
    const journal = await open()
    disk.append = 'hang'
    journal.write(login('ann'))
    const waits = expect(journal.durable()).rejects.toThrow('the disk does not answer')
    timePasses(AUDIT_SYNC_DEADLINE_MS + 1)
    await waits
    expect(journal.state()).toMatchObject({ at: 'failing', reason: 'the disk does not answer' })
  })

  test('at the stop: what could not be written is said', async () => {
    const journal = await open()
    disk.append = 'full'
    journal.write(login('ann'))
    await expect(journal.close()).rejects.toThrow('1 lines could not be written')
  })
})

describe('a queue that is full', () => {
  test('loses access lines first, counts them, and tells', async () => {
    const journal = await open()
    disk.append = 'full'
    for (let minute = 0; minute < 3; minute++) {
      // Ten lines from as many networks as are told apart: the most that strangers can write in a minute.
      for (let n = 0; n < 20_480; n++) journal.write(denied(`10.${(n >> 8) & 7}.${n & 255}.1`))
      timePasses(TALLY_WINDOW_MS)
    }
    journal.write(login('ann'))
    disk.append = 'work'
    timePasses(5_000)
    await expect.poll(() => journal.state(), PATIENT).toEqual({ at: 'writing' })
    await journal.durable()
    timePasses(1_000)
    await journal.durable()
    await journal.close()
    expect((await told('auth')).map((line) => line.user?.name)).toEqual(['ann'])
    const lost = (await told('admin')).find((line) => line.event.action === 'audit-dropped')
    expect(lost?.postern).toMatchObject({ file: 'access.jsonl' })
    expect(lost?.postern['lines']).toBeGreaterThan(0)
    expect([await whole('access'), await whole('admin')]).toEqual(['whole', 'whole'])
  })

  test('never loses a login in silence: who waits is refused until the loss is told', async () => {
    const journal = await open()
    disk.append = 'full'
    const faults = Array.from({ length: 64 }, () => 'x'.repeat(255))
    const lines = Math.ceil((AUDIT_QUEUE_MAX * 1.5) / (64 * 255))
    for (let n = 0; n < lines; n++) journal.write({ stream: 'admin', action: 'policy-rejected', faults })
    await expect(journal.durable()).rejects.toThrow('lines were lost')
    expect(journal.state()).toMatchObject({ at: 'failing' })
    disk.append = 'work'
    timePasses(5_000)
    await expect.poll(() => journal.lagSeconds(), PATIENT).toBe(0)
    await expect(journal.durable()).rejects.toThrow('lines were lost')
    timePasses(1_000)
    await journal.durable()
    const admin = await told('admin')
    const loss = admin.at(-1)
    expect(loss).toMatchObject({ event: { action: 'audit-dropped' }, postern: { file: 'admin.jsonl' } })
    expect(admin.length - 1 + Number(loss?.postern['lines'])).toBe(lines)
  })
})

describe('a current file that somebody else lays hands on', () => {
  const names = async () => (await readdir(join(folder, 'audit'))).filter((name) => name.startsWith('auth')).sort()

  /** Writes ann, lets it happen, writes bob: his line is on disk where it can be found before `durable` gives. */
  async function between(happens: () => Promise<void>) {
    const journal = await open()
    journal.write(login('ann'))
    await journal.durable()
    await happens()
    journal.write(login('bob'))
    await journal.durable()
    await journal.durable()
    return journal
  }
  const users = async (path: string) =>
    (await readFile(path, 'utf8')).split('\n').slice(0, -1).map((line) => (JSON.parse(line) as Told).user?.name) // prettier-ignore
  const rotated = () => join(folder, 'audit', 'auth.000000000000001.jsonl')

  test('and removes: it is written again from what we hold, a new one goes on, and the chain is whole across both', async () => {
    const journal = await between(() => rm(file('auth')))
    expect(await names()).toEqual(['auth.000000000000001.jsonl', 'auth.jsonl'])
    expect([await users(rotated()), await users(file('auth'))]).toEqual([['ann'], ['bob']])
    const first = await verifyStream([{ path: rotated(), first: 1 }])
    expect(
      await verifyStream([{ path: file('auth'), first: null }], first.at === 'whole' ? { from: first.head } : {}),
    ).toMatchObject({
      at: 'whole',
    })
    expect(await told('admin')).toMatchObject([
      { event: { action: 'audit-tampered' }, postern: { file: 'auth.jsonl', kind: 'removed' } },
    ])
    expect(journal.findings()[0]).toContain('auth.jsonl: removed: it was removed while in use; line 2')
  })

  test('and moves, as logrotate does: it keeps what it had, a new one goes on', async () => {
    await between(() => rename(file('auth'), join(folder, 'audit', 'auth.jsonl.1')))
    expect(await names()).toEqual(['auth.jsonl', 'auth.jsonl.1'])
    expect([await users(join(folder, 'audit', 'auth.jsonl.1')), await users(file('auth'))]).toEqual([['ann'], ['bob']])
    expect(await told('admin')).toMatchObject([{ postern: { kind: 'moved' } }])
  })

  test('and moves, and puts another in its place: that one is put aside', async () => {
    await between(async () => {
      await rename(file('auth'), join(folder, 'audit', 'old'))
      await writeFile(file('auth'), 'mine\n')
    })
    expect(await names()).toEqual(['auth.000000000000001.jsonl.foreign', 'auth.jsonl'])
    expect(await users(file('auth'))).toEqual(['bob'])
  })

  test('and edits, so that an editor puts a copy in its place: ours is written again, the copy is put aside', async () => {
    await between(async () => {
      const text = await readFile(file('auth'), 'utf8')
      await rm(file('auth'))
      await writeFile(file('auth'), text.replace('ann', 'eve'))
    })
    expect(await names()).toEqual(['auth.000000000000001.jsonl', 'auth.000000000000001.jsonl.foreign', 'auth.jsonl'])
    expect(await users(rotated())).toEqual(['ann'])
  })

  test.each([
    ['cuts it to nothing', () => truncate(file('auth'))],
    ['adds to it', () => appendFile(file('auth'), '{"event":{"action":"login-succeeded"}}\n')],
  ] as const)('and %s: what is left is put aside under its rotated name', async (_, happens) => {
    await between(happens)
    expect(await names()).toEqual(['auth.000000000000001.jsonl', 'auth.jsonl'])
    expect(await users(file('auth'))).toEqual(['bob'])
    expect(await told('admin')).toMatchObject([{ postern: { kind: 'altered' } }])
  })
})

describe('at the start', () => {
  test('a half line left by a crash is cut off, and that goes on record', async () => {
    const before = await open()
    before.write(login('ann'))
    await before.close()
    await appendFile(file('auth'), '{"@timestamp":"2027')
    const journal = await open()
    journal.write(login('bob'))
    await journal.durable()
    expect((await told('auth')).map((line) => line.user?.name)).toEqual(['ann', 'bob'])
    expect(await whole('auth')).toBe('whole')
    expect(await told('admin')).toMatchObject([
      { event: { action: 'audit-repaired' }, postern: { file: 'auth.jsonl', bytes: 19 } },
    ])
  })

  test('a file of nothing but half a line starts anew', async () => {
    const before = await open()
    await before.close()
    await writeFile(file('auth'), 'half')
    const journal = await open()
    journal.write(login('ann'))
    await journal.durable()
    expect(await whole('auth')).toBe('whole')
  })

  test.each([
    ['edited', (text: string) => text.replace('user-3', 'user-4')],
    ['no JSON', (text: string) => `${text.split('\n').slice(0, 2).join('\n')}\nhello\n`],
    ['empty', (text: string) => `${text.split('\n').slice(0, 2).join('\n')}\n\n`],
  ])('a last line that is %s stops it, with file and line', async (_, damage) => {
    const before = await open()
    for (const user of ['user-1', 'user-2', 'user-3']) before.write(login(user))
    await before.close()
    await writeFile(file('auth'), damage(await readFile(file('auth'), 'utf8')))
    await expect(open()).rejects.toThrow(`${file('auth')}:3: the last line is not as Postern wrote it`)
  })

  test('a file that changed places with another stream stops it', async () => {
    const before = await open()
    before.write(login('ann'))
    await before.close()
    await writeFile(file('session'), await readFile(file('auth')))
    await expect(open()).rejects.toThrow('session.jsonl:1: the last line belongs to another stream')
  })
})
