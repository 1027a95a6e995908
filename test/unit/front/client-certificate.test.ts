import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { CertificateFacts } from '../../../src/audit/events.ts'
import { usersOf } from '../../../src/front/client-certificate.ts'
import { terminator, type Secured, type Terminator } from '../../../src/front/tls.ts'
import { readFromFront, type ClientCaPlan, type Snapshot } from '../../../src/keeper/messages.ts'
import { issue, revocations, type Issued } from '../../support/ca.ts'
import { testCertificate } from '../../support/certificate.ts'
import { OPEN } from '../gate/lists.ts'

const DAY = 86_400_000
const ANN = 'ann@example.com'
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

let own: Issued
let root: Issued
let middle: Issued
let ann: Issued
let direct: Issued
let revoked: Issued
let old: Issued
let stranger: Issued
const open: { close(): void }[] = []

beforeAll(async () => {
  own = await testCertificate(['mail.example.com'])
  root = await issue('Root', { ca: true })
  middle = await issue('Middle', { ca: true, by: root })
  ann = await issue('Ann', { emails: [ANN], by: middle })
  direct = await issue('Direct', { emails: [ANN], by: root })
  revoked = await issue('Ann', { emails: [ANN], by: middle })
  old = await issue('Ann', { emails: [ANN], by: middle, from: Date.now() - 9 * DAY, to: Date.now() - DAY })
  stranger = await issue('Ann', { emails: [ANN] })
})
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

const lists = () => [revocations(root), revocations(middle, { revoked: [revoked] })]
const plan = (crls = lists(), ca = [root.cert, middle.cert]): ClientCaPlan => ({ ca, crls, userFrom: 'san_email' })

function snapshot(clientCa: ClientCaPlan | null = plan()): Snapshot {
  return {
    generation: 1,
    listeners: [],
    certificates: [{ name: 'own', ...own, serverNames: ['mail.example.com'] }],
    clientCa,
    minVersion: 'TLSv1.2',
    backends: [],
    gate: OPEN,
    onDeny: 'drop',
    messages: false,
    limits: { loginTimeMs: 60_000, idleTimeMs: 600_000, connections: 100 },
  }
}

