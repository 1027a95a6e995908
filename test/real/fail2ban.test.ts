/** The log in Dovecot's words, read by the real fail2ban with its own filter for Dovecot; and the audit of messages, forwarded live. */
import { appendFileSync, copyFileSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LoginFailure } from '../../src/audit/events.ts'
import { oldServer } from '../../src/demo/old-server.ts'
import { dovecotLine } from '../../src/keeper/dovecot-log.ts'
import { CONNECTION } from '../support/audit-events.ts'
import { startCollector, type Collector } from '../support/collector.ts'
import { HOSTILE } from '../support/hostile-names.ts'
import { startPostern, until, type Running } from '../support/running.ts'
import { makeHouse, type House } from './support/house.ts'
import { login, type Raw } from './support/raw.ts'

const USER = 'ann@example.com'
const PASSWORD = 'mailbox-password'

let house: House
let postern: Running
let collector: Collector
const closers: (() => unknown)[] = []

beforeAll(async () => {
  house = await makeHouse('fail2ban', [])
  closers.push(house.demolish)
  const old = await oldServer(USER, PASSWORD, [
    Buffer.from('Subject: one\r\n\r\n1\r\n'),
    Buffer.from('Subject: two\r\n\r\n2\r\n'),
  ])
  closers.push(() => old.close())
  collector = await startCollector()
  closers.push(() => collector.stop('reset'))
  postern = await startPostern({
    backendPort: old.port,
    postern: {
      audit: {
        messages: 'on',
        dovecot_log: '../state/dovecot.log',
        forward: [{ to: `syslog+tcp://127.0.0.1:${String(collector.port)}`, streams: ['auth', 'session'] }],
      },
    },
    login: { failures: { reply_after: '0s' } },
  })
  closers.push(() => postern.close())
  await postern.enroll(USER)
})
afterAll(async () => {
  for (const close of closers.toReversed()) await close()
})

const log = () => join(postern.folder, 'state/dovecot.log')

/** Gives what fail2ban's filter finds in a file: the addresses of failures, one a line that matched. */
async function found(file: string): Promise<{ failures: string[]; lines: number }> {
  copyFileSync(file, house.path('/tmp/dovecot.log'))
  const argv = ['/usr/bin/fail2ban-regex', '--no-check-all', '-o', '<ip> <F-USER>', '/tmp/dovecot.log', 'dovecot[mode=aggressive]'] // prettier-ignore
  const { out, err, code } = await house.run(argv, { ms: 60_000 })
  if (code !== 0) throw new Error(out + err)
  const failures = out.split('\n').filter((line) => line !== '')
  return { failures, lines: readFileSync(file, 'utf8').split('\n').length - 1 }
}

/** Tells whether it is let in. */
async function attempt(user: string, typed: string, from: string, read = async (_: Raw) => {}): Promise<boolean> {
  const ca = readFileSync(join(postern.folder, 'policies/tls/cert.pem'), 'utf8')
  try {
    const mail = await login({ host: '127.0.0.1', port: postern.port, from, ca }, user, typed)
    await read(mail)
    await mail.quit()
    return true
  } catch {
    return false
  }
}

const reasons = () => postern.audit('auth').map(({ event }) => event.reason ?? event.action)

