import { readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Limits } from '../../../src/audit/give-way.ts'
import { verifyFolder } from '../../../src/audit/verify-folder.ts'
import { AUDIT_TIDY_EVERY_MS } from '../../../src/base/audit-limits.ts'
import { denied, LOGIN } from '../../support/audit-events.ts'
import { FRESH, openWorld, quickFolder, type JournalWorld, type Rest } from '../../support/journal-world.ts'

const DAY = 86_400_000
const NEVER: Limits = { every: 1e15, size: 1e15, keep: 1e15, max: 1e15 }

let folder: string
let rest: Rest
let worlds: JournalWorld[]
beforeEach(async () => {
  folder = await quickFolder()
  rest = FRESH()
  worlds = []
})
afterEach(async () => {
  await Promise.allSettled(worlds.map(({ journal }) => journal.close()))
  await rm(folder, { recursive: true })
})

async function open(limits: Partial<Limits> = {}, more: Parameters<typeof openWorld>[3] = {}): Promise<JournalWorld> {
  const world = await openWorld(folder, { ...NEVER, ...limits }, rest, more)
  worlds.push(world)
  return world
}

const login = (user: string) => ({ ...LOGIN, user }) as typeof LOGIN
const path = (name: string) => join(folder, 'audit', name)

async function lines(name: string): Promise<string[]> {
  return (await readFile(path(name), 'utf8')).split('\n').slice(0, -1)
}
const seals = async (name = 'auth.jsonl') =>
  (await lines(name)).filter((line) => line.includes('"audit-sealed"')).length
const said = async (action: string) =>
  (await lines('admin.jsonl'))
    .map((line) => JSON.parse(line) as { event: { action: string; reason?: string }; postern: Record<string, unknown> })
    .filter(({ event }) => event.action === action)

/** What each stream is found to be, with the anchor of the keys that rest. */
async function verified(world: JournalWorld): Promise<string[]> {
  const notes = { anchors: [world.journal.anchor() ?? Buffer.alloc(0)], heads: [] }
  const reports = await verifyFolder(join(folder, 'audit'), { notes, live: true })
  return reports.map(({ verified: found }) =>
    found.at === 'whole' ? 'whole' : `${found.kind} ${found.path}:${found.line}`,
  )
}
const WHOLE = ['whole', 'whole', 'whole', 'whole']

describe('seals', () => {
  test('are made every minute while there is traffic, in every stream, and none without', async () => {
    const world = await open()
    for (let minute = 0; minute < 3; minute++) {
      world.journal.write(login('ann'))
      await world.passes(60_000)
    }
    expect([await seals(), await seals('session.jsonl')]).toEqual([3, 3])
    await world.passes(600_000)
    expect(await seals()).toBe(3)
    world.journal.write(login('ann'))
    await world.passes(1_000)
    expect(await seals()).toBe(4)
    world.journal.write(login('ann'))
    await world.passes(1_000)
    expect(await seals()).toBe(4)
    expect(await verified(world)).toEqual(WHOLE)
  })

  test('are made at the stop, and go on after it', async () => {
    const first = await open()
    first.journal.write(login('ann'))
    await first.journal.close()
    expect((await lines('auth.jsonl')).at(-1)).toContain('audit-sealed')
    const second = await open()
    second.journal.write(login('bob'))
    await second.passes(60_000)
    expect(await verified(second)).toEqual(WHOLE)
    expect(await said('audit-key-made')).toHaveLength(1)
  })

  test('after a crash between a seal and its next key the interval is used again, and that is no break', async () => {
    const first = await open()
    first.journal.write(login('ann'))
    await first.passes(60_000)
    const kept = Buffer.from(rest.keys ?? [])
    first.journal.write(login('bob'))
    await first.passes(60_000)
    await first.journal.close()
    rest.keys = kept
    const second = await open()
    second.journal.write(login('eve'))
    await second.passes(60_000)
    expect(await verified(second)).toEqual(WHOLE)
  })

  test('wait while the next key cannot be kept: none is signed by a key that a crash would bring back', async () => {
    let full = false
    const world = await open({}, {
      sealing: {
        read: () => Promise.resolve(null),
        write: () => (full ? Promise.reject(new Error('ENOSPC')) : Promise.resolve()),
      },
    }) // prettier-ignore
    full = true
    for (let minute = 0; minute < 3; minute++) {
      world.journal.write(login('ann'))
      await world.passes(60_000)
    }
    expect(await seals()).toBe(1)
    expect(world.said.some((line) => line.includes('cannot be kept'))).toBe(true)
    full = false
    await world.passes(60_000)
    await world.passes(60_000)
    expect(await seals()).toBe(2)
    expect(await verified(world)).toEqual(WHOLE)
  })
})

