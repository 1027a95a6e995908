import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { connect, type ConnectionOptions } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { readClientHello, type ClientHello } from '../../../src/front/client-hello.ts'

/** The first bytes that this machine's OpenSSL sends with these options. */
async function helloBytes(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
  client.on('error', () => undefined)
  const [peer] = (await once(server, 'connection')) as [import('node:net').Socket]
  let seen = Buffer.alloc(0)
  for (;;) {
    seen = Buffer.concat([seen, ((await once(peer, 'data')) as [Buffer])[0]])
    if (seen.length >= 5 + seen.readUInt16BE(3)) break
  }
  peer.destroy()
  client.destroy()
  server.close()
  return seen
}

const whole = (bytes: Buffer): ClientHello => {
  const read = readClientHello(bytes)
  if (read === 'more' || read === 'not-tls') throw new Error(read)
  return read
}

/** A hello made by hand: cipher suites and extensions as given. */
function handMade(ciphers: number[], extensions: [number, string][], version = 0x0303): Buffer {
  const u16 = (value: number) => Buffer.from([value >> 8, value & 255])
  const v16 = (body: Buffer) => Buffer.concat([u16(body.length), body])
  const body = Buffer.concat([
    u16(version),
    Buffer.alloc(32),
    Buffer.from([0]),
    v16(Buffer.concat(ciphers.map(u16))),
    Buffer.from([1, 0]),
    v16(Buffer.concat(extensions.map(([id, data]) => Buffer.concat([u16(id), v16(Buffer.from(data, 'hex'))])))),
  ])
  const message = Buffer.concat([Buffer.from([1, 0]), v16(body)])
  return Buffer.concat([Buffer.from([22, 3, 1]), v16(message)])
}

describe('the fingerprint of a ClientHello', () => {
  test("the JA4 specification's own example comes out, GREASE and order notwithstanding", () => {
    const ciphers = [0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014]
    const extensions: [number, string][] = [
      [0x1a1a, ''],
      [0, '000e00000b6578616d706c652e636f6d'],
      [16, '000c02683208687474702f312e31'],
      [13, '001004030804040105030805050108060601'],
      [43, '062a2a03040303'],
    ]
    const empty = [5, 10, 11, 18, 21, 23, 27, 35, 45, 51, 0x4469, 0xff01].map((id): [number, string] => [id, ''])
    const hello = whole(handMade([...ciphers, 0x9c, 0x9d, 0x2f, 0x35], [...extensions, ...empty]))
    expect(hello.ja4).toBe('t13d1516h2_8daaf6152771_e5627efa2ab1')
    expect(hello.serverName).toBe('example.com')
  })

  test('a resumed session has another JA4 and the same stable fingerprint', () => {
    const steady: [number, string][] = [
      [13, '000404030804'],
      [43, '020304'],
      [45, '0101'],
    ]
    const first = whole(handMade([0x1301], [...steady, [35, '']]))
    const resumed = whole(
      handMade([0x1301], [...steady, [35, 'aabb'], [21, '0000'], [42, ''], [44, '0000'], [41, '0000']]),
    )
    expect(resumed.ja4).not.toBe(first.ja4)
    expect(resumed.stable).toBe(first.stable)
  })

  test('other ciphers, other signature algorithms, other extensions: another device', () => {
    const base = whole(handMade([0x1301], [[13, '00020403']])).stable
    expect(whole(handMade([0x1302], [[13, '00020403']])).stable).not.toBe(base)
    expect(whole(handMade([0x1301], [[13, '00020804']])).stable).not.toBe(base)
    expect(
      whole(
        handMade(
          [0x1301],
          [
            [13, '00020403'],
            [23, ''],
          ],
        ),
      ).stable,
    ).not.toBe(base)
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a real client of %s is read, its name too', async (version) => {
    const bytes = await helloBytes({ servername: 'mail.example.com', minVersion: version, maxVersion: version })
    const hello = whole(bytes)
    expect(hello.serverName).toBe('mail.example.com')
    expect(hello.ja4).toMatch(version === 'TLSv1.3' ? /^t13d/ : /^t12d/)
  })

  test('cut at every byte it waits for more, and never takes a part for the whole', async () => {
    const bytes = await helloBytes({ servername: 'mail.example.com' })
    for (let cut = 0; cut < bytes.length; cut++) expect(readClientHello(bytes.subarray(0, cut))).toBe('more')
    expect(whole(bytes).serverName).toBe('mail.example.com')
  })

  test('split over several TLS records it is the same hello', async () => {
    const bytes = await helloBytes({ servername: 'mail.example.com' })
    const body = bytes.subarray(5)
    const records: Buffer[] = []
    for (let at = 0; at < body.length; at += 100) {
      const part = body.subarray(at, at + 100)
      records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
    }
    expect(whole(Buffer.concat(records))).toEqual(whole(bytes))
  })
})

describe('what is no ClientHello', () => {
  test.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a POP3 command in the clear', Buffer.from('USER ann\r\n')],
    ['another handshake message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['an alert', Buffer.from([21, 3, 1, 0, 2, 1, 0])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['a hello that claims 16 MiB', Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255])],
    ['a record over the ceiling', Buffer.from([22, 3, 1, 255, 255, 1])],
  ])('%s is refused at once', (_, bytes) => {
    expect(readClientHello(bytes)).toBe('not-tls')
  })

  test('lengths that lie inside the hello are refused, not read past the end', () => {
    const bytes = handMade([0x1301], [[13, '00020403']])
    bytes[5 + 4 + 2 + 32 + 1] = 255
    expect(readClientHello(bytes)).toBe('not-tls')
  })

  test('thousands of records of one octet are not joined: they would hold up everybody else for seconds', () => {
    const octets = [1, 0, 0x30, 0, ...Array.from({ length: 60 }, () => 0)]
    const records = octets.map((octet) => Buffer.from([22, 3, 1, 0, 1, octet]))
    expect(readClientHello(Buffer.concat(records))).toBe('more')
    expect(readClientHello(Buffer.concat([...records, Buffer.from([22, 3, 1, 0, 1])]))).toBe('not-tls')
  })

  test('records that never complete the hello end at the ceiling', () => {
    const record = Buffer.concat([Buffer.from([22, 3, 1, 0, 100]), Buffer.alloc(100, 1)])
    const first = Buffer.concat([Buffer.from([22, 3, 1, 0, 100, 1, 0, 0x3f, 0xff]), Buffer.alloc(96)])
    const flood = Buffer.concat([first, ...Array.from({ length: 200 }, () => record)])
    expect(readClientHello(flood)).not.toBe('more')
  })
})
