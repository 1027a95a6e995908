import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectPlain, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { terminator, type NotSecured, type Secured, type Terminator } from '../../../src/front/tls.ts'
import type { CertificatePlan, Snapshot } from '../../../src/keeper/messages.ts'
import { OPEN } from '../gate/lists.ts'
import { testCertificate, type TestCertificate } from '../../support/certificate.ts'

let first: TestCertificate
let second: TestCertificate
let wild: TestCertificate
const open: { close(): void }[] = []

beforeAll(async () => {
  first = await testCertificate(['mail.example.com'])
  second = await testCertificate(['pop.example.org'])
  wild = await testCertificate(['*.example.net'])
})

afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

function snapshot(minVersion: Snapshot['minVersion'] = 'TLSv1.2'): Snapshot {
  const plan = (name: string, { cert, key }: TestCertificate, serverNames: string[]): CertificatePlan => ({
    name,
    cert,
    key,
    serverNames,
  })
  return {
    generation: 1,
    listeners: [],
    certificates: [
      plan('first', first, ['mail.example.com']),
      plan('second', second, ['pop.example.org']),
      plan('wild', wild, ['*.example.net']),
    ],
    clientCa: null,
    minVersion,
    backends: [],
    gate: OPEN,
    onDeny: 'drop',
    messages: false,
    limits: { loginTimeMs: 60_000, idleTimeMs: 600_000, connections: 100 },
  }
}

type Door = { port: number; next(): Promise<Secured | NotSecured>; tls: Terminator }

/** A listening door whose connections go through a terminator, as a front has it. */
async function door(tls = terminator(snapshot()), signal = () => new AbortController().signal): Promise<Door> {
  const results: Promise<Secured | NotSecured>[] = []
  const waiters: ((result: Promise<Secured | NotSecured>) => void)[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on('error', () => undefined)
    open.push({ close: () => socket.destroy() })
    const result = tls.secure(socket, [signal()], 'no-certificate')
    const waiter = waiters.shift()
    if (waiter === undefined) results.push(result)
    else waiter(result)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(server)
  const { port } = server.address() as AddressInfo
  const next = () => results.shift() ?? new Promise<Secured | NotSecured>((resolve) => waiters.push(resolve))
  return { port, next, tls }
}

function client(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'mail.example.com',
    rejectUnauthorized: false,
    ...options,
  })
  socket.on('error', () => undefined)
  open.push({ close: () => socket.destroy() })
  return socket
}

async function secured(result: Promise<Secured | NotSecured>): Promise<Secured> {
  const got = await result
  if (got.at === 'failed') throw new Error(got.reason)
  got.socket.on('error', () => undefined)
  return got
}

describe('a handshake', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'with %s gives the socket and the facts for the audit',
    async (version) => {
      const { port, next } = await door()
      const peer = client(port, { minVersion: version, maxVersion: version, ALPNProtocols: ['pop3'] })
      const got = await secured(next())
      got.socket.write('+OK\r\n')
      expect(String((await once(peer, 'data'))[0])).toBe('+OK\r\n')
      expect(got.facts).toMatchObject({ version, serverName: 'mail.example.com', resumed: false })
      expect(peer.alpnProtocol).toBe('pop3')
    },
  )

  test('offers the hybrid key exchange X25519MLKEM768', async () => {
    const { port, next } = await door()
    const peer = client(port, { ecdhCurve: 'X25519MLKEM768', minVersion: 'TLSv1.3' })
    await secured(next())
    if (!peer.authorized && peer.connecting) await once(peer, 'secureConnect')
    expect(peer.getProtocol()).toBe('TLSv1.3')
  })

  test.each([
    ['TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['a cipher without forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
    ['a CBC cipher', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }],
    ['a protocol other than pop3 in ALPN', { ALPNProtocols: ['http/1.1'] }],
  ] as [string, ConnectionOptions][])('with %s is refused, and the audit learns why', async (_, options) => {
    const { port, next } = await door()
    client(port, options)
    expect(await next()).toMatchObject({ at: 'failed', reason: expect.stringMatching(/^ERR_SSL/) as string })
  })

  test('under TLS 1.2 is refused where 1.3 is the least', async () => {
    const { port, next } = await door(terminator(snapshot('TLSv1.3')))
    client(port, { maxVersion: 'TLSv1.2' })
    expect(await next()).toMatchObject({ at: 'failed' })
  })

  test('plain POP3 on the TLS port is no handshake', async () => {
    const { port, next } = await door()
    connectPlain(port, '127.0.0.1').end('USER ann\r\n')
    expect(await next()).toEqual({ at: 'failed', reason: 'not a TLS client hello' })
  })

  test('a client that connects and leaves is no failure of TLS itself', async () => {
    const { port, next } = await door()
    connectPlain(port, '127.0.0.1').end()
    expect(await next()).toEqual({ at: 'failed', reason: 'closed before the handshake' })
  })

  test.each([
    ['says nothing', ''],
    ['stops within its hello', '\x16\x03\x01\x02'],
  ])('a client that %s is let go at the deadline', async (_, said) => {
    const { port, next } = await door(terminator(snapshot(), 50))
    connectPlain(port, '127.0.0.1').write(said, 'latin1')
    expect(await next()).toEqual({ at: 'failed', reason: 'handshake deadline passed' })
  })

  test('that is to end from outside ends, also when that was known before', async () => {
    const stop = new AbortController()
    const { port, next } = await door(undefined, () => stop.signal)
    connectPlain(port, '127.0.0.1')
    const result = next()
    setTimeout(() => {
      stop.abort()
    }, 20)
    expect(await result).toMatchObject({ at: 'failed' })
    connectPlain(port, '127.0.0.1')
    expect(await next()).toMatchObject({ at: 'failed' })
  })
})

