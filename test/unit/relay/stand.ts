/** A relay between a client of the test's and a scripted old server, over real sockets. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Duplex } from 'node:stream'
import { secureBackend } from '../../../src/relay/secure.ts'
import { connectSource, streamSource, type Source } from '../../../src/relay/source.ts'
import { relay, type Progress, type Relayed, type RelayOptions } from '../../../src/relay/pump.ts'
import { testCertificate } from '../../support/certificate.ts'
import { fakeServer, type FakeServer, type Script } from './fake-server.ts'

export type Transport = 'tcp' | 'TLSv1.2' | 'TLSv1.3'
export const TRANSPORTS: Transport[] = ['tcp', 'TLSv1.2', 'TLSv1.3']

export type Stand = {
  /** The mail program's socket. */
  client: Socket
  /** The TCP socket below it. */
  clientTcp: Socket
  /** The relay's sockets. */
  near: Duplex
  far: Socket
  old: FakeServer
  /** All that the client has received. */
  received(): Buffer
  /** Resolves when it has received so many octets, or ends in this text. */
  arrived(what: number | string): Promise<void>
  /** How the client's connection ended: with the server's FIN in order, or broken off. */
  ending(): Promise<'end' | 'broken'>
  result: Promise<Relayed>
  stop: AbortController
  progress: Progress
  close(): Promise<void>
}

export type StandSetup = {
  transport?: Transport
  script?: Script
  options?: Partial<RelayOptions>
  /** The client does not read until told so. */
  unread?: boolean
  /** TLS towards the old server. */
  isSecured?: boolean
}

const certificate = await testCertificate(['localhost'])

/** Set while a file of tests is played once more with TLS towards the old server. */
export const BEHIND = 'POSTERN_TEST_BEHIND_TLS'

export async function stand({
  transport = 'tcp',
  script = {},
  options = {},
  unread = false,
  isSecured = process.env[BEHIND] !== undefined,
}: StandSetup = {}): Promise<Stand> {
  const old = await fakeServer({
    greeting: null,
    ...(isSecured && { tls: { how: 'implicit', ...certificate } }),
    ...script,
  })
  const { client, clientTcp, near, nearTcp } = await pair(transport)
  const source = await sourceOf(old, isSecured)
  const far = source.socket
  // With TLS 1.3 the client's side stands before the server's.
  while (isSecured && old.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const stop = new AbortController()
  const progress = { toClient: 0, fromClient: 0, retrieved: 0, deleted: 0 }
  const watch = watchClient(client, unread)
  // As a socket is that nobody prepared: the relay has to see to its half-open side itself.
  near.allowHalfOpen = false
  const result = relay(near, source, {
    fromClient: Buffer.alloc(0),
    fromServer: Buffer.alloc(0),
    pipelining: false,
    idleMs: 20_000,
    stop: stop.signal,
    progress: (delta) => {
      for (const key of ['toClient', 'fromClient', 'retrieved', 'deleted'] as const) progress[key] += delta[key]
    },
    ...options,
  })
  result.catch(() => undefined)
  const close = async () => {
    client.destroy()
    near.destroy()
    nearTcp.destroy()
    far.destroy()
    await old.close()
  }
  return { client, clientTcp, near, far, old, result, stop, progress, close, ...watch }
}

/** The old server's side, opened as a login opens it. */
async function sourceOf(old: FakeServer, isSecured: boolean): Promise<Source> {
  const options = { ...old.address, allowHalfOpen: true, noDelay: true }
  const bare = isSecured ? streamSource(connect(options)) : connectSource(options)
  await new Promise((resolve) => bare.socket.once('connect', resolve))
  bare.socket.on('error', () => undefined)
  if (!isSecured) return bare
  const trust = { how: 'implicit', ca: certificate.cert, name: 'localhost' } as const
  const far = await secureBackend(bare.socket, old.host, trust, 5_000, new AbortController().signal)
  if (typeof far === 'string') throw new Error(far)
  return streamSource(far)
}

function watchClient(client: Socket, unread: boolean): Pick<Stand, 'received' | 'arrived' | 'ending'> {
  const chunks: Buffer[] = []
  let size = 0
  let ended: 'end' | 'broken' | null = null
  const waiters: (() => void)[] = []
  const wake = () => {
    for (const waiter of waiters.splice(0)) waiter()
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => waiters.push(resolve))
  }
  client.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    wake()
  })
  if (unread) client.pause()
  const over = (how: 'end' | 'broken') => () => {
    ended ??= how
    wake()
  }
  client.on('end', over('end')).on('error', over('broken')).on('close', over('broken'))
  const received = () => Buffer.concat(chunks)
  return {
    received,
    arrived: (what) =>
      until(
        () =>
          (typeof what === 'number' ? size >= what : received().toString('latin1').endsWith(what)) || ended !== null,
      ),
    ending: async () => {
      await until(() => ended !== null)
      return ended as 'end' | 'broken'
    },
  }
}

/** A connected pair of sockets, made as the front makes them. */
async function pair(
  transport: Transport,
): Promise<{ client: Socket; clientTcp: Socket; near: Duplex; nearTcp: Socket }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const clientTcp = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  clientTcp.on('error', () => undefined)
  const nearTcp = await accepted
  nearTcp.on('error', () => undefined)
  server.close()
  if (transport === 'tcp') return { client: clientTcp, clientTcp, near: nearTcp, nearTcp }
  const tls = createTlsServer({ ...certificate, minVersion: transport, maxVersion: transport, allowHalfOpen: true })
  const secured = new Promise<TLSSocket>((resolve) => tls.once('secureConnection', resolve))
  tls.emit('connection', nearTcp)
  const client = connectTls({ socket: clientTcp, ca: certificate.cert, servername: 'localhost' })
  const near = await secured
  near.on('error', () => undefined)
  return { client, clientTcp, near, nearTcp }
}
