import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connect as connectPlain } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { oldServer, type OldServer } from '../../src/demo/old-server.ts'
import { startDownloads, type Downloads } from '../support/https-server.ts'
import { mmdb, type Value } from '../support/mmdb.ts'
import { askServer } from '../../src/keeper/control.ts'
import { startPostern, until, type Line, type Running } from '../support/running.ts'

// Clients of a test come from 127.0.0.0/8, so that is where these countries lie.
const [GERMANY, KOREA, JAPAN, BAD_LOT] = ['127.0.0.10', '127.0.0.200', '127.0.1.1', '127.0.2.1']
const PLACES: [string, Value][] = [
  ['127.0.0.0/25', { country: { iso_code: 'DE' } }],
  ['127.0.0.128/25', { country: { iso_code: 'KP' } }],
  ['127.0.1.0/24', { country: { iso_code: 'JP' } }],
  ['127.0.2.0/24', { country: { iso_code: 'DE' } }],
]
const SYSTEMS: [string, Value][] = [
  ['127.0.0.0/25', { autonomous_system_number: 64500 }],
  ['127.0.2.0/24', { autonomous_system_number: 64666 }],
]
/** One database lies on disk, the other comes from a server. */
const geofence = (url: string) => `country_database: country.mmdb
asn_database: { url: "${url}", refresh: 7d }
countries:
  allow: [DE]
asns: { deny: [64666] }
unknown: deny
`
const LAUNCHER = new URL('../../src/launcher.js', import.meta.url).pathname

// Each command is a process of its own, and some of these tests run ten.
vi.setConfig({ testTimeout: 90_000 })

let server: OldServer
let postern: Running
let downloads: Downloads
let trusted: string
let asked = 0

beforeAll(async () => {
  server = await oldServer('ann@example.com', 'secret', [])
  downloads = await startDownloads()
  downloads.answer = (_, response) => {
    asked += 1
    response.end(mmdb(SYSTEMS))
  }
  trusted = join(mkdtempSync(join(tmpdir(), 'postern-ca-')), 'ca.pem')
  writeFileSync(trusted, downloads.certificate)
  postern = await startPostern({
    fronts: 2,
    backendPort: server.port,
    postern: { checks: ['networks', 'geofence'] },
    login: {
      rules: [{ users: ['carol@*'], countries: { allow: ['FR'] } }],
      exceptions: [{ users: ['ann@example.com'], countries: ['JP'], until: '2099-01-01', reason: 'trip' }],
    },
    files: { 'geofence.yaml': geofence(downloads.url('/systems.mmdb')), 'country.mmdb': mmdb(PLACES) },
    environment: { NODE_EXTRA_CA_CERTS: trusted },
  })
  await postern.enroll('ann@example.com')
  await postern.enroll('bob@example.com')
  await postern.enroll('carol@example.com')
})
afterAll(async () => {
  await postern.close()
  rmSync(dirname(trusted), { recursive: true, force: true })
  downloads.close()
  server.close()
})

/** `greeted`, or `closed` before TLS. */
async function knock(from: string, port = postern.port): Promise<{ socket: TLSSocket; got: string }> {
  const socket = connect({
    socket: connectPlain({ port, host: '127.0.0.1', localAddress: from }).on('error', () => undefined),
    servername: 'localhost',
    rejectUnauthorized: false,
  })
  const got = await new Promise<string>((resolve) => {
    socket.once('data', (bytes: Buffer) => {
      resolve(bytes.toString().trim())
    })
    socket
      .on('error', () => undefined)
      .once('close', () => {
        resolve('closed')
      })
  })
  return { socket, got }
}

async function passes(from: string, port?: number): Promise<boolean> {
  const { socket, got } = await knock(from, port)
  socket.destroy()
  return got === '+OK POP3 ready'
}

/** `steps`: a code of so many steps away, where the one of now is used up. */
async function logIn(from: string, user: string, steps = 0): Promise<string> {
  const { socket } = await knock(from)
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  socket.write(`USER ${user}\r\nPASS secret${postern.code(user, steps)}\r\n`)
  await until('the verdict', () => /^[-+].*\r\n[-+].*\r\n/.test(heard))
  socket.destroy()
  return heard.split('\r\n')[1] ?? ''
}

const source = (line: Line | undefined) => line?.['source']
const lastOf = (stream: string, action: string) =>
  postern.audit(stream).findLast((line) => line.event.action === action)
const policy = (name: string) => join(postern.folder, 'policies', name)

