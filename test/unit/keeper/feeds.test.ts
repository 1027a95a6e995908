import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { FEED_SHORT_ACCEPTED_MS } from '../../../src/base/gate-limits.ts'
import { createLog } from '../../../src/base/log.ts'
import { type FetchJob, type Made, type ParseJob, work } from '../../../src/compiler/job.ts'
import { find } from '../../../src/gate/lookup.ts'
import { createFeeds, type Feeds } from '../../../src/keeper/feeds.ts'
import type { Policies } from '../../../src/policy/load.ts'
import type { FeedPolicy } from '../../../src/policy/reputation.ts'
import { until } from '../../support/running.ts'
import { OPEN, address } from '../gate/lists.ts'

const HOUR = 3_600_000
let state: string
let now: number
let asked: FetchJob[]
let events: AuditEvent[]
let timers: { ms: number; run: () => void }[]
let changes: number
/** What the server does with the next fetch. */
let server: (job: FetchJob) => Made | Promise<Made>

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'feeds-'))
  now = Date.parse('2026-11-21T12:00:00Z')
  asked = []
  events = []
  timers = []
  changes = 0
  server = () => gives('192.0.2.0/24\n')
})
afterEach(() => {
  rmSync(state, { recursive: true, force: true })
})

function gives(body: string, etag: string | null = null): Made {
  const made = work({ do: 'feed', source: { name: '../state/feeds/f.txt', bytes: Buffer.from(body), digest: '' } })
  if (made.at !== 'feed') return made
  const digest = createHash('sha256').update(body).digest('hex')
  return { ...made, at: 'fetched', body: Buffer.from(body), digest, etag, lastModified: null }
}

const many = (count: number, third = 0) => Array.from({ length: count }, (_, i) => `198.51.${third}.${i}\n`).join('')

function manager(): Feeds {
  return createFeeds({
    clock: { now: () => now, monotonic: () => now },
    log: createLog('error', 'json', { write: () => undefined }),
    emit: (event) => events.push(event),
    changed: () => changes++,
    ca: ['pem'],
    random: () => 0.5,
    later: (ms, run) => {
      const timer = { ms, run }
      timers.push(timer)
      return () => void (timers = timers.filter((one) => one !== timer))
    },
    run: async (job: FetchJob | ParseJob) => {
      if (job.do !== 'fetch') return work(job)
      asked.push(job)
      return server(job)
    },
  })
}

function policies(...feeds: Partial<FeedPolicy>[]): Policies {
  const made = feeds.map((feed, i): FeedPolicy => {
    const source = { from: 'url', url: `https://example.com/${i}`, refreshMs: 12 * HOUR } as const
    return { name: 'f', mode: 'enforce', onError: 'deny', at: { file: 'reputation.yaml', line: 1 }, source, ...feed }
  })
  const postern = { state: { path: state }, processes: { user: 'nobody' } }
  return {
    folder: join(state, '../policies'),
    postern,
    reputation: { mode: 'enforce', feeds: made },
  } as unknown as Policies
}

async function begun(set = policies({}), feeds = manager()): Promise<Feeds> {
  await feeds.prepare(set)
  feeds.use(set)
  return feeds
}

const holds = (feeds: Feeds, ip: string) => {
  const list = feeds.gate(OPEN).reputation?.feeds[0]?.list ?? null
  return list === null ? null : find(list, address(ip), now)
}
const actions = () => events.map(({ action }) => action)
/** The next fetch is due; it is over when the one after it is planned. */
async function due(): Promise<void> {
  const [timer] = timers.splice(0)
  timer?.run()
  await until('the next fetch is planned', () => timers.length > 0)
}