describe('rotation', () => {
  test('by size: the old file ends in a seal and keeps mode and chain, all but the newest are packed', async () => {
    const world = await open({ size: 2_000 })
    for (let n = 0; n < 12; n++) {
      world.journal.write(login(`user-${n}`))
      await world.passes(1_000)
    }
    await world.packed('auth.000000000000001.jsonl.gz')
    const names = await world.files('auth')
    expect(names.at(-1)).toBe('auth.jsonl')
    expect(names.at(-2)).toMatch(/^auth\.\d{15}\.jsonl$/)
    expect((await lines(names.at(-2) ?? '')).at(-1)).toContain('audit-sealed')
    expect((await stat(path('auth.000000000000001.jsonl.gz'))).mode & 0o777).toBe(0o640)
    await world.journal.close()
    expect(await verified(world)).toEqual(WHOLE)
  })

  test('by time: a file goes when its first line is that old, an empty one never', async () => {
    const world = await open({ every: DAY })
    world.journal.write(login('ann'))
    await world.passes(0)
    await world.passes(DAY - 60_000)
    expect(await world.files('auth')).toEqual(['auth.jsonl'])
    await world.passes(120_000)
    expect(await world.files('auth')).toEqual(['auth.000000000000001.jsonl', 'auth.jsonl'])
    await world.passes(DAY * 3)
    expect(await world.files('auth')).toEqual(['auth.000000000000001.jsonl', 'auth.jsonl'])
  })

  test('a restart knows how old the file is, and goes on behind the rotated one when the current is empty', async () => {
    const first = await open({ every: DAY })
    first.journal.write(login('ann'))
    await first.passes(DAY / 2)
    await first.journal.close()
    const second = await open({ every: DAY })
    await second.passes(DAY / 2 + 60_000)
    expect(await second.files('auth')).toEqual(['auth.000000000000001.jsonl', 'auth.jsonl'])
    await second.journal.close()
    rest.heads = {}
    const third = await open({ every: DAY })
    third.journal.write(login('bob'))
    await third.passes(60_000)
    expect(await verified(third)).toEqual(WHOLE)
    expect(third.journal.findings()).toEqual([])
  })

  test('a crash while a file is packed leaves the plain one, and the next start begins anew', async () => {
    await (await open()).journal.close()
    await writeFile(path('auth.000000000000001.jsonl.gz.part'), 'half')
    await open()
    expect(await readdir(join(folder, 'audit'))).not.toContain('auth.000000000000001.jsonl.gz.part')
  })

  test('takes up limits that change while it runs', async () => {
    const world = await open()
    world.journal.write(login('ann'))
    await world.passes(60_000)
    world.journal.use({ ...NEVER, size: 100 })
    await world.passes(60_000)
    expect(await world.files('auth')).toHaveLength(2)
  })
})