describe('the geofence', () => {
  test('closes before TLS on a country that is shut out, and the line says country, rule and place', async () => {
    expect((await knock(KOREA)).got).toBe('closed')
    const line = await until('the denial', () => lastOf('access', 'connection-denied'))
    expect(line).toMatchObject({
      source: { ip: KOREA, geo: { country_iso_code: 'KP' } },
      rule: { name: 'geofence.country' },
      postern: { rule: { file: 'geofence.yaml', line: 4 } },
    })
  })

  test('and on a system, and on an address that nobody knows', async () => {
    expect(await passes(BAD_LOT)).toBe(false)
    expect(await passes('127.0.3.1')).toBe(false)
    const rules = await until('both denials', () => {
      const lines = postern.audit('access').filter((line) => line.event.action === 'connection-denied')
      return lines.length >= 3 && lines.slice(-2).map((line) => (line['rule'] as { name: string }).name)
    })
    expect(rules).toEqual(['geofence.asn', 'geofence.country'])
    expect(source(lastOf('access', 'connection-denied'))).toEqual({
      ip: '127.0.3.1',
      port: expect.any(Number) as number,
    })
  })

  test('lets the others in, and every line about them says where they are', async () => {
    expect(await logIn(GERMANY, 'ann@example.com')).toMatch(/^\+OK/)
    const where = { ip: GERMANY, geo: { country_iso_code: 'DE' }, as: { number: 64500 } }
    expect(source(lastOf('auth', 'login-succeeded'))).toMatchObject(where)
    expect(source(await until('the end', () => lastOf('session', 'session-closed')))).toMatchObject(where)
  })

  test("lets a traveller's country pass, and at login the users of the exception alone", async () => {
    expect(await logIn(JAPAN, 'bob@example.com')).toMatch(/^-ERR \[AUTH\] Authentication failed/)
    const refused = await until('the refusal', () => lastOf('auth', 'login-failed'))
    expect([refused.event.reason, refused['rule']]).toEqual(['rule', { name: 'geofence.country' }])
    expect(await logIn(JAPAN, 'ann@example.com', 1)).toMatch(/^\+OK/)
  })
})

test('a rule of login.yaml decides by the same country, and names its line', async () => {
  expect(await logIn(GERMANY, 'carol@example.com')).toMatch(/^-ERR \[AUTH\] Authentication failed/)
  expect(await until('the refusal', () => lastOf('auth', 'login-failed'))).toMatchObject({
    event: { reason: 'rule' },
    user: { name: 'carol@example.com' },
    rule: { name: 'rules.countries.allow' },
    postern: { rule: { file: 'login.yaml', line: expect.any(Number) as number } },
  })
})