describe('a feed', () => {
  test('is fetched before its policy is in force, kept on disk, and told of', async () => {
    server = () => gives('192.0.2.0/24\n', '"a"')
    const feeds = await begun()
    expect(asked).toEqual([
      {
        do: 'fetch',
        name: expect.stringMatching(/feeds\/f\.txt$/) as string,
        url: 'https://example.com/0',
        etag: null,
        lastModified: null,
        ca: ['pem'],
      },
    ])
    expect(holds(feeds, '192.0.2.1')).toMatchObject({ line: 1 })
    expect(readFileSync(join(state, 'feeds/f.txt'), 'utf8')).toBe('192.0.2.0/24\n')
    expect(events).toEqual([
      { stream: 'admin', action: 'feed-updated', feed: 'f', entries: 1, before: null, unread: 0 },
    ])
    expect(feeds.states()).toMatchObject([
      { name: 'f', state: 'good', age: 0, entries: 1, failed: null, blocks: false },
    ])
  })

  test('is asked for again after its time, with its validator; what did not change is not told of', async () => {
    server = () => gives('192.0.2.0/24\n', '"a"')
    const feeds = await begun()
    expect(timers.map(({ ms }) => ms)).toEqual([12 * HOUR])
    now += 12 * HOUR
    server = () => ({ at: 'not-modified' })
    await due()
    expect(asked[1]).toMatchObject({ etag: '"a"' })
    expect(actions()).toEqual(['feed-updated'])
    expect(changes).toBe(0)
    expect(feeds.states()).toMatchObject([{ age: 0 }])
    expect(timers.map(({ ms }) => ms)).toEqual([12 * HOUR])
  })

  test('that comes again as it was, without a validator, changes nothing either', async () => {
    const feeds = await begun()
    const before = feeds.gate(OPEN)
    now += HOUR
    await due()
    expect(actions()).toEqual(['feed-updated'])
    expect(feeds.states()).toMatchObject([{ age: 0 }])
    expect(before.reputation?.feeds[0]?.list).toBe(feeds.gate(OPEN).reputation?.feeds[0]?.list)
  })

  test('that changed reaches the fronts', async () => {
    const feeds = await begun()
    server = () => gives('203.0.113.0/24\n')
    await due()
    expect(changes).toBe(1)
    expect([holds(feeds, '192.0.2.1'), holds(feeds, '203.0.113.1')]).toMatchObject([null, { line: 1 }])
  })
})

describe('whatever the server does, the last good list stays', () => {
  test.each<[string, () => Made]>([
    ['nothing at all', () => ({ at: 'failed', reason: 'the server was not done within 120 s' })],
    ['HTML', () => gives('<html>')],
    ['nothing', () => gives('')],
    ['comments only', () => gives('# gone\n')],
    ['words', () => gives('Too many requests\n')],
    ['all of IPv4', () => gives(`${many(100)}0.0.0.0/1\n128.0.0.0/1\n`)],
    ['all of IPv6', () => gives(`${many(100)}::/0\n`)],
    ['half of what there was', () => gives(many(49))],
  ])('when it gives %s', async (_, body) => {
    server = () => gives(many(100))
    const feeds = await begun()
    server = body
    await due()
    expect(holds(feeds, '198.51.0.99')).not.toBeNull()
    expect(actions()).toEqual(['feed-updated', 'feed-failed'])
    expect(feeds.states()[0]?.failed).not.toBeNull()
    expect(readFileSync(join(state, 'feeds/f.txt'), 'utf8')).toBe(many(100))
    expect(changes).toBe(0)
  })

  test('and it is asked again soon, then less and less often', async () => {
    await begun()
    server = () => ({ at: 'failed', reason: 'x' })
    const waits: number[] = []
    for (let i = 0; i < 12; i++) {
      await due()
      waits.push((timers[0]?.ms ?? 0) / 60_000)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 720, 720])
  })

  test('a small list may shrink at once, a large one when it stays short', async () => {
    server = () => gives(many(99))
    const small = await begun()
    server = () => gives(many(1, 1))
    await due()
    expect(small.states()).toMatchObject([{ entries: 1 }])

    server = () => gives(many(200))
    await due()
    server = () => gives(many(2, 2))
    await due()
    now += FEED_SHORT_ACCEPTED_MS - 1
    await due()
    expect(small.states()).toMatchObject([
      { entries: 200, failed: 'the body is short: 2 networks, and there were 200' },
    ])
    now += 1
    await due()
    expect(small.states()).toMatchObject([{ entries: 2, failed: null }])
  })

  test('a compiler that breaks is a failed fetch', async () => {
    const feeds = await begun()
    server = () => Promise.reject(new Error('spawn EAGAIN'))
    await due()
    expect(feeds.states()[0]?.failed).toMatch(/EAGAIN/)
    expect(holds(feeds, '192.0.2.1')).not.toBeNull()
    expect(timers).toHaveLength(1)
  })

  test('a disk that is full keeps no copy, and takes nothing from the list', async () => {
    writeFileSync(join(state, 'feeds'), 'no folder')
    expect(holds(await begun(), '192.0.2.1')).not.toBeNull()
  })
})

