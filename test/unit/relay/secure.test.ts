import { generate } from 'selfsigned'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parseAddress } from '../../../src/base/ip.ts'
import type { BackendTls } from '../../../src/keeper/messages.ts'
import { loginBackend } from '../../../src/relay/backend.ts'
import { probeBackend } from '../../../src/relay/probe.ts'
import { testCertificate, type TestCertificate } from '../../support/certificate.ts'
import { answering, fakeServer, type FakeServer, type Script } from './fake-server.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close()
})

let good: TestCertificate
let other: TestCertificate
let byAddress: TestCertificate
let expired: TestCertificate
beforeAll(async () => {
  good = await testCertificate(['old.example.com'])
  other = await testCertificate(['old.example.com'])
  byAddress = await made({ altNames: [{ type: 7, ip: '127.0.0.1' }] })
  expired = await made({ altNames: [{ type: 2, value: 'old.example.com' }], to: Date.now() - 60_000 })
})

type Made = { altNames: ({ type: 7; ip: string } | { type: 2; value: string })[]; to?: number }

async function made({ altNames, to = Date.now() + 86_400_000 }: Made): Promise<TestCertificate> {
  const result = await generate([{ name: 'commonName', value: 'old' }], {
    keyType: 'ec',
    notBeforeDate: new Date(to - 172_800_000),
    notAfterDate: new Date(to),
    extensions: [{ name: 'subjectAltName', altNames }],
  })
  return { cert: result.cert, key: result.private }
}

const willing = answering({ USER: '+OK\r\n', PASS: '+OK in\r\n', CAPA: '+OK\r\nTOP\r\n.\r\n', QUIT: '+OK\r\n' })

async function server(how: BackendTls['how'], certificate: TestCertificate, more: Partial<Script['tls']> = {}) {
  const old = await fakeServer({ on: willing, tls: { how, ...certificate, ...more } })
  open.push(old)
  return old
}

const address = parseAddress('192.0.2.7') ?? undefined
const end = { address: address as NonNullable<typeof address>, port: 4711 }

async function login(old: FakeServer[], tls: BackendTls) {
  const result = await loginBackend({
    plan: {
      name: 'old',
      addresses: old.map((one) => ({ ...one.address, quiet: true })),
      tls,
      auth: 'auto',
      loginTimeMs: 5_000,
      busyErrors: [],
      capabilities: null,
      proxyProtocol: 'off',
      xclient: false,
    },
    username: Buffer.from('ann'),
    password: Buffer.from('secret'),
    client: { session: 'abc', source: end, destination: end },
    signal: new AbortController().signal,
    noisy: () => undefined,
    deadlines: { greeting: 1_000, tls: 1_000, user: 1_000 },
  })
  if (result.at === 'proven') open.push({ close: () => result.source.socket.destroy() })
  return result
}

describe.each(['implicit', 'stls'] as const)('TLS to the old server, %s', (how) => {
  const trust = (over: Partial<BackendTls> = {}): BackendTls => ({
    how,
    ca: good.cert,
    name: 'old.example.com',
    ...over,
  })
  const inPlain = how === 'stls' ? ['STLS'] : []

  test('carries the login when certificate and name check', async () => {
    const old = await server(how, good)
    expect(await login([old], trust())).toMatchObject({ at: 'proven', words: 'in' })
    expect(old.lines).toEqual([...inPlain, 'USER ann', 'PASS secret', 'STAT'])
  })

  test('checks an address where no name is given', async () => {
    const old = await server(how, byAddress)
    expect((await login([old], trust({ ca: byAddress.cert, name: null }))).at).toBe('proven')
  })

  test.each([
    ['another issuer', () => other, {}, /SELF_SIGNED|UNABLE/],
    ['another name', () => good, { name: 'new.example.com' }, /ALTNAME/],
    ['no name for its address', () => good, { name: null }, /ALTNAME/],
    ['a certificate that ran out', () => expired, {}, /EXPIRED/],
  ] as const)('sends nothing to a server with %s', async (what, certificate, over, detail) => {
    const old = await server(how, certificate())
    const tls = trust({ ...over, ...(what.startsWith('a certificate') && { ca: expired.cert }) })
    expect(await login([old], tls)).toMatchObject({
      at: 'unavailable',
      level: 'error',
      detail: expect.stringMatching(detail) as string,
    })
    expect(await probeBackend(old.address, { tls, proxyProtocol: 'off', busyErrors: [] })).toMatchObject({ at: 'down' })
    expect(old.lines.filter((line) => line !== 'STLS')).toEqual([])
  })

  test('goes to the next address when one does not check', async () => {
    const [bad, fine] = [await server(how, other), await server(how, good)]
    expect((await login([bad, fine], trust())).at).toBe('proven')
    expect(bad.raw()).toBe('')
  })

  test('is asked for by the health check as well', async () => {
    const old = await server(how, good)
    const probed = await probeBackend(
      old.address,
      { tls: trust(), proxyProtocol: 'off', busyErrors: [] },
      { quietMs: 5 },
    )
    expect(probed).toEqual({ at: 'up', capabilities: ['TOP'], xclient: false })
  })

  test('never falls back to plain', async () => {
    const old = await fakeServer({ on: answering({ USER: '+OK\r\n', PASS: '+OK in\r\n' }) })
    open.push(old)
    expect(await login([old], trust())).toMatchObject({
      at: 'unavailable',
      detail: expect.stringMatching(/tls/) as string,
    })
    expect(old.raw()).not.toContain('USER')
  })
})

test('STLS that is refused, as when somebody on the way takes it out, ends the login', async () => {
  const old = await server('stls', good, { refuses: true })
  const result = await login([old], { how: 'stls', ca: good.cert, name: 'old.example.com' })
  expect(result).toMatchObject({ at: 'unavailable', detail: 'tls: STLS is refused' })
  expect(old.lines).toEqual(['STLS'])
})

test('what is said in plain behind the +OK to STLS is not believed', async () => {
  const old = await server('stls', good, { behind: '+OK injected\r\n' })
  const result = await login([old], { how: 'stls', ca: good.cert, name: 'old.example.com' })
  expect(result).toMatchObject({ at: 'unavailable', detail: expect.stringMatching(/behind the \+OK/) as string })
  expect(old.lines).toEqual(['STLS'])
})
