import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startPostern, type Line, type Running as Postern } from '../support/running.ts'
import { PORT, PROXIED_PORT } from './servers/awake.ts'
import { dovecotBehindAGateway } from './servers/dovecot.ts'
import { BALANCED, haproxy } from './servers/haproxy.ts'
import { PASSWORD, makeHouse } from './support/house.ts'
import type { House, Running } from './support/house.ts'
import { messages } from './support/messages.ts'
import { login } from './support/raw.ts'
import { until } from './support/until.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Domains of the users, and how Dovecot hears who they are. */
const TOLD = { 'plain.example': 'nothing', 'xclient.example': 'XCLIENT', 'one.example': 'a PROXY header of version 1', 'two.example': 'one of version 2' } // prettier-ignore
const OFFICE = '127.0.5.5'

let house: House
let postern: Postern
let balancer: Running
let dovecotSaid: () => string
const closers: (() => unknown)[] = []

beforeAll(async () => {
  house = await makeHouse('origin', ['ann'])
  closers.push(house.demolish)
  for (const person of house.people) {
    await dovecotBehindAGateway.fill(house, person, (await messages()).slice(0, 3))
  }
  closers.push(await dovecotBehindAGateway.start(house, (said) => (dovecotSaid = said)))
  const backend = (name: string, port: number, told: object) => ({
    name: name.split('.')[0],
    domains: [name],
    addresses: [`${house.address}:${String(port)}`],
    username: '{local}',
    ...told,
  })
  postern = await startPostern({
    backendPort: PORT,
    postern: {
      listeners: [{ name: 'outside', address: '127.0.0.1:0', proxy_protocol_from: ['127.0.0.1'] }],
      checks: [],
      backends: [
        backend('plain.example', PORT, {}),
        backend('xclient.example', PORT, { xclient: true }),
        backend('one.example', PROXIED_PORT, { proxy_protocol: 'v1' }),
        backend('two.example', PROXIED_PORT, { proxy_protocol: 'v2' }),
      ],
    },
  })
  closers.push(() => postern.close())
  for (const domain of Object.keys(TOLD)) await postern.enroll(`ann@${domain}`)
  balancer = await haproxy(house, postern.port)
  closers.push(balancer.stop)
})
afterAll(async () => {
  for (const close of closers.toReversed()) await close()
})

const address = (port: number, from = OFFICE) => ({
  host: house.address,
  port,
  from,
  ca: readFileSync(join(postern.folder, 'policies/tls/cert.pem'), 'utf8'),
})
const strings = new Map<string, string>()
/** What a mail program keeps: one code, typed once. */
function typed(user: string): string {
  const kept = strings.get(user) ?? `${PASSWORD}${postern.code(user)}`
  strings.set(user, kept)
  return kept
}
const sourceOf = (line: Line | undefined) => (line?.['source'] as { ip: string } | undefined)?.ip
const logins = () => postern.audit('auth').filter((line) => line.event.action === 'login-succeeded')

/** Logs in through the balancer, and gives what Postern and Dovecot then have on record. */
async function visit(
  user: string,
  port: number,
  from?: string,
): Promise<{ postern: string | undefined; dovecot: string }> {
  const [before, heard] = [logins().length, dovecotSaid().length]
  const raw = await login(address(port, from), user, typed(user))
  await raw.quit()
  const said = () => / Login: user=<ann>.*$/m.exec(dovecotSaid().slice(heard))?.[0] ?? ''
  await until('Dovecot writes of the login', 10_000, () => said() !== '')
  return { postern: sourceOf(logins()[before]), dovecot: said() }
}

describe('HAProxy in front', () => {
  test.each(['v1', 'v2'] as const)('a client behind a header of %s is known by its own address', async (version) => {
    const record = await visit('ann@plain.example', BALANCED[version])
    expect(record.postern).toBe(OFFICE)
    expect(record.dovecot).toContain('rip=127.0.0.1,')
  })

  test('the same string from another network is refused, though the balancer is the same', async () => {
    await visit('ann@plain.example', BALANCED.v1)
    await expect(
      login(address(BALANCED.v2, '127.0.6.6'), 'ann@plain.example', typed('ann@plain.example')),
    ).rejects.toThrow('[AUTH]')
    const last = postern.audit('auth').at(-1)
    expect([last?.event.reason, sourceOf(last)]).toEqual(['code-replayed', '127.0.6.6'])
  })

  test('a client without a header gets not a word, and the audit says so', async () => {
    await expect(login(address(BALANCED.none), 'ann@plain.example', typed('ann@plain.example'))).rejects.toThrow()
    const violations = () => postern.audit('access').filter((line) => line.event.action === 'protocol-violation')
    await until('the audit', 10_000, () => violations().length > 0)
    expect(violations()[0]).toMatchObject({ event: { reason: 'proxy-header-missing' }, source: { ip: '127.0.0.1' } })
  })

  test('its health checks, with a header, with TLS and bare, find Postern well and leave no line', async () => {
    const lines = () => ['access', 'auth', 'session'].reduce((sum, stream) => sum + postern.audit(stream).length, 0)
    const before = lines()
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(lines()).toBe(before)
    expect(balancer.said()).not.toMatch(/DOWN|Layer4|Layer6|error/i)
  })
})

describe('Dovecot behind', () => {
  test.each(Object.entries(TOLD).slice(1))('a user of %s: it is told by %s who the client is', async (domain) => {
    const record = await visit(`ann@${domain}`, BALANCED.v2)
    expect(record.postern).toBe(OFFICE)
    expect(record.dovecot).toContain(`rip=${OFFICE},`)
  })

  test('it writes the session by the id that is in the audit', async () => {
    const { dovecot } = await visit('ann@xclient.example', BALANCED.v1)
    const session = (logins().at(-1)?.['session'] as { id: string }).id
    expect(dovecot).toContain(`session=<${session}>`)
  })

  test('it is asked how it is without being told of a client, and says what it can', async () => {
    const status = JSON.parse((await postern.cli('status', '--json')).stdout) as {
      backends: { up: boolean }[]
      warnings: string[]
    }
    expect(status.backends.map(({ up }) => up)).toEqual([true, true, true, true])
    expect(status.warnings).toEqual([])
  })
})
