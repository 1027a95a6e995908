import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { openClient, scriptedServer } from '../dialog/peers.ts'
import { startPostern } from '../support/running.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

test('a keeper that was killed starts again at once; the session of its old front goes on, its trusted device too', async () => {
  const old = await scriptedServer({})
  const listeners = [{ name: 'outside', address: `127.0.0.1:${await freePort()}` }]
  const first = await startPostern({ backendPort: old.port, postern: { listeners } })
  await first.enroll('ann@example.com')
  const typed = `secret${first.code('ann@example.com')}`
  const logIn = async (port: number) => {
    const client = await openClient(port)
    expect(await client.ear.line()).toBe('+OK POP3 ready')
    client.socket.write(`USER ann@example.com\r\nPASS ${typed}\r\n`)
    expect(await client.ear.line()).toBe('+OK Send PASS.')
    expect(await (await old.ear()).line()).toBe('USER ann@example.com')
    await old.write(Buffer.from('+OK\r\n'))
    expect(await (await old.ear()).line()).toBe('PASS secret')
    await old.write(Buffer.from('+OK in\r\n'))
    expect(await client.ear.line()).toBe('+OK in')
    return client
  }
  const before = await logIn(first.port)
  const standing = await old.ear()
  await first.stop('SIGKILL')

  old.next()
  const second = await startPostern({ backendPort: old.port, folder: first.folder })
  try {
    await logIn(second.port)
    const factors = second.audit('auth').map((line) => (line as { postern?: { factor?: string } }).postern?.factor)
    expect(factors.filter((factor) => factor !== undefined)).toEqual(['totp', 'trusted-device'])
    before.socket.write('NOOP\r\n')
    expect(await standing.line()).toBe('NOOP')
  } finally {
    await second.close()
    old.close()
  }
})