describe('what gives way', () => {
  test('to `keep` is stated, and verify takes the statement for the gap, and nothing else', async () => {
    // Files carry the time of the machine: the clock of the test comes from behind it, so that none is old before the test says so.
    rest.time = Date.now() - 8 * DAY
    const world = await open({ every: DAY, keep: 4 * DAY })
    for (let day = 0; day < 6; day++) {
      world.journal.write(login(`user-${day}`))
      await world.passes(DAY + 60_000)
    }
    const packed = async () => (await world.files('auth')).filter((name) => name.endsWith('.gz'))
    await expect.poll(packed, { timeout: 10_000 }).not.toHaveLength(0)
    const [oldest = ''] = await packed()
    await utimes(path(oldest), 0, 0)
    // One round that is under way has looked at the files already: the next one sees it.
    const left = async () => {
      await world.passes(AUDIT_TIDY_EVERY_MS)
      return world.files('auth')
    }
    await expect.poll(left, { timeout: 10_000 }).not.toContain(oldest)
    await world.journal.close()
    const names = await world.files('auth')
    expect((await said('audit-removed'))[0]).toMatchObject({ event: { reason: 'keep' } })
    expect(await verified(world)).toEqual(WHOLE)
    await rm(path(names[0] ?? ''))
    expect(await verified(world)).toContainEqual(expect.stringMatching(/^removed .*auth.*:1$/))
  })
})

describe('what the store notes', () => {
  async function twoLogins() {
    const world = await open()
    for (const user of ['ann', 'bob', 'eve']) world.journal.write(login(user))
    await world.passes(60_000)
    await world.journal.close()
  }

  test('shows a tail that was cut, though the chain is whole: event, log, finding, and the gap stays in the chain', async () => {
    await twoLogins()
    const text = await readFile(path('auth.jsonl'), 'utf8')
    await truncate(path('auth.jsonl'), text.indexOf('\n') + 1)
    const world = await open()
    expect(world.journal.findings()).toEqual(['auth.jsonl: cut-tail: lines 2 to 4 are gone from the end of auth.jsonl'])
    expect(world.said.join()).toContain('somebody else has changed it')
    world.journal.write(login('dan'))
    await world.passes(60_000)
    expect(await said('audit-tampered')).toMatchObject([{ postern: { file: 'auth.jsonl', kind: 'cut-tail' } }])
    expect(await verified(world)).toContain(`removed ${path('auth.jsonl')}:2`)
  })

  test('shows a last line that is another one, sealed anew', async () => {
    await twoLogins()
    const known = rest.heads.auth ?? { seq: 0, prev: '' }
    rest.heads = { ...rest.heads, auth: { seq: known.seq, prev: 'ab'.repeat(32) } }
    expect((await open()).journal.findings()[0]).toContain('auth.jsonl: rewritten: line 4')
  })

  test('shows one further up that is another one', async () => {
    await twoLogins()
    rest.heads = { ...rest.heads, auth: { seq: 2, prev: 'ab'.repeat(32) } }
    expect((await open()).journal.findings()[0]).toContain('rewritten: line 2')
  })

  test('may lag what is on disk, as after a crash: that is no finding', async () => {
    await twoLogins()
    const [, second = ''] = await lines('auth.jsonl')
    const { chain } = JSON.parse(second) as { chain: { seq: number; hash: string } }
    rest.heads = { ...rest.heads, auth: { seq: chain.seq, prev: chain.hash } }
    expect((await open()).journal.findings()).toEqual([])
  })

  test('shows a current file that is gone with its lines', async () => {
    await twoLogins()
    await rm(path('auth.jsonl'))
    const world = await open()
    expect(world.journal.findings()[0]).toContain('cut-tail: lines 1 to 4')
  })

  test('never leads what is on disk', async () => {
    const world = await open()
    for (let n = 0; n < 5; n++) {
      world.journal.write(denied(`192.0.2.${n}`))
      world.journal.write(login('ann'))
      await world.passes(5_000)
      expect(rest.heads.auth?.seq ?? 0).toBeLessThanOrEqual((await lines('auth.jsonl')).length)
    }
    expect(rest.heads.auth?.seq).toBeGreaterThan(0)
  })
})