describe('the certificate', () => {
  const shown = async (options: ConnectionOptions, tls = terminator(snapshot())) => {
    const { port, next } = await door(tls)
    const peer = client(port, options)
    await secured(next())
    if (peer.getPeerX509Certificate() === undefined) await once(peer, 'secureConnect')
    return peer.getPeerX509Certificate()?.subjectAltName
  }

  test.each([
    ['pop.example.org', 'DNS:pop.example.org'],
    ['POP.EXAMPLE.ORG', 'DNS:pop.example.org'],
    ['a.example.net', 'DNS:*.example.net'],
    ['a.b.example.net', 'DNS:mail.example.com'],
    ['example.net', 'DNS:mail.example.com'],
    ['nowhere.example', 'DNS:mail.example.com'],
  ])('for %s is %s', async (servername, expected) => {
    expect(await shown({ servername })).toBe(expected)
  })

  test('is the new one after an update, for those without a name as well', async () => {
    const tls = terminator(snapshot())
    tls.update({ ...snapshot(), certificates: [{ name: 'second', ...second, serverNames: ['pop.example.org'] }] })
    expect(await shown({ servername: 'mail.example.com' }, tls)).toBe('DNS:pop.example.org')
  })
})

test('an update that cannot be made fails each time, and the last good one stays', async () => {
  const tls = terminator(snapshot())
  const bad = { ...snapshot(), certificates: [{ name: 'bad', cert: second.cert, key: 'none', serverNames: [] }] }
  for (let times = 0; times < 2; times++)
    expect(() => {
      tls.update(bad)
    }).toThrow()
  const { port, next } = await door(tls)
  client(port, {})
  expect(await next()).toMatchObject({ at: 'secured' })
})

describe('resumption', () => {
  const tickets = randomBytes(48)
  const front = () => {
    const tls = terminator(snapshot())
    tls.setTicketKeys(tickets)
    return tls
  }
  const visit = async (port: number, next: Door['next'], version: 'TLSv1.2' | 'TLSv1.3', session?: Buffer) => {
    const peer = client(port, { minVersion: version, maxVersion: version, ...(session && { session }) })
    const ticket = once(peer, 'session')
    const got = await secured(next())
    got.socket.write('+OK\r\n')
    await once(peer, 'data')
    return { got, session: session ?? ((await ticket)[0] as Buffer) }
  }

  test.each([3, 1])('goes on at another front after a reload, with %i certificates', async (count) => {
    const few = { ...snapshot(), certificates: snapshot().certificates.slice(0, count) }
    const there = front()
    there.update(few)
    const [one, other] = [await door(front()), await door(there)]
    const full = await visit(one.port, one.next, 'TLSv1.3')
    expect((await visit(other.port, other.next, 'TLSv1.3', full.session)).got.facts.resumed).toBe(true)
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of %s works at another front, and the device stays the same',
    async (version) => {
      const here = await door(front())
      const there = await door(front())
      const full = await visit(here.port, here.next, version)
      const resumed = await visit(there.port, there.next, version, full.session)
      expect([full.got.facts.resumed, resumed.got.facts.resumed]).toEqual([false, true])
      expect(resumed.got.client).toBe(full.got.client)
    },
  )

  test('needs the keys: new ticket keys mean a full handshake', async () => {
    const here = await door(front())
    const full = await visit(here.port, here.next, 'TLSv1.3')
    here.tls.setTicketKeys(randomBytes(48))
    expect((await visit(here.port, here.next, 'TLSv1.3', full.session)).got.facts.resumed).toBe(false)
  })
})

describe('a client that closes its side', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('after QUIT under %s still gets the answer', async (version) => {
    const { port, next } = await door()
    const peer = client(port, { minVersion: version, maxVersion: version, allowHalfOpen: true } as ConnectionOptions)
    const got = await secured(next())
    const heard: Buffer[] = []
    peer.on('data', (chunk: Buffer) => heard.push(chunk))
    peer.end('QUIT\r\n')
    got.socket.resume()
    await once(got.socket, 'end')
    got.socket.end('+OK Bye.\r\n')
    await once(peer, 'end')
    expect(Buffer.concat(heard).toString()).toBe('+OK Bye.\r\n')
  })
})
