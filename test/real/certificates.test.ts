/** A CA as the README makes it, with openssl, and curl with the certificates of it: what an operator and a mail program do. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { oldServer, type OldServer } from '../../src/demo/old-server.ts'
import { startPostern, until, type Running } from '../support/running.ts'
import { makeHouse, type House } from './support/house.ts'

const ANN = 'ann@example.com'
let house: House
let server: OldServer
let postern: Running

/** The commands of the README, from the line that names them to the end of their block. */
function recipe(heading: string): string {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const block = new RegExp(`# ${heading}\n([^]*?)\n\`\`\``).exec(readme)?.[1]
  if (block === undefined) throw new Error(`the README has no recipe: ${heading}`)
  return block
}
async function sh(script: string): Promise<void> {
  await house.put('/script', `set -e\nmkdir -p /ca\ncd /ca\n${script}\n`)
  const done = await house.run(['/bin/sh', '/script'], { ms: 60_000 })
  if (done.code !== 0) throw new Error(`${script}\n${done.out}${done.err}`)
}
const made = (name: string) => readFileSync(house.path(`/ca/${name}`), 'utf8')
const client = (name: string, email: string) =>
  recipe('a certificate for ann').replaceAll(/ann@example\.com|ann/g, (found) => (found === ANN ? email : name))
/** Takes a name out of the trust: the README's lines. */
const revoke = (name: string) => recipe('take it back').replaceAll('ann', name)

beforeAll(async () => {
  house = await makeHouse('certificates', ['ann'])
  await sh(recipe('the CA'))
  await sh(client('ann', ANN))
  await sh(client('lost', ANN))
  await sh(client('bob', 'bob@example.com'))
  // An intermediate CA: the root issues it, and it issues one for ann, with a list of its own.
  await sh(`mkdir middle && cp ca.cnf middle/ && touch middle/index.txt && echo 2000 > middle/crlnumber
openssl req -newkey rsa:2048 -nodes -subj "/CN=Middle" -keyout middle/ca.key -out middle.csr
printf 'basicConstraints=critical,CA:TRUE\\n' > middle.ext
openssl ca -config ca.cnf -batch -notext -days 365 -extfile middle.ext -in middle.csr -out middle/clients-ca.pem
cd middle
${client('deep', ANN)}
openssl ca -config ca.cnf -gencrl -out clients.crl`)
  server = await oldServer(ANN, 'secret', [])
  postern = await startPostern({
    backendPort: server.port,
    postern: {
      listeners: [{ name: 'outside', address: '127.0.0.1:0', client_certificates: 'request' }],
      tls: {
        certificates: [{ cert: 'tls/cert.pem', key: 'tls/key.pem' }],
        client_ca: { ca: 'tls/ca.pem', crl: 'tls/clients.crl' },
      },
    },
    files: { 'tls/ca.pem': made('clients-ca.pem') + made('middle/clients-ca.pem'), 'tls/clients.crl': made('clients.crl') + made('middle/clients.crl') }, // prettier-ignore
  })
  await house.put('/ca.pem', readFileSync(join(postern.folder, 'policies/tls/cert.pem')))
})
afterAll(async () => {
  await postern.close()
  server.close()
  await house.demolish()
})

/** Gives curl's exit code: 0, or 67 for a login that was refused. */
async function curl(name: string | null, version = '1.3', password = 'secret'): Promise<number> {
  const shown = name === null ? [] : ['--cert', `/ca/${name}.pem`, '--key', `/ca/${name}.key`]
  const tls = ['--cacert', '/ca.pem', '--tlsv1.2', '--tls-max', version]
  const url = `pop3s://localhost:${String(postern.port)}/`
  const done = await house.run(['/usr/bin/curl', '-sS', ...tls, ...shown, '-u', `${ANN}:${password}`, url], {
    ms: 30_000,
  })
  return done.code
}
const last = () => postern.audit('auth').findLast(({ event }) => event.action.startsWith('login-'))
const verdict = () => (last()?.['tls'] as { client: { certificate_verdict?: string } }).client.certificate_verdict

describe.each(['1.2', '1.3'])('curl over TLS %s', (version) => {
  test('gets in with the certificate of its user and the bare password', async () => {
    expect(await curl('ann', version)).toBe(0)
    expect(last()).toMatchObject({ event: { action: 'login-succeeded' }, postern: { factor: 'client-certificate' } })
  })

  test('gets in through an intermediate CA that has a list of its own', async () => {
    expect(await curl('middle/deep', version)).toBe(0)
  })

  test('without a certificate, or with that of somebody else, is refused as ever', async () => {
    expect([await curl(null, version), verdict()]).toEqual([67, undefined])
    expect([await curl('bob', version), verdict()]).toEqual([67, 'good'])
    expect([await curl('ann', version, `wrong${version}`), last()?.event.reason]).toEqual([67, 'password-wrong'])
  })
})

test('a certificate that is taken back is refused by the next list, and the others go on', async () => {
  expect(await curl('lost')).toBe(0)
  await sh(revoke('lost'))
  const lists = made('clients.crl') + made('middle/clients.crl')
  writeFileSync(join(postern.folder, 'policies/tls/clients.crl'), lists)
  const loaded = () => postern.audit('admin').filter(({ event }) => event.action === 'policy-loaded').length
  await until('the new list', () => loaded() > 1)
  expect([await curl('lost'), verdict()]).toEqual([67, 'CERT_REVOKED'])
  expect(await curl('ann')).toBe(0)
  expect((await postern.cli('check')).code).toBe(0)
})