describe('after a restart', () => {
  test('the copy is in force at once, and asked for when it is due', async () => {
    server = () => gives('192.0.2.0/24\n', '"a"')
    await begun()
    now += 5 * HOUR
    asked = []
    timers = []
    const feeds = await begun()
    expect(asked).toEqual([])
    expect(holds(feeds, '192.0.2.1')).toMatchObject({ line: 1 })
    expect(feeds.states()).toMatchObject([{ state: 'good', age: 5 * 3_600, entries: 1 }])
    expect(timers.map(({ ms }) => ms)).toEqual([7 * HOUR])
    await due()
    expect(asked).toMatchObject([{ etag: '"a"' }])
  })

  test('a copy that is long overdue is in force and asked for soon; status calls it stale', async () => {
    await begun()
    now += 90 * 24 * HOUR
    const feeds = await begun()
    expect(holds(feeds, '192.0.2.1')).not.toBeNull()
    expect(feeds.states()).toMatchObject([{ state: 'stale' }])
    expect(timers.at(-1)?.ms).toBeLessThanOrEqual(60_000)
  })

  test.each([
    ['of another address', (set: Policies) => set, () => undefined, 'https://example.com/other'],
    [
      'that is damaged',
      (set: Policies) => set,
      (path: string) => {
        writeFileSync(path, '<html>')
      },
      'https://example.com/0',
    ],
  ])('a copy %s is no copy', async (_, __, damage, url) => {
    await begun()
    damage(join(state, 'feeds/f.txt'))
    asked = []
    server = () => ({ at: 'failed', reason: 'x' })
    const source = { from: 'url', url, refreshMs: HOUR } as const
    const feeds = await begun(policies({ source }))
    expect(asked).toMatchObject([{ etag: null }])
    expect(holds(feeds, '192.0.2.1')).toBeNull()
  })

  test('a note that is damaged is no note', async () => {
    await begun()
    writeFileSync(join(state, 'feeds/f.json'), '{"url":"https://example.com/0"')
    asked = []
    await begun()
    expect(asked).toHaveLength(1)
  })
})

describe('a feed that never had a list', () => {
  test('is named before its policy is in force, unless it says `on_error: allow`', async () => {
    server = () => ({ at: 'failed', reason: 'the server answers 404' })
    const missing = await manager().prepare(
      policies({}, { name: 'g', onError: 'allow' }, { name: 'h', mode: 'monitor' }),
    )
    expect(missing.map(({ feed, reason }) => [feed.name, reason])).toEqual([['f', 'the server answers 404']])
  })

  test('blocks, is asked for until it comes, and then blocks no more', async () => {
    server = () => ({ at: 'failed', reason: 'x' })
    const feeds = await begun()
    expect(feeds.states()).toMatchObject([{ state: 'missing', blocks: true, age: null }])
    server = () => gives('192.0.2.0/24\n')
    await due()
    expect(feeds.states()).toMatchObject([{ state: 'good', blocks: false }])
    expect(changes).toBe(1)
  })

  test('in monitor mode blocks nobody', async () => {
    server = () => ({ at: 'failed', reason: 'x' })
    expect((await begun(policies({ mode: 'monitor' }))).states()).toMatchObject([{ blocks: false }])
  })
})

test('feeds of a policy that was refused are not asked for again, nor are those that were taken out', async () => {
  const feeds = await begun()
  server = () => ({ at: 'failed', reason: 'x' })
  await feeds.prepare(policies({}, { name: 'g' }))
  expect(timers).toHaveLength(1)
  feeds.use(policies())
  expect(timers).toEqual([])
  expect(feeds.states()).toEqual([])
})

test('of many feeds only two are fetched at a time', async () => {
  let running = 0
  let most = 0
  server = async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    return gives('192.0.2.0/24\n')
  }
  await begun(policies(...Array.from({ length: 8 }, (_, i) => ({ name: `f${i}` }))))
  expect([asked.length, most]).toEqual([8, 2])
})

test('a file that changed is a feed that was updated', async () => {
  const made = (text: string) => {
    const one = work({ do: 'feed', source: { name: 'l', bytes: Buffer.from(text), digest: '' } })
    if (one.at !== 'feed') throw new Error('no feed')
    return { source: { from: 'file', list: one.list, entries: one.feed.entries, changedAt: now - HOUR } as const }
  }
  const first = policies(made('192.0.2.0/24'))
  const feeds = await begun(first)
  feeds.use(first)
  expect(events).toEqual([])
  feeds.use(policies(made('192.0.2.0/24\n198.51.100.0/24')))
  expect(events).toMatchObject([{ action: 'feed-updated', entries: 2, before: 1 }])
  expect(feeds.states()).toMatchObject([{ state: 'good', age: 3_600, entries: 2 }])
  expect(holds(feeds, '198.51.100.1')).not.toBeNull()
})