describe('an operator', () => {
  test('lets a user travel: it counts at once in all fronts, for that user alone, and ends by command', async () => {
    const day = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
    expect(await passes(KOREA)).toBe(false)
    const wanted = { user: 'bob@example.com', countries: ['KP'], until: day, reason: 'trip' }
    await askServer(join(postern.folder, 'state'), 'user.travel', wanted)
    for (let n = 0; n < 6; n++) expect(await passes(KOREA)).toBe(true)
    // The old server knows ann alone: who gets as far as to it is refused by it.
    for (const [user, reason] of Object.entries({ carol: 'rule', bob: 'password-wrong' })) {
      expect(await logIn(KOREA, `${user}@example.com`)).toMatch(/^-ERR \[AUTH\]/)
      expect(lastOf('auth', 'login-failed')?.event.reason).toBe(reason)
    }
    const ended = await postern.cli('user', 'travel', 'bob@example.com', '--end', '--reason', 'trip')
    expect([ended.code, ended.stdout]).toEqual([0, 'bob@example.com travels no more\n'])
    expect(await passes(KOREA)).toBe(false)
    expect(lastOf('admin', 'user-travel')).toMatchObject({ user: { name: 'bob@example.com' }, event: { reason: 'trip' }, postern: { until: null } }) // prettier-ignore
  })

  test('asks why, and is told with file and line', async () => {
    const { code, stdout } = await postern.cli('explain', KOREA)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^127\.0\.0\.200 at .*: a private address$/m)
    expect(stdout).toMatch(/^ {2}geofence +deny +geofence\.country geofence\.yaml:4 {2}allow: \[DE\]$/m)
    expect(stdout).toMatch(/^the gate: denied by geofence\.country geofence\.yaml:4$/m)
    const { stdout: json } = await postern.cli('explain', JAPAN, '--user', 'ann@example.com', '--json')
    const told = JSON.parse(json) as { country: string; gate: { verdict: string }; login: { allowed: boolean; facts: string[] } } // prettier-ignore
    expect([told.country, told.gate.verdict, told.login.allowed]).toEqual(['JP', 'login', true])
    expect(told.login.facts).toContain('state enrolled')
    expect((await postern.cli('explain', 'nonsense')).stderr).toBe("postern: 'nonsense' is no IP address\n")
    expect((await postern.cli('explain', KOREA, '--at', 'soon')).code).toBe(2)
  })

  test('sees the databases in the status, and a clean check', async () => {
    const { code, stdout } = await postern.cli('status')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^database +country_database Test-Country, built /m)])
    expect((await postern.cli('check')).code).toBe(0)
  })

  test('gives a pass: it counts at once in all fronts, shows, and is in the audit', async () => {
    expect(await passes(KOREA)).toBe(false)
    const given = await postern.cli('allow', KOREA, '--for', '2h', '--reason', 'ann is in Pyongyang')
    expect([given.code, given.stdout]).toEqual([0, expect.stringContaining('127.0.0.200 passes the gate until')])
    for (let n = 0; n < 6; n++) expect(await passes(KOREA)).toBe(true)
    expect(await passes('127.0.0.201')).toBe(false)
    expect(lastOf('admin', 'break-glass')).toMatchObject({ event: { reason: 'ann is in Pyongyang' }, postern: { network: KOREA } }) // prettier-ignore
    expect((await postern.cli('status')).stdout).toMatch(/^break-glass +127\.0\.0\.200 until .*: ann is in Pyongyang$/m)
    expect((await postern.cli('explain', KOREA)).stdout).toMatch(/^the gate: passes by break-glass$/m)
    // The second factor holds all the same.
    expect(await logIn(KOREA, 'nobody@example.com')).toMatch(/^-ERR \[AUTH\]/)
    expect((await postern.cli('allow', KOREA, '--for', '0s', '--reason', 'done')).code).toBe(0)
    expect(await passes(KOREA)).toBe(false)
    expect((await postern.cli('allow', KOREA, '--for', '8d', '--reason', 'x')).stderr).toMatch(/longer than 7d/)
    expect((await postern.cli('allow', KOREA)).code).toBe(2)
  })

  test('swaps a database by writing the file; one that is cut short changes nothing', async () => {
    const { socket } = await knock(GERMANY)
    writeFileSync(policy('country.mmdb'), mmdb([['127.0.0.0/8', { country: { iso_code: 'DE' } }], ...PLACES.slice(2)]))
    await until('the new database', () => postern.audit('admin').filter(({ event }) => event.action === 'feed-updated').length > 2) // prettier-ignore
    await expect.poll(() => passes(KOREA), { timeout: 15_000 }).toBe(true)
    expect(socket.destroyed).toBe(false)
    writeFileSync(policy('country.mmdb'), mmdb(PLACES).subarray(0, -30))
    const refused = await until('the refusal', () => lastOf('admin', 'policy-rejected'))
    expect(JSON.stringify(refused)).toMatch(/geofence\.yaml:1:19: `country_database: country\.mmdb` is /)
    expect(await passes(KOREA)).toBe(true)
    expect((await postern.cli('status')).stdout).toMatch(/degraded/)
    writeFileSync(policy('country.mmdb'), mmdb(PLACES))
    await expect.poll(() => passes(KOREA), { timeout: 15_000 }).toBe(false)
    expect((await postern.cli('status')).code).toBe(0)
    socket.destroy()
  })
})

test('a pass outlives the server, and can be given while none runs; so does a fetched database', async () => {
  await postern.cli('allow', '127.0.0.222', '--for', '1h', '--reason', 'before the stop')
  await postern.stop()
  expect((await postern.cli('allow', KOREA, '--for', '1h', '--reason', 'at night')).code).toBe(0)
  const child = spawn(process.execPath, [LAUNCHER, 'serve', '-c', postern.config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let out = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  try {
    const port = await until('it listens again', () => Number(/^listening \S+:(\d+)$/m.exec(out)?.[1] ?? 0) || null)
    expect(await passes(KOREA, port)).toBe(true)
    expect(await passes('127.0.0.222', port)).toBe(true)
    expect(await passes('127.0.0.201', port)).toBe(false)
    // What was fetched lies on disk: nobody asks again within `refresh`.
    expect([await passes(GERMANY, port), await passes(BAD_LOT, port), asked]).toEqual([true, false, 1])
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

test('a start with a database that is no good says where it is named, and serves nobody', async () => {
  writeFileSync(policy('country.mmdb'), 'no database')
  const { code, stderr } = await postern.cli('serve')
  expect([code, stderr]).toEqual([1, expect.stringMatching(/geofence\.yaml:1:19: `country_database: country\.mmdb` is no MaxMind database/)]) // prettier-ignore
})
