import { beforeAll, describe, expect, test } from 'vitest'
import { readCrls } from '../../../src/policy/crl.ts'
import { endingWords } from '../../../src/policy/client-ca.ts'
import { compilePolicies } from '../../../src/policy/compile.ts'
import { loginPolicyOf } from '../../../src/keeper/in-force.ts'
import { issue, revocations, type Issued } from '../../support/ca.ts'
import { DAY, faultsOf, good, NOW, POSTERN } from './folder.ts'

let root: Issued
let middle: Issued
let leaf: Issued
const [FROM, TO] = [NOW - 10 * DAY, NOW + 20 * DAY]

beforeAll(async () => {
  const times = { from: NOW - DAY, to: NOW + 90 * DAY }
  root = await issue('Root', { ca: true, ...times })
  middle = await issue('Middle', { ca: true, by: root, ...times })
  leaf = await issue('leaf', { by: middle, ...times })
})

const POLICY = POSTERN.replace('tls: {', 'tls: { client_ca: { ca: tls/ca.pem, crl: tls/ca.crl },')
const ASKING = `${POLICY}listeners: [{ name: outside, address: "127.0.0.1:0", client_certificates: request }]\n`
const list = (ca: Issued, change: Parameters<typeof revocations>[1] = {}) =>
  revocations(ca, { from: FROM, to: TO, ...change })
