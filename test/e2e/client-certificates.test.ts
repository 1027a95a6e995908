import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { oldServer, type OldServer } from '../../src/demo/old-server.ts'
import { issue, revocations, type Issued } from '../support/ca.ts'
import { startPostern, until, type Running } from '../support/running.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

const ANN = 'ann@example.com'
let server: OldServer
let postern: Running
let root: Issued
let middle: Issued
let ann: Issued
let bob: Issued

beforeAll(async () => {
  root = await issue('Root', { ca: true })
  middle = await issue('Middle', { ca: true, by: root })
  ann = await issue('Ann', { emails: ['Ann@Example.com'], by: middle })
  bob = await issue('Bob', { emails: ['bob@example.com'], by: middle })
  server = await oldServer(ANN, 'secret', [])
  postern = await startPostern({
    backendPort: server.port,
    postern: {
      listeners: [{ name: 'outside', address: '127.0.0.1:0', client_certificates: 'request' }],
      tls: {
        certificates: [{ cert: 'tls/cert.pem', key: 'tls/key.pem' }],
        client_ca: { ca: 'tls/ca.pem', crl: 'tls/ca.crl' },
      },
    },
    files: { 'tls/ca.pem': root.cert + middle.cert, 'tls/ca.crl': revocations(root) + revocations(middle) },
  })
  await postern.enroll(ANN)
})
afterAll(async () => {
  await postern.close()
  server.close()
})

async function logIn(shown: Issued | null, password: string, user = ANN): Promise<string> {
  const certificate = shown && { cert: shown.cert + middle.cert, key: shown.key }
  const socket = connect({ port: postern.port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, ...certificate }) // prettier-ignore
  socket.on('error', () => undefined)
  await once(socket, 'data')
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  socket.write(`USER ${user}\r\nPASS ${password}\r\n`)
  await until('the verdict', () => /^[-+].*\r\n[-+].*\r\n/.test(heard))
  socket.destroy()
  return heard.split('\r\n')[1] ?? ''
}
const last = () => postern.audit('auth').findLast(({ event }) => event.action.startsWith('login-'))

describe('a client certificate', () => {
  test('of the user takes the place of the code, and the audit names it', async () => {
    expect(await logIn(ann, 'secret')).toMatch(/^\+OK/)
    expect(last()).toMatchObject({
      event: { action: 'login-succeeded' },
      postern: { factor: 'client-certificate' },
      tls: {
        client: {
          certificate_verdict: 'good',
          hash: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
          x509: {
            serial_number: expect.stringMatching(/^[0-9A-F]+$/) as string,
            alternative_names: ['Ann@Example.com'],
          },
        },
      },
    })
  })

  test('of nobody, or of somebody else, is none: the code is asked for as ever', async () => {
    for (const [shown, password] of [
      [null, 'sesame'],
      [bob, 'simsim'],
    ] as const) {
      expect(await logIn(shown, password)).toMatch(/^-ERR \[AUTH\]/)
      expect(last()?.event.reason).toBe('code-missing')
    }
    expect(await logIn(bob, `secret${postern.code(ANN)}`)).toMatch(/^\+OK/)
  })

  test('that is revoked counts no more as soon as the list on disk says so; a list that is cut off changes nothing', async () => {
    const list = join(postern.folder, 'policies/tls/ca.crl')
    writeFileSync(list, (revocations(root) + revocations(middle)).slice(0, -100))
    await until('the refusal', () => postern.audit('admin').some(({ event }) => event.action === 'policy-rejected'))
    expect(await logIn(ann, 'secret')).toMatch(/^\+OK/)
    writeFileSync(list, revocations(root) + revocations(middle, { revoked: [ann] }))
    for (let n = 0; n < 200 && (await logIn(ann, 'secret')).startsWith('+OK'); n++) await delay(50)
    expect(await logIn(ann, 'abracadabra')).toMatch(/^-ERR \[AUTH\]/)
    expect(last()).toMatchObject({
      event: { reason: 'code-missing' },
      tls: { client: { certificate_verdict: 'CERT_REVOKED' } },
    })
  })
})

test('the status shows when CA and lists run out', async () => {
  const { stdout } = await postern.cli('status')
  expect(stdout).toMatch(/^certificate +tls\/ca\.crl until .* for client certificates$/m)
})
