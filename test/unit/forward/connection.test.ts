import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { openConnection, type Connection } from '../../../src/forward/connection.ts'
import type { Left, Target } from '../../../src/forward/wire.ts'
import { testCertificate } from '../../support/certificate.ts'

const pair = await testCertificate(['localhost'])
const MARGIN_MS = 150

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** A connection to a peer that reads all; gives both ends once they stand. */
async function joined(
  tls: boolean,
): Promise<{ ours: Connection; peer: Socket; left: Promise<Left>; sent: (n: number) => Promise<void> }> {
  // prettier-ignore
  const peer = Promise.withResolvers<Socket>()
  const take = (socket: Socket) => {
    socket.on('error', () => undefined).resume()
    peer.resolve(socket)
  }
  const server = tls ? createTlsServer(pair, take) : createServer(take)
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const target: Target = { host: '127.0.0.1', port, tls: tls ? { ca: pair.cert, name: 'localhost', cert: null, key: null } : null } // prettier-ignore
  const left = Promise.withResolvers<Left>()
  const connected = Promise.withResolvers<null>()
  const taken = new Map<number, () => void>()
  const ours = openConnection(target, {
    connected: () => {
      connected.resolve(null)
    },
    sent: (n) => taken.get(n)?.(),
    left: left.resolve,
  })
  await connected.promise
  const sent = (n: number) => new Promise<void>((resolve) => taken.set(n, resolve))
  return { ours, peer: await peer.promise, left: left.promise, sent }
}

const LINE = Buffer.from('5 hello')

describe.each([
  ['TCP', false],
  ['TLS', true],
] as const)('what a collector has read, by how it closes over %s', (_, tls) => {
  test('all, when it closes after us', async () => {
    const { ours, left } = await joined(tls)
    ours.send(1, LINE)
    ours.finish()
    expect(await left).toEqual({ how: 'closed', sure: 1, last: 1 })
  })

  test('all, when it closes and nothing was on its way', async () => {
    const { ours, peer, left, sent } = await joined(tls)
    ours.send(1, LINE)
    await sent(1)
    await delay(MARGIN_MS)
    peer.end()
    expect(await left).toEqual({ how: 'closed', sure: 1, last: 1 })
  })

  test('all, when it closes right behind what it read', async () => {
    const { ours, peer, left } = await joined(tls)
    ours.send(1, LINE)
    peer.once('data', () => peer.destroy())
    expect(await left).toEqual({ how: 'closed', sure: 1, last: 1 })
  })

  test('not what crossed its close on the way', async () => {
    const { ours, peer, left, sent } = await joined(tls)
    ours.send(1, LINE)
    await sent(1)
    await delay(MARGIN_MS)
    peer.destroy()
    ours.send(2, LINE)
    expect(await left).toEqual({ how: 'closed', sure: 1, last: 2 })
  })

  test('nobody knows, when it goes with octets unread', async () => {
    const { ours, peer, left, sent } = await joined(tls)
    peer.pause()
    const large = Buffer.alloc(1_000_000)
    ours.send(1, large)
    await Promise.race([sent(1), delay(MARGIN_MS)])
    peer.destroy()
    expect(await left).toMatchObject({ how: 'broken' })
  })
})

test('a collector that talks is none', async () => {
  const { peer, left } = await joined(false)
  peer.write(Buffer.alloc(100_000))
  expect(await left).toEqual({ how: 'broken', reason: 'it talks, as no collector does' })
})
