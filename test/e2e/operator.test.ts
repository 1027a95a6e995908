import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { connect, type TLSSocket } from 'node:tls'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scriptedServer, type ScriptedServer } from '../dialog/peers.ts'
import { testCertificate } from '../support/certificate.ts'
import { LAUNCHER, startPostern, until, type Running } from '../support/running.ts'

let server: ScriptedServer
let postern: Running

beforeAll(async () => {
  server = await scriptedServer({})
  postern = await startPostern({ backendPort: server.port, fronts: 2, postern: { admin: { listen: '127.0.0.1:0' } } })
})
afterAll(async () => {
  await postern.close()
  server.close()
})

async function namesShown(): Promise<string | undefined> {
  const socket: TLSSocket = connect({
    port: postern.port,
    host: '127.0.0.1',
    servername: 'localhost',
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  const names = socket.getPeerX509Certificate()?.subjectAltName
  socket.destroy()
  return names
}

describe('an operator', () => {
  test('enrols, lists, shows and removes users through the running server', async () => {
    const enrolled = await postern.cli('user', 'enroll', 'Bob@Example.com', '--json')
    const made = JSON.parse(enrolled.stdout) as { user: string; otpauth: string; recovery_codes: string[] }
    expect(made.user).toBe('bob@example.com')
    expect(made.otpauth).toMatch(/^otpauth:\/\/totp\//)
    expect(made.recovery_codes).toHaveLength(10)
    expect((await postern.cli('user', 'enroll', 'bob@example.com')).stderr).toMatch(/enrolled already/)
    expect((await postern.cli('user', 'list', '--state', 'pending')).stdout).toMatch(/^bob@example\.com +pending/m)
    expect((await postern.cli('user', 'list', '--csv')).stdout).toMatch(
      /^user,state,enrolled,last_login\r\nbob@example\.com,pending,/,
    )
    expect((await postern.cli('user', 'show', 'BOB@example.com')).stdout).toMatch(/recovery codes 10 left/)
    expect((await postern.cli('user', 'remove', 'bob@example.com')).code).toBe(0)
    expect((await postern.cli('user', 'show', 'bob@example.com')).code).toBe(1)
    const actions = postern.audit('admin').map((line) => line.event.action)
    expect(actions).toEqual(expect.arrayContaining(['user-enrolled', 'user-removed']))
  })

  test('sees how the server is', async () => {
    const { code, stdout } = await postern.cli('status', '--json')
    const status = JSON.parse(stdout) as { healthy: boolean; fronts: { running: number }; backends: { up: boolean }[] }
    expect([code, status.healthy, status.fronts.running, status.backends[0]?.up]).toEqual([0, true, 2, true])
  })

  test('proves the audit while it is written, and a copy of it elsewhere with what was noted alone', async () => {
    const here = await postern.cli('audit', 'verify')
    expect([here.code, here.stdout.match(/^(admin|auth): whole/gm)?.length]).toEqual([0, 2])
    const key = await postern.cli('audit', 'key')
    expect(key.stdout).toMatch(/^# .*\nanchor [\w-]{43}\n/)
    const notes = join(postern.folder, 'anchors.txt')
    writeFileSync(notes, key.stdout)
    const copy = join(postern.folder, 'copy')
    cpSync(join(postern.folder, 'state/audit'), copy, { recursive: true })
    const admin = join(copy, 'admin.jsonl')
    writeFileSync(admin, readFileSync(admin, 'utf8').replace('"server-started"', '"server-stopped"'))
    const there = await postern.cli('audit', 'verify', '--path', copy, '--anchors', notes)
    expect(there.code).toBe(1)
    expect(there.stdout).toMatch(
      /^admin: BROKEN: .*copy\/admin\.jsonl:\d+: edited: the line does not fit its own hash$/m,
    )
    writeFileSync(notes, 'anchor\n')
    const faulty = await postern.cli('audit', 'verify', '--path', copy, '--anchors', notes)
    expect([faulty.code, faulty.stderr]).toEqual([1, expect.stringContaining('anchors.txt:1: this is no line of')])
  })

  test('cannot start a second server on the same state', async () => {
    const second = await postern.cli('serve')
    expect([second.code, second.stdout]).toEqual([1, ''])
    expect(second.stderr).toContain(`pid ${postern.pid}`)
  })

  test('is told the faults of a reload, and nothing changes', async () => {
    const login = join(postern.folder, 'policies/login.yaml')
    copyFileSync(login, `${login}.good`)
    writeFileSync(login, 'second_factor: { required_for: nobody }\n')
    const refused = await postern.cli('reload')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/login\.yaml:1:\d+: .*required_for/)
    const status = await postern.cli('status')
    expect(status.code).toBe(1)
    expect(status.stdout).toMatch(/degraded/)
    copyFileSync(`${login}.good`, login)
    expect((await postern.cli('reload')).code).toBe(0)
    expect((await postern.cli('status')).code).toBe(0)
  })

  test('renews a certificate by writing key and certificate, in whatever order', async () => {
    const { cert, key } = await testCertificate(['renewed.example'])
    const tls = join(postern.folder, 'policies/tls')
    expect(await namesShown()).toBe('DNS:localhost')
    writeFileSync(join(tls, 'key.pem'), key)
    await until('the half renewed pair is refused', () =>
      postern.audit('admin').some((line) => line.event.action === 'certificate-rejected'),
    )
    expect(await namesShown()).toBe('DNS:localhost')
    writeFileSync(join(tls, 'cert.pem'), cert)
    await until(
      'the new pair',
      () => postern.audit('admin').filter((line) => line.event.action === 'certificate-loaded').length > 1,
    )
    await expect.poll(namesShown).toBe('DNS:renewed.example')
  })

  test('hears why a command failed when the store cannot be written', async () => {
    const other = new DatabaseSync(join(postern.folder, 'state/postern.sqlite'))
    other.exec('BEGIN IMMEDIATE')
    const refused = await postern.cli('user', 'enroll', 'dora@example.com')
    other.close()
    expect([refused.code, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toMatch(/^postern: another program holds the store/)
  })

  test('who is not the one that runs the server is told so, and nothing of keys', async () => {
    const { config, folder } = postern
    chmodSync(folder, 0o755)
    const state = join(folder, 'state')
    const isRoot = process.getuid?.() === 0
    if (!isRoot) chmodSync(state, 0)
    const { promise, resolve } = Promise.withResolvers<string>()
    execFile(process.execPath, [LAUNCHER, 'status', '-c', config], isRoot ? { uid: 65_534 } : {}, (_, __, err) => {
      resolve(err)
    })
    const said = await promise
    chmodSync(state, 0o700)
    expect(said).toBe(
      `postern: ${join(state, 'control.sock')} cannot be reached: run this as the user that runs the server\n`,
    )
  })

  test('finds the streams chained, and no secret in them or in the log', async () => {
    await postern.enroll('carol@example.com')
    const text = readFileSync(join(postern.folder, 'state/audit/admin.jsonl'), 'utf8')
    const all = text.split('\n').slice(0, -1)
    const lines = all.map((line) => JSON.parse(line) as { chain: { seq: number; prev: string; hash: string } })
    for (const [index, line] of lines.entries()) {
      expect(line.chain.seq).toBe(index + 1)
      expect(line.chain.prev).toBe(index === 0 ? '0'.repeat(64) : lines[index - 1]?.chain.hash)
    }
    expect(postern.log()).not.toContain('otpauth')
  })
})

test('a stop by SIGTERM ends with 0, says so in the audit, and leaves no process', async () => {
  const fronts = postern.fronts()
  expect(await postern.stop('SIGTERM')).toBe(0)
  const left = fronts.filter((pid) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  })
  expect(left).toEqual([])
  expect(postern.audit('admin').at(-1)?.event).toMatchObject({ action: 'server-stopped', reason: 'SIGTERM' })
})

test('with no server, a command takes the lock and does it alone', async () => {
  expect((await postern.cli('status')).stderr).toMatch(/no server runs/)
  expect((await postern.cli('user', 'list')).stdout).toMatch(/carol@example\.com/)
})
