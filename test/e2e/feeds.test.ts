import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as secure } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scriptedServer, type ScriptedServer } from '../dialog/peers.ts'
import { startFeedServer, type FeedServer } from '../support/feed-server.ts'
import { startPostern, until, type Running } from '../support/running.ts'

/** More ranges than travel inside a message, so that they go to the fronts in pieces. */
const DENIED = `${Array.from({ length: 20_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/25`).join('\n')}\n127.0.0.9\n`
const FEED =
  '{"cidr":"192.0.2.0/24","sblid":"SBL1","rir":"x"}\n{"type":"metadata","timestamp":1,"size":1,"records":1}\n'

type Status = {
  healthy: boolean
  reasons: string[]
  feeds: { name: string; state: string; entries: number; failed: string | null }[]
}

let backend: ScriptedServer
let feeds: FeedServer
let postern: Running
let folder: string
let trusted: Record<string, string>

const reputation = (names: string[], more = {}) => ({
  feeds: names.map((name) => ({ name, url: `${feeds.url}/${name}?key=secret-in-the-address`, ...more })),
})

beforeAll(async () => {
  backend = await scriptedServer({})
  feeds = await startFeedServer((_, response) => {
    response.setHeader('etag', '"one"')
    response.end(FEED)
  })
  folder = mkdtempSync(join(tmpdir(), 'postern-feeds-'))
  writeFileSync(join(folder, 'ca.pem'), feeds.ca)
  trusted = { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }
  postern = await startPostern({
    backendPort: backend.port,
    postern: { admin: { listen: '127.0.0.1:0' } },
    networks: { deny: ['lists/denied.txt'] },
    reputation: reputation(['drop-v4']),
    files: { 'lists/denied.txt': DENIED },
    environment: trusted,
  })
})
afterAll(async () => {
  await postern.close()
  await feeds.close()
  backend.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The greeting that a client gets from one of the loopback's addresses, or '' when it is turned away. */
async function greeted(localAddress: string): Promise<string> {
  const bare = connect({ port: postern.port, host: '127.0.0.1', localAddress })
  bare.on('error', () => undefined)
  const socket = secure({ socket: bare, rejectUnauthorized: false })
  socket.on('error', () => undefined)
  let said = ''
  socket.on('data', (bytes: Buffer) => {
    said += bytes.toString()
    socket.destroy()
  })
  await new Promise((closed) => socket.on('close', closed))
  return said
}

async function statusOf(server: Running): Promise<Status> {
  return JSON.parse((await server.cli('status', '--json')).stdout) as Status
}

describe('a server with a feed from an https server', () => {
  test('has it when it listens, tells of it, and keeps a copy with its validator', async () => {
    expect(feeds.asked[0]).toMatchObject({ path: '/drop-v4?key=secret-in-the-address', etag: undefined })
    expect((await statusOf(postern)).feeds).toMatchObject([
      { name: 'drop-v4', state: 'good', entries: 1, failed: null },
    ])
    const updated = await until('feed-updated', () =>
      postern.audit('admin').find((line) => line.event.action === 'feed-updated'),
    )
    expect(updated).toMatchObject({ postern: { feed: { name: 'drop-v4', entries: 1, unread: 0 } } })
    expect(readFileSync(join(postern.folder, 'state/feeds/drop-v4.txt'), 'utf8')).toBe(FEED)
    expect(readFileSync(join(postern.folder, 'state/feeds/drop-v4.json'), 'utf8')).toContain('\\"one\\"')
  })

  test('lists of networks.yaml that went through the compiler hold in the fronts', async () => {
    expect(await greeted('127.0.0.8')).toMatch(/^\+OK/)
    expect(await greeted('127.0.0.9')).toBe('')
    const denied = await until('the denial', () =>
      postern.audit('access').find((line) => line.event.action === 'connection-denied'),
    )
    expect(denied).toMatchObject({
      source: { ip: '127.0.0.9' },
      rule: { name: 'networks.deny' },
      postern: { rule: { file: 'lists/denied.txt', line: 20_001 } },
    })
  })

  test('a feed that is added and cannot be had leaves the last good set in force, and is named', async () => {
    feeds.answer((request, response) => {
      if (request.url?.startsWith('/other') === true) response.writeHead(503).end()
      else response.end(FEED)
    })
    const policies = join(postern.folder, 'policies/reputation.yaml')
    const good = readFileSync(policies, 'utf8')
    writeFileSync(policies, JSON.stringify(reputation(['drop-v4', 'other'])))
    const refused = await postern.cli('reload')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(
      /reputation\.yaml:1:1: the feed other has none: the server answers 503; .*on_error: allow/,
    )
    expect((await statusOf(postern)).feeds).toHaveLength(1)
    writeFileSync(policies, JSON.stringify(reputation(['drop-v4', 'other'], { on_error: 'allow' })))
    expect((await postern.cli('reload')).code).toBe(0)
    expect((await statusOf(postern)).reasons.join()).toMatch(/feed other is missing: the server answers 503/)
    writeFileSync(policies, good)
    expect((await postern.cli('reload')).code).toBe(0)
  })

  test('the address of a feed, which may hold a key to it, is in no log and no audit', () => {
    expect(postern.log()).not.toContain('secret-in-the-address')
    expect(JSON.stringify(postern.audit('admin'))).not.toContain('secret-in-the-address')
    expect(existsSync(join(postern.folder, 'state/feeds/drop-v4.json'))).toBe(true)
  })
})

test('a server whose feed was never fetched says that it lets nobody in', async () => {
  const hollow = await startPostern({
    backendPort: backend.port,
    reputation: { feeds: [{ name: 'gone', url: 'https://localhost:1/' }] },
    environment: trusted,
  })
  try {
    const { healthy, reasons } = await statusOf(hollow)
    expect(healthy).toBe(false)
    expect(reasons).toEqual([
      expect.stringMatching(/^feed gone has no list, and everybody is refused for it: .*ECONNREFUSED/),
    ])
    const failed = hollow.audit('admin').find((line) => line.event.action === 'feed-failed')
    expect(failed?.event.reason).toMatch(/ECONNREFUSED/)
  } finally {
    await hollow.close()
  }
})

test('after a restart the copy on disk is in force, also when the feed server is gone', async () => {
  const server = await startFeedServer((_, response) => response.end(FEED))
  const wanted = {
    backendPort: backend.port,
    postern: {
      state: { path: join(folder, 'kept/state'), key_file: join(folder, 'kept/keys/master.key') },
      audit: { path: join(folder, 'kept/audit') },
    },
    reputation: { feeds: [{ name: 'drop-v4', url: server.url }] },
    environment: { NODE_EXTRA_CA_CERTS: join(folder, 'server.pem') },
  }
  writeFileSync(join(folder, 'server.pem'), server.ca)
  const first = await startPostern(wanted)
  expect((await statusOf(first)).feeds).toMatchObject([{ state: 'good', entries: 1 }])
  await first.stop()
  await first.close()
  await server.close()
  const second = await startPostern(wanted)
  try {
    expect(await statusOf(second)).toMatchObject({
      healthy: true,
      feeds: [{ state: 'good', entries: 1, failed: null }],
    })
  } finally {
    await second.close()
  }
})