/** A door whose every other connection may be told apart by its port: `asking` asks for certificates. */
async function door(tls: Terminator, ask: 'certificate' | 'no-certificate' = 'certificate') {
  const waiters: ((result: Secured) => void)[] = []
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on('error', () => undefined)
    open.push({ close: () => socket.destroy() })
    void tls.secure(socket, [], ask).then((result) => {
      if (result.at === 'failed') throw new Error(result.reason)
      result.socket.on('error', () => undefined)
      waiters.shift()?.(result)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(server)
  const { port } = server.address() as AddressInfo
  return async (
    options: ConnectionOptions = {},
  ): Promise<{ got: Secured; peer: TLSSocket; session: Buffer | null }> => {
    const { promise, resolve } = Promise.withResolvers<Secured>()
    waiters.push(resolve)
    const peer = connect({ host: '127.0.0.1', port, servername: 'mail.example.com', rejectUnauthorized: false, ...options }) // prettier-ignore
    let session: Buffer | null = null
    peer.on('error', () => undefined).on('session', (ticket: Buffer) => (session = ticket))
    open.push({ close: () => peer.destroy() })
    const got = await promise
    got.socket.write('+OK\r\n')
    await once(peer, 'data')
    // Tickets of TLS 1.3 come behind the handshake, before what is written then.
    return { got, peer, session }
  }
}
/** The same with the sign bit of its serial number set; whoever made it by hand need not have signed it. */
function belowZero({ cert, key }: Issued): Issued {
  const { raw, serialNumber } = new X509Certificate(cert)
  const serial = Buffer.from(serialNumber, 'hex')
  const at = raw.indexOf(serial)
  raw[at] = (serial[0] ?? 0) | 0x80
  const base64 = raw.toString('base64').replaceAll(/.{64}/g, '$&\n')
  return { cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`, key }
}
const withCert = ({ cert, key }: Issued, ...chain: Issued[]) => ({ cert: [cert, ...chain.map((one) => one.cert)].join(''), key }) // prettier-ignore
const certificateOf = (got: Secured): CertificateFacts | undefined => got.facts.certificate

describe.each(VERSIONS)('over %s', (version) => {
  const only = { minVersion: version, maxVersion: version }

  test('a good certificate names its user, its fingerprint and its serial number', async () => {
    const visit = await door(terminator(snapshot()))
    const { got } = await visit({ ...only, ...withCert(ann, middle) })
    const read = new X509Certificate(ann.cert)
    expect(certificateOf(got)).toEqual({
      verdict: 'good',
      users: [ANN],
      serial: read.serialNumber,
      fingerprint: read.fingerprint256.replaceAll(':', '').toLowerCase(),
    })
  })

  test.each<[string, () => Issued | null, string | undefined]>([
    ['none', () => null, undefined],
    ['one that vouches for itself', () => stranger, 'UNABLE_TO_GET_CRL'],
    ['one that ran out', () => old, 'CERT_HAS_EXPIRED'],
    ['one that was revoked', () => revoked, 'CERT_REVOKED'],
  ])('%s ends no handshake and is no factor', async (_, shown, verdict) => {
    const visit = await door(terminator(snapshot()))
    const certificate = shown()
    const { got } = await visit({ ...only, ...(certificate && withCert(certificate, middle)) })
    expect(certificateOf(got)?.verdict).toBe(verdict)
    expect(certificateOf(got)?.users ?? []).toEqual([])
  })

  test('a serial number below zero, as anybody may write it, is what an honest front may tell', async () => {
    const visit = await door(terminator(snapshot()))
    const { got } = await visit({ ...only, ...withCert(belowZero(stranger)) })
    expect(certificateOf(got)?.serial).toMatch(/^-[0-9A-F]+$/)
    const told = { kind: 'secured', session: '0'.repeat(24), tls: got.facts, client: got.client, handshakeMs: 1 }
    expect(readFromFront(told)).toEqual([told])
  })

  test.each<[string, () => ClientCaPlan, string]>([
    ['of the root is missing', () => plan([revocations(middle)]), 'UNABLE_TO_GET_CRL'],
    ['of the intermediate is missing', () => plan([revocations(root)]), 'UNABLE_TO_GET_CRL'],
    ['of the intermediate is past its date', () => plan([revocations(root), revocations(middle, { to: Date.now() - 1_000 })]), 'CRL_HAS_EXPIRED'],
    ['of the root is past its date', () => plan([revocations(root, { to: Date.now() - 1_000 }), revocations(middle)]), 'CRL_HAS_EXPIRED'],
    ['of the intermediate was signed by somebody else', () => plan([revocations(root), revocations(middle, { signer: root })]), 'CRL_SIGNATURE_FAILURE'],
  ])('where the list %s, a certificate is refused', async (_, ca, verdict) => {
    const visit = await door(terminator(snapshot(ca())))
    expect(certificateOf((await visit({ ...only, ...withCert(ann, middle) })).got)).toMatchObject({ verdict, users: [] })
  }) // prettier-ignore

  test('a chain without an intermediate needs the list of the root alone', async () => {
    const visit = await door(terminator(snapshot(plan([revocations(root)], [root.cert]))))
    expect(certificateOf((await visit({ ...only, ...withCert(direct) })).got)?.verdict).toBe('good')
  })

  test('nothing is resumed, neither here nor with what another listener gave out', async () => {
    const tls = terminator(snapshot())
    tls.setTicketKeys(Buffer.alloc(48, 7))
    const asking = await door(tls)
    const plain = await door(tls, 'no-certificate')
    const elsewhere = await plain({ ...only })
    expect(certificateOf(elsewhere.got)).toBeUndefined()
    const first = await asking({ ...only, ...withCert(ann, middle) })
    // The test can see a resumption where there is one.
    if (elsewhere.session === null) throw new Error('no ticket from the plain listener')
    expect((await plain({ ...only, session: elsewhere.session })).got.facts.resumed).toBe(true)
    for (const session of [elsewhere.session, first.session ?? elsewhere.session]) {
      for (const shown of [{}, withCert(revoked, middle)]) {
        const { got } = await asking({ ...only, session, ...shown })
        expect(got.facts.resumed).toBe(false)
        expect(certificateOf(got)?.users ?? []).toEqual([])
      }
    }
    expect(
      (await plain({ ...only, session: first.session ?? elsewhere.session })).got.facts.certificate,
    ).toBeUndefined()
  })
})

describe('what is wrong with a certificate in any way, makes it none:', () => {
  const shown = async (certificate: Issued, ...chain: Issued[]) => {
    const visit = await door(terminator(snapshot()))
    return certificateOf((await visit(withCert(certificate, ...chain))).got)
  }
  // The lists of the right CAs are there for these names, so nothing but the signature is amiss.
  test('by a CA of the same name, in place of the intermediate or of the root', async () => {
    const fakeRoot = await issue('Root', { ca: true })
    const fakeMiddle = await issue('Middle', { ca: true, by: fakeRoot })
    const forged = await issue('Ann', { emails: [ANN], by: fakeMiddle })
    const byRoot = await issue('Ann', { emails: [ANN], by: fakeRoot })
    for (const chain of [[fakeMiddle, fakeRoot], [fakeMiddle], [middle], [fakeRoot], []]) {
      for (const one of [forged, byRoot]) {
        const seen = await shown(one, ...chain)
        expect([seen?.verdict === 'good', seen?.users]).toEqual([false, []])
      }
    }
  })

  test('by somebody with a client certificate, who is no CA', async () => {
    const forged = await issue('Boss', { emails: ['boss@example.com'], by: ann })
    const seen = await shown(forged, ann, middle)
    expect([seen?.verdict === 'good', seen?.users]).toEqual([false, []])
  })

  test('for a server, by the right CA', async () => {
    const server = await issue('mail.example.com', { emails: [ANN], server: true, by: middle })
    expect(await shown(server, middle)).toMatchObject({ verdict: 'INVALID_PURPOSE', users: [] })
  })

  test('before its time, by the right CA', async () => {
    const early = await issue('Ann', { emails: [ANN], by: middle, from: Date.now() + DAY, to: Date.now() + 2 * DAY })
    expect((await shown(early, middle))?.users).toEqual([])
  })
})

test('a list that changed counts from the next handshake on, a CA that went as well', async () => {
  const tls = terminator(snapshot(plan([revocations(root), revocations(middle)])))
  const visit = await door(tls)
  const verdict = async () => certificateOf((await visit(withCert(ann, middle))).got)?.verdict
  expect(await verdict()).toBe('good')
  tls.update(snapshot(plan([revocations(root), revocations(middle, { revoked: [ann] })])))
  expect(await verdict()).toBe('CERT_REVOKED')
  tls.update(snapshot(null))
  expect(await verdict()).toBeUndefined()
  tls.update(snapshot())
  expect(await verdict()).toBe('good')
})

test('a listener that does not ask learns of no certificate', async () => {
  const visit = await door(terminator(snapshot()), 'no-certificate')
  expect(certificateOf((await visit(withCert(ann, middle))).got)).toBeUndefined()
})

describe('the user of a certificate', () => {
  const of = async (cn: string, emails: string[], from: 'san_email' | 'cn' = 'san_email') =>
    usersOf(new X509Certificate((await issue(cn, { emails })).cert).raw, from)

  test('is every e-mail address of its SAN, as written, and never its CN', async () => {
    expect(await of('bob@example.com', [ANN, 'Ann.B@Example.com'])).toEqual([ANN, 'Ann.B@Example.com'])
    expect(await of(ANN, [])).toEqual([])
  })

  test('is its one CN where policy says so', async () => {
    expect(await of('ann', ['bob@example.com'], 'cn')).toEqual(['ann'])
  })

  test('is nobody where there are more names than anybody has', async () => {
    expect(
      await of(
        'x',
        Array.from({ length: 9 }, (_, i) => `u${i}@example.com`),
      ),
    ).toEqual([])
  })

  test('is nobody for bytes that are no certificate', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('3000', 'hex'), Buffer.from('nonsense')])
      expect(usersOf(bytes, 'cn')).toEqual([])
  })

  test('is nobody where one of its names holds what two readers see differently', async () => {
    const raw = new X509Certificate((await issue('ann', { emails: [ANN, 'bob@example.com'] })).cert).raw
    for (const byte of [0, 0xff]) {
      const bent = Buffer.from(raw)
      bent[bent.indexOf('bob@')] = byte
      expect(usersOf(bent, 'san_email')).toEqual([])
    }
  })
})
