import { connect, type ConnectionOptions } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { oldServer, type OldServer } from '../../src/demo/old-server.ts'
import { startPostern, until, type Running } from '../support/running.ts'

const ANN = 'ann@example.com'
/** Two programs of one network: their fingerprints differ. */
const DESK: ConnectionOptions = {}
const PHONE: ConnectionOptions = { maxVersion: 'TLSv1.2' }

let server: OldServer
let postern: Running
beforeAll(async () => {
  server = await oldServer(ANN, 'secret', [])
  postern = await startPostern({ fronts: 2, backendPort: server.port })
  await postern.enroll(ANN)
})
afterAll(async () => {
  await postern.close()
  server.close()
})

/** A connection that has said who it is. `ask` sends the password and gives whether it is in. */
async function ready(client: ConnectionOptions) {
  const socket = connect({ ...client, port: postern.port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false }) // prettier-ignore
  let heard = ''
  socket.on('data', (bytes: Buffer) => (heard += bytes.toString())).on('error', () => undefined)
  await until('the greeting', () => heard.includes('\r\n'))
  socket.write(`USER ${ANN}\r\n`)
  await until('the answer to USER', () => heard.split('\r\n').length > 2)
  return {
    client,
    close: () => socket.destroy(),
    ask: async (password: string) => {
      socket.write(`PASS ${password}\r\n`)
      await until('the verdict', () => heard.split('\r\n').length > 3)
      return heard.split('\r\n')[2]?.startsWith('+OK') === true
    },
  }
}

async function atOnce(string: string, clients: ConnectionOptions[]): Promise<ConnectionOptions[]> {
  const guests = await Promise.all(clients.map((client) => ready(client)))
  const verdicts = await Promise.all(guests.map((guest) => guest.ask(string)))
  for (const guest of guests) guest.close()
  return clients.filter((_, i) => verdicts[i])
}

const factors = () =>
  postern
    .audit('auth')
    .filter((line) => line.event.action === 'login-succeeded')
    .map((line) => (line['postern'] as { factor: string }).factor)

test('one fresh string from two devices over four connections and two fronts: exactly one device gets in', async () => {
  const won = await atOnce(`secret${postern.code(ANN)}`, [DESK, PHONE, DESK, PHONE])
  expect(won).toHaveLength(2)
  expect(new Set(won).size).toBe(1)
  expect(factors().toSorted()).toEqual(['totp', 'trusted-device'])
})

test('from one device over four connections: all get in, and one of them by the code', async () => {
  const before = factors().length
  expect(await atOnce(`secret${postern.code(ANN, 1)}`, [DESK, DESK, DESK, DESK])).toHaveLength(4)
  expect(factors().slice(before).toSorted()).toEqual(['totp', 'trusted-device', 'trusted-device', 'trusted-device'])
})
