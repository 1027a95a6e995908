import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent, LoginFailure } from '../../../src/audit/events.ts'
import { dovecotLine } from '../../../src/keeper/dovecot-log.ts'
import { openLogFile } from '../../../src/keeper/log-file.ts'
import { CONNECTION } from '../../support/audit-events.ts'
import { HOSTILE } from '../../support/hostile-names.ts'
import { until } from '../../support/running.ts'

const FACTS = { now: Date.parse('2027-03-14T09:26:53.589Z'), host: 'gw', listenerHost: () => '192.0.2.1', isPerson: (user: string) => user === 'ann' } // prettier-ignore

const failed = (reason: LoginFailure, user = 'ann'): AuditEvent => ({ stream: 'auth', action: 'login-failed', connection: CONNECTION, user, reason }) // prettier-ignore

describe('a line in the words of Dovecot', () => {
  test('tells of a wrong password, of a wrong code, and of a name that nobody has', () => {
    const told = '2027-03-14T09:26:53.589+00:00 gw dovecot: pop3-login: Aborted login (auth failed, 1 attempts in 0 secs): user=<ann>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, TLS, session=<0123456789abcdef01234567>\n' // prettier-ignore
    expect(dovecotLine(failed('password-wrong'), FACTS)).toBe(told)
    expect(dovecotLine(failed('code-wrong'), FACTS)).toBe(told)
    expect(dovecotLine(failed('app-password-wrong'), FACTS)).toBe(told)
    expect(dovecotLine(failed('unknown-user', 'root'), FACTS)).toContain(
      '(auth failed, 1 attempts in 0 secs): user=<root>',
    )
  })

  test('tells of logins', () => {
    const login: AuditEvent = { stream: 'auth', action: 'login-succeeded', connection: CONNECTION, user: 'ann', factor: 'totp', backend: 'old' } // prettier-ignore
    expect(dovecotLine(login, FACTS)).toContain('pop3-login: Login: user=<ann>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, mpid=1, TLS, session=<') // prettier-ignore
  })

  test('is what the CrowdSec parser for Dovecot reads', () => {
    const grok = /^\S+ \S+ dovecot: (\w+)-login: (.*?): user=<(.*?)>.*, rip=([0-9a-f.:]+), lip=([0-9a-f.:]+)/
    expect(grok.exec(dovecotLine(failed('code-wrong'), FACTS) ?? '')?.slice(1)).toEqual(['pop3', 'Aborted login (auth failed, 1 attempts in 0 secs)', 'ann', '192.0.2.7', '192.0.2.1']) // prettier-ignore
  })

  test.each<LoginFailure>([
    'code-missing',
    'stale-repeat',
    'code-replayed',
    'code-clock-skew',
    'trust-expired',
    'locked',
    'frozen',
    'rule',
    'malformed',
    'aborted',
    'backend-unavailable',
    'backend-busy',
    'internal-error',
  ])('is not written for %s: nobody is banned for it', (reason) => {
    expect(dovecotLine(failed(reason), FACTS)).toBeNull()
  })

  test('is not written for somebody of the roster who is not enrolled yet', () => {
    expect(dovecotLine(failed('unknown-user', 'ann'), FACTS)).toBeNull()
  })

  test.each(Object.entries(HOSTILE))('cannot be forged by a user called %s', (_, user) => {
    const line = dovecotLine(failed('password-wrong', user), FACTS) ?? ''
    expect(line).toMatch(/^[^<>\p{C}\p{Zl}\p{Zp}]+ user=<[\p{L}\p{N}._@+=~?-]*>, method=PLAIN, rip=192\.0\.2\.7, lip=192\.0\.2\.1, TLS, session=<[0-9a-f]{24}>\n$/u) // prettier-ignore
    expect(line.length).toBeLessThan(500)
  })
})

describe('its file', () => {
  let folder: string
  let now: number
  let said: string[]
  const path = () => join(folder, 'dovecot.log')
  const opened = () => {
    const note = (_: unknown, text: string) => void said.push(text)
    return openLogFile(path(), { now: () => now, monotonic: () => now }, { info: note, error: note } as never)
  }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'postern-dovecot-'))
    now = 0
    said = []
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const holds = (text: string, file = path()) => until(text, () => { try { return readFileSync(file, 'utf8') === text } catch { return false } }, 2_000) // prettier-ignore

  test('is there at once, for its group to read, and takes lines in order', async () => {
    const file = opened()
    await holds('')
    expect(statSync(path()).mode & 0o777).toBe(0o640)
    for (let i = 0; i < 100; i++) file.write(`${i}\n`)
    await file.close()
    expect(readFileSync(path(), 'utf8').split('\n')).toEqual([...Array.from({ length: 100 }, (_, i) => String(i)), ''])
  })

  test('is begun anew when it was moved', async () => {
    const file = opened()
    file.write('before\n')
    await holds('before\n')
    renameSync(path(), `${path()}.1`)
    now += 2_000
    file.write('after\n')
    await holds('after\n')
    await holds('before\n', `${path()}.1`)
    await file.close()
  })

  test('that cannot be written costs its lines and nothing else, and comes back by itself', async () => {
    const aside = `${folder}.aside`
    renameSync(folder, aside)
    const file = opened()
    await until('it is told', () => said.length > 0)
    file.write('lost until there is a folder\n')
    mkdirSync(folder)
    chmodSync(folder, 0o755)
    file.write('there\n')
    await until('it is told', () => said.length > 1)
    expect(readFileSync(path(), 'utf8')).toContain('there\n')
    expect(said).toEqual([expect.stringContaining('cannot write'), 'dovecot log: writing again'])
    await file.close()
    rmSync(aside, { recursive: true, force: true })
  })
})