test('fail2ban counts wrong passwords and wrong codes, each with its own address, and nothing else', async () => {
  const good = PASSWORD + postern.code(USER)
  const readAndDelete = async (mail: Raw) => {
    await mail.ask('RETR 1')
    await mail.ask('RETR 2')
    await mail.say('DELE 2')
  }
  expect(await attempt(USER, good, '127.0.1.1', readAndDelete)).toBe(true)
  expect(await attempt(USER, good, '127.0.1.1')).toBe(true)
  expect(await attempt(USER, `${PASSWORD}000000`, '127.0.1.2')).toBe(false)
  expect(await attempt(USER, PASSWORD, '127.0.1.3')).toBe(false)
  expect(await attempt(USER, good, '127.9.1.4')).toBe(false)
  const wrong = `wrong-password${postern.recoveryCode(USER, 0)}`
  expect(await attempt(USER, wrong, '127.0.1.5')).toBe(false)
  expect(await attempt(USER, wrong, '127.0.1.5')).toBe(false)
  expect(reasons().filter((reason) => reason !== 'device-trusted')).toEqual([
    'login-succeeded',
    'login-succeeded',
    'code-wrong',
    'code-missing',
    'code-replayed',
    'password-wrong',
    'stale-repeat',
  ])
  await until('the log', () => readFileSync(log(), 'utf8').split('\n').length >= 5)
  const { failures, lines } = await found(log())
  expect(lines).toBe(4)
  expect(failures.map((one) => one.split(' ')[0])).toEqual(['127.0.1.2', '127.0.1.5'])
})

test('no reason of ours but those makes it count, and no user name has another address banned', async () => {
  const all: Record<LoginFailure, true> = { 'unknown-user': true, 'code-missing': true, 'code-wrong': true, 'code-replayed': true, 'code-clock-skew': true, 'password-wrong': true, 'trust-expired': true, 'stale-repeat': true, locked: true, frozen: true, rule: true, malformed: true, aborted: true, 'backend-unavailable': true, 'backend-busy': true, 'internal-error': true, 'code-expired': true, 'app-password-wrong': true, 'app-password-pending': true, 'app-password-expired': true, 'app-password-network': true, 'app-password-stale': true } // prettier-ignore
  const facts = { now: Date.now(), listenerHost: () => '0.0.0.0', isPerson: () => false }
  const file = house.path('/tmp/all.log')
  const names = ['ann', ...Object.values(HOSTILE)]
  for (const reason of Object.keys(all) as LoginFailure[]) {
    for (const [i, user] of names.entries()) {
      const connection = { ...CONNECTION, ip: `192.0.2.${String(i + 1)}` }
      appendFileSync(
        file,
        dovecotLine({ stream: 'auth', action: 'login-failed', connection, user, reason }, facts) ?? '',
      )
    }
  }
  const { failures } = await found(file)
  const each = names.map((_, i) => `192.0.2.${String(i + 1)}`)
  // Unknown names, wrong codes, wrong passwords, wrong app passwords.
  expect(failures.map((one) => one.split(' ')[0])).toEqual([...each, ...each, ...each, ...each])
})

test('the log is begun anew when logrotate has moved it', async () => {
  renameSync(log(), `${log()}.1`)
  const before = statSync(`${log()}.1`).size
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  expect(await attempt(USER, `${PASSWORD}000001`, '127.0.1.6')).toBe(false)
  await until('the new log', () => {
    try {
      return readFileSync(log(), 'utf8').includes('rip=127.0.1.6')
    } catch {
      return false
    }
  })
  expect(statSync(`${log()}.1`).size).toBe(before)
})

test('which messages were retrieved and deleted is on record, and a collector has it too', async () => {
  type Mail = { event: { action: string; count: number }; postern: { messages: { numbers: string; octets?: number } } }
  const mail = () =>
    postern.audit('session').filter(({ event }) => event.action.startsWith('message-')) as unknown as Mail[]
  expect(mail().slice(0, 2)).toMatchObject([
    { event: { action: 'message-retrieved', count: 2 }, postern: { messages: { numbers: '1-2', octets: 38 } } },
    { event: { action: 'message-deleted', count: 1 }, postern: { messages: { numbers: '2' } } },
  ])
  const wanted = [...postern.audit('auth'), ...postern.audit('session')].length
  await until('the collector', () => collector.messages.length >= wanted)
  const { stdout } = await postern.cli('status', '--json')
  const { forwards } = JSON.parse(stdout) as { forwards: unknown[] }
  expect(forwards).toMatchObject([{ fault: null, lost: 0 }])
})