const files = (ca = root.cert + middle.cert, crl = list(root) + list(middle), postern = ASKING) => ({
  'postern.yaml': postern,
  'tls/ca.pem': ca,
  'tls/ca.crl': crl,
})
const told = (lines: string[]) => lines.map((line) => line.replace(/^postern.yaml:1:\d+: tls\//, ''))

test('a chain with a list for each CA is served with, and the listener is known to ask', async () => {
  const { policies, warnings } = await good(
    files(`text\n${root.cert}more\n${middle.cert}`, `text\n${list(root)}\n${list(middle)}`),
  )
  expect(warnings).toEqual([])
  expect(policies.clientCa).toMatchObject({
    userFrom: 'san_email',
    endings: [{ name: 'tls/ca.pem' }, { name: 'tls/ca.crl', at: TO }],
  })
  const { clientCa, listeners } = compilePolicies(policies, 1)
  expect([clientCa?.ca.length, clientCa?.crls.length, listeners[0]?.clientCertificates]).toEqual([2, 2, true])
  expect(loginPolicyOf(policies).asking).toEqual(['outside'])
})

describe('check finds', () => {
  test.each<[string, () => Record<string, string>, string[]]>([
    ['the list of the root missing', () => files(undefined, list(middle)), ['ca.crl holds no list of CN=Root: every CA of the chain needs one, or its certificates are all refused']],
    ['the list of the intermediate missing', () => files(undefined, list(root)), ['ca.crl holds no list of CN=Middle: every CA of the chain needs one, or its certificates are all refused']],
    ['a list that another key signed', () => files(undefined, list(root) + list(middle, { signer: root })), ['ca.crl holds a list of CN=Middle that was not signed with its key in tls/ca.pem; get it anew']],
    ['a file without a list', () => files(undefined, root.cert), ['ca.crl holds no revocation list in PEM form (`BEGIN X509 CRL`)']],
    ['a list that cannot be read', () => files(undefined, `${list(root)}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n`), ['ca.crl holds a revocation list (number 2) that cannot be read']],
    ['a chain without its root', () => files(middle.cert), ['ca.pem lacks the issuer of CN=Middle; put the whole chain there, up to the root']],
    ['a certificate that is no CA', () => files(root.cert + middle.cert + leaf.cert), ['ca.pem holds CN=leaf, which is no CA; put the certificates of the CA there, root first']],
    ['no certificate', () => files('nonsense'), ['ca.pem holds no certificate in PEM form']],
  ])('%s', async (_, of, expected) => {
    expect(told(await faultsOf(of()))).toEqual(expected)
  }) // prettier-ignore

  test('files that are not there, and no list named at all', async () => {
    const faults = await faultsOf({ 'postern.yaml': ASKING })
    expect(told(faults)).toEqual([
      'ca.pem is not there; put the certificates of your CA there in PEM form',
      'ca.crl is not there; put the revocation lists of your CA there in PEM form',
    ])
    expect(await faultsOf(files(undefined, undefined, ASKING.replace(', crl: tls/ca.crl', '')))).toEqual([
      expect.stringMatching(/^postern.yaml:1:\d+: `tls.client_ca` needs `crl`: without a list/),
    ])
  })

  test('a listener that asks for what nobody vouches for, and a CA that nobody asks', async () => {
    expect(await faultsOf({ 'postern.yaml': ASKING.replace(/client_ca: \{.*?\}, /, '') })).toEqual([
      'postern.yaml:5:75: `listeners[0].client_certificates: request` needs `tls.client_ca`: who may vouch for clients?',
    ])
    expect((await good(files(undefined, undefined, POLICY))).warnings).toEqual([
      expect.stringMatching(/^postern.yaml:1:\d+: `tls.client_ca` says nothing: no listener has/),
    ])
  })
})

describe('a list that ends', () => {
  const warningsAt = async (to: number, at = NOW) =>
    (await good(files(undefined, list(root) + list(middle, { to })), {}, { now: at })).warnings

  test('is worth a word in the last fifth of its time, and no fault when it is over', async () => {
    expect(await warningsAt(NOW + 3 * DAY)).toEqual([])
    expect(told(await warningsAt(NOW + 2 * DAY))).toEqual([
      'ca.crl runs out on 2026-11-23; get a new one, or client certificates are refused then',
    ])
    expect(told(await warningsAt(NOW - DAY))).toEqual([
      'ca.crl ran out on 2026-11-20: client certificates are refused; get a new one',
    ])
  })

  test('gives way to a newer one of the same CA; one without an end never does', async () => {
    const renewed = list(middle, { to: NOW - DAY }) + list(root) + list(middle, { from: NOW - DAY, to: NOW + 30 * DAY })
    expect((await good(files(undefined, renewed))).warnings).toEqual([])
    const { policies } = await good(files(undefined, list(root, { to: null }) + list(middle, { to: null })))
    expect(policies.clientCa?.endings.map(({ name }) => name)).toEqual(['tls/ca.pem'])
  })

  test('a CA that runs out is told by the measure of certificates', async () => {
    expect(
      told((await good(files(), {}, { now: NOW + 61 * DAY })).warnings).filter((line) => line.startsWith('ca.pem')),
    ).toEqual(['ca.pem runs out on 2027-02-19; get a new one, or client certificates are refused then'])
    const ending = { name: 'x', at: 100, warnFrom: 50, fingerprint: '' }
    expect([49, 50, 99, 100].map((now) => endingWords(ending, now)?.slice(0, 7))).toEqual([undefined, 'runs ou', 'runs ou', 'ran out']) // prettier-ignore
  })
})

test('methods that certificates alone make possible are taken where a listener asks', async () => {
  const login = 'second_factor: { methods: [client_certificate] }\n'
  expect(await faultsOf({ ...files(), 'login.yaml': login })).toEqual([])
  expect(await faultsOf({ 'login.yaml': login })).toEqual([
    expect.stringMatching(
      /^login.yaml:1:\d+: `second_factor.methods` lets nobody in: no listener of these logins asks/,
    ),
  ])
})

test('a list is read to its last octet, and says who signed it', () => {
  const [one] = readCrls(list(root, { revoked: [leaf], to: Date.UTC(2051, 0, 1) }))
  expect([one?.thisUpdate, one?.nextUpdate]).toEqual([FROM, Date.UTC(2051, 0, 1)])
  const der = Buffer.from(one?.pem.replace(/-----.*-----|\n/g, '') ?? '', 'base64')
  const pem = (bytes: Buffer) => `-----BEGIN X509 CRL-----\n${bytes.toString('base64')}\n-----END X509 CRL-----`
  expect(readCrls(pem(der))).toHaveLength(1)
  for (let cut = 0; cut < der.length; cut += 7)
    expect(readCrls(pem(der.subarray(0, cut))).every((each) => each === null)).toBe(true)
  expect(readCrls(pem(Buffer.concat([der, Buffer.of(0)])))).toEqual([null])
})
