import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { beforeAll, expect, test } from 'vitest'
import { reveal } from '../../../src/base/secret.ts'
import { loadCertificate } from '../../../src/policy/certificates.ts'
import { createReader } from '../../../src/policy/read-file.ts'
import { DAY, folderOf, NOW, pair } from './folder.ts'

type Pair = Awaited<ReturnType<typeof pair>>
let usual: Pair
let root: Pair
let middle: Pair
let leaf: Pair

const named = (value: string) => [{ name: 'commonName', value }]
const issue = async (name: string, ca?: Pair): Promise<Pair> => {
  const made = await generate(named(name), {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(NOW - DAY),
    notAfterDate: new Date(NOW + 90 * DAY),
    extensions: [
      { name: 'basicConstraints', cA: name !== 'leaf', critical: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'mail.example.com' }] },
    ],
    ...(ca === undefined ? {} : { ca }),
  })
  return { cert: made.cert, key: made.private }
}

beforeAll(async () => {
  usual = await pair({ names: ['Mail.example.com', '*.example.org', 'pop.example.com'] })
  root = await issue('root')
  middle = await issue('middle', root)
  leaf = await issue('leaf', middle)
})

async function read(cert: string | Buffer, key: string | Buffer, now = NOW) {
  const folder = await folderOf({ 'tls/cert.pem': cert, 'tls/key.pem': key })
  const files = { name: 'tls/cert.pem', cert: join(folder, 'tls/cert.pem'), key: join(folder, 'tls/key.pem') }
  return loadCertificate(files, createReader(), now, (path) => path.replace(`${folder}/tls/`, ''))
}
async function fault(cert: string | Buffer, key: string | Buffer, now = NOW): Promise<string> {
  const result = await read(cert, key, now)
  return result.ok ? 'no fault' : result.fault
}

test('a pair that fits says whom it is for, how long, and what its fingerprint is', async () => {
  const result = await read(usual.cert, usual.key)
  if (!result.ok) throw new Error(result.fault)
  expect(result.value).toMatchObject({
    serverNames: ['mail.example.com', '*.example.org', 'pop.example.com'],
    notAfter: NOW + 90 * DAY,
    fingerprint: new X509Certificate(usual.cert).fingerprint256,
    chain: new X509Certificate(usual.cert).toString(),
    warnings: [],
  })
  expect(createPrivateKey(reveal(result.value.privateKey)).equals(createPrivateKey(usual.key))).toBe(true)
  expect(JSON.stringify(result.value)).not.toContain('PRIVATE')
})

test('a chain in order is taken, with the root or without', async () => {
  expect(await fault(leaf.cert + middle.cert, leaf.key)).toBe('no fault')
  expect(await fault(`${leaf.cert}\n# issued by\n${middle.cert}${root.cert}`, leaf.key)).toBe('no fault')
})

test('one file may hold the certificate and its key, and each goes only where it belongs', async () => {
  const result = await read(leaf.cert + leaf.key, leaf.cert + leaf.key)
  expect(result.ok && result.value.chain).toBe(new X509Certificate(leaf.cert).toString())
})

test('a chain in the wrong order is refused', async () => {
  expect(await fault(middle.cert + leaf.cert, leaf.key)).toBe(
    "cert.pem is in the wrong order; put the server's own certificate first, then each issuer",
  )
  expect(await fault(leaf.cert + root.cert + middle.cert, leaf.key)).toBe(
    "cert.pem is in the wrong order: certificate 2 did not issue certificate 1; put the server's own first, then each issuer",
  )
})

test('a key of another certificate is refused', async () => {
  expect(await fault(usual.cert, leaf.key)).toBe(
    'cert.pem and key.pem do not belong together; put the key there that this certificate was made for',
  )
})

test('a key behind a passphrase is refused, whichever way it is locked', async () => {
  const key = createPrivateKey(usual.key)
  const locked = [
    key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
    key.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
  ]
  for (const pem of locked) {
    expect(await fault(usual.cert, pem)).toBe(
      'key.pem is locked with a passphrase; unlock it: openssl pkey -in key.pem -out FILE',
    )
  }
})

test('a certificate before its time or after it is served with a warning: no mail at all would be worse', async () => {
  const [from, to] = [NOW - DAY, NOW + 90 * DAY]
  const warnings = async (now: number) => {
    const result = await read(usual.cert, usual.key, now)
    return result.ok ? result.value.warnings : [result.fault]
  }
  expect(await warnings(from - 1)).toEqual([
    'cert.pem is not valid before 2026-11-20; until then mail programs refuse it',
  ])
  expect(await warnings(from)).toEqual([])
  expect(await warnings(to)).toEqual([])
  expect(await warnings(to + 1)).toEqual(['cert.pem ran out on 2027-02-19; renew it, as mail programs refuse it'])
})

test('files that hold something else are refused in plain words', async () => {
  const der = new X509Certificate(usual.cert).raw
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  expect(await fault('', usual.key)).toBe('cert.pem holds no certificate in PEM form')
  expect(await fault(usual.key, usual.key)).toBe('cert.pem holds no certificate in PEM form')
  expect(await fault(der, usual.key)).toBe(
    'cert.pem is no PEM file; put the certificate and its chain there in PEM form',
  )
  expect(await fault(usual.cert, usual.cert)).toBe('key.pem holds no private key in PEM form')
  expect(await fault(usual.cert, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')).toBe(
    'key.pem holds a private key that cannot be read; put the right file there',
  )
  expect(await fault(usual.cert + broken, usual.key)).toBe(
    'cert.pem holds a certificate (number 2) that cannot be read; get it anew from its issuer',
  )
})

test('a key that OpenSSL will not serve with is refused now, not at the first handshake', async () => {
  const weak = await generate(named('mail.example.com'), {
    keyType: 'rsa',
    keySize: 1024,
    algorithm: 'sha256',
    notBeforeDate: new Date(NOW - DAY),
    notAfterDate: new Date(NOW + DAY),
  })
  expect(await fault(weak.cert, weak.private)).toMatch(/^cert.pem is refused by OpenSSL \(ee key too small\)/)
})

test('a certificate without a host name and a key that others can read are warned of', async () => {
  const nameless = await pair({ names: [] })
  const folder = await folderOf({ 'tls/cert.pem': nameless.cert, 'tls/key.pem': nameless.key })
  const files = { name: 'c', cert: join(folder, 'tls/cert.pem'), key: join(folder, 'tls/key.pem') }
  await chmod(files.key, 0o640)
  const result = await loadCertificate(files, createReader(), NOW, (path) => path.replace(`${folder}/tls/`, ''))
  expect(result.ok && result.value.serverNames).toEqual([])
  expect(result.ok && result.value.warnings).toEqual([
    'key.pem can be read by others than its owner; chmod 600 key.pem',
    'cert.pem names no host (no DNS entry in subjectAltName); mail programs will refuse it',
  ])
})
