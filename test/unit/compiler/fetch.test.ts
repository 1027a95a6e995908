import { gzipSync } from 'node:zlib'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { FEED_BODY_MAX, FEED_REDIRECTS_MAX } from '../../../src/base/gate-limits.ts'
import { fetchBody, type Fetched } from '../../../src/compiler/fetch.ts'
import { testCertificate } from '../../support/certificate.ts'
import { startFeedServer, type FeedServer } from '../../support/feed-server.ts'

const LIST = '192.0.2.0/24\n198.51.100.7\n'
const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function server(listener: RequestListener, plain = false): Promise<FeedServer> {
  const made = await startFeedServer(listener, plain)
  opened.push(made)
  return made
}

function get(from: FeedServer, path = '/list', more: { etag?: string; lastModified?: string } = {}, ms?: number) {
  return fetchBody({ url: from.url + path, etag: null, lastModified: null, ca: [from.ca], ...more }, ms)
}

async function got(listener: RequestListener, ms?: number): Promise<Fetched> {
  return get(await server(listener), '/list', {}, ms)
}

const failed = (words: string) => ({ at: 'failed', reason: `the server ${words}` })
const text = (fetched: Fetched) => (fetched.at === 'body' ? fetched.body.toString() : fetched)

/** Says these octets to whoever connects over TLS, and closes or not. */
async function raw(words: string, end: boolean): Promise<Fetched> {
  const { cert, key } = await testCertificate(['localhost'])
  const made = createTlsServer({ cert, key }, (socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => (end ? socket.end(words) : socket.write(words)))
  })
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  opened.push(made)
  const url = `https://localhost:${(made.address() as AddressInfo).port}/`
  return fetchBody({ url, etag: null, lastModified: null, ca: [cert] }, 1_000)
}

describe('a body', () => {
  test('comes with its validators', async () => {
    const fetched = await got((_, response) => {
      response.setHeader('etag', 'W/"x"')
      response.setHeader('last-modified', 'Sat, 21 Nov 2026 12:00:00 GMT')
      response.end(LIST)
    })
    expect(fetched).toEqual({
      at: 'body',
      body: Buffer.from(LIST),
      etag: 'W/"x"',
      lastModified: 'Sat, 21 Nov 2026 12:00:00 GMT',
    })
  })

  test('may be compressed in transfer, as a file, or as both', async () => {
    const packed = gzipSync(LIST)
    const headers = { 'content-encoding': 'gzip' }
    expect(text(await got((_, response) => response.writeHead(200, headers).end(packed)))).toBe(LIST)
    expect(text(await got((_, response) => response.end(packed)))).toBe(LIST)
    expect(text(await got((_, response) => response.writeHead(200, headers).end(gzipSync(packed))))).toBe(LIST)
  })

  test('of plain http is taken: check has warned of it', async () => {
    expect(text(await get(await server((_, response) => response.end(LIST), true)))).toBe(LIST)
  })

  test('that did not change is not sent again', async () => {
    const from = await server((request, response) => {
      response.writeHead(request.headers['if-none-match'] === '"a"' ? 304 : 200).end(LIST)
    })
    expect(await get(from, '/', { etag: '"a"', lastModified: 'Sat, 21 Nov 2026 12:00:00 GMT' })).toEqual({
      at: 'not-modified',
    })
    expect(from.asked).toMatchObject([{ etag: '"a"', since: 'Sat, 21 Nov 2026 12:00:00 GMT' }])
  })

  test('of a server that says "not modified" to whom has nothing, is none', async () => {
    expect(await got((_, response) => response.writeHead(304).end())).toEqual(failed('says "not modified" unasked'))
  })
})

describe('a server that lies or fails', () => {
  test.each([404, 403, 500, 206, 204])('with the answer %d gives nothing', async (status) => {
    expect(await got((_, response) => response.writeHead(status).end(status === 204 ? undefined : LIST))).toEqual(
      failed(`answers ${status}`),
    )
  })

  test('and never answers is given up', async () => {
    expect(await got(() => undefined, 300)).toEqual(failed('was not done within 1 s'))
  })

  test('and does not even speak TLS is given up', async () => {
    const made = createServer((socket) => void socket.on('error', () => undefined))
    await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
    const url = `https://localhost:${(made.address() as AddressInfo).port}/`
    const fetched = await fetchBody({ url, etag: null, lastModified: null, ca: [] }, 300)
    made.close()
    expect(fetched).toEqual(failed('was not done within 1 s'))
  })

  test('and trickles is given up: the deadline is over all of it', async () => {
    const timers: NodeJS.Timeout[] = []
    const fetched = await got((_, response) => {
      response.writeHead(200)
      timers.push(setInterval(() => response.write('1'), 20))
    }, 400)
    for (const timer of timers) clearInterval(timer)
    expect(fetched).toEqual(failed('was not done within 1 s'))
  })

  test('and announces more than it sends gives nothing', async () => {
    expect(await raw(`HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n${LIST}`, true)).toMatchObject({ at: 'failed' })
  })

  test('and sends more than it announces is read as far as it announced', async () => {
    const fetched = await raw(`HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n${LIST}`, true)
    expect(fetched.at === 'failed' || text(fetched) === '192.0.2.0/24\n').toBe(true)
  })

  test('and breaks off in mid-chunk gives nothing', async () => {
    expect(await raw(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n${LIST}`, true)).toMatchObject({
      at: 'failed',
    })
  })

  test('and announces no length gives a body only when it ends with a line', async () => {
    expect(text(await raw(`HTTP/1.1 200 OK\r\n\r\n${LIST}`, true))).toBe(LIST)
    const cut = await raw(`HTTP/1.1 200 OK\r\n\r\n${LIST.slice(0, -3)}`, true)
    expect(cut).toEqual(failed('did not say how long the body is, and it ends in mid-line'))
  })

  test('and announces a gigabyte is not listened to', async () => {
    const fetched = await got((_, response) => response.writeHead(200, { 'content-length': 2 ** 30 }).write('x'))
    expect(fetched).toEqual(failed(`announces ${2 ** 30} octets; no more than ${FEED_BODY_MAX} are read`))
  })

  test('and sends a gigabyte without a word is cut off', async () => {
    const chunk = Buffer.alloc(1_048_576, '1')
    let sent = 0
    const fetched = await got((_, response) => {
      const more = () => {
        while (sent < 1_024 && !response.destroyed) {
          sent++
          if (!response.write(chunk)) return
        }
      }
      response.on('drain', more)
      more()
    })
    expect(fetched).toEqual(failed(`sends more than ${FEED_BODY_MAX} octets`))
    expect(sent).toBeLessThan(200)
  })

  test('and sends a bomb is cut off, whichever way it is packed', async () => {
    const bomb = gzipSync(Buffer.alloc(FEED_BODY_MAX + 1))
    const words = failed(`unpacks to more than ${FEED_BODY_MAX} octets`)
    expect(await got((_, response) => response.end(bomb))).toEqual(words)
    expect(await got((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb))).toEqual(words)
    expect(await got((_, response) => response.end(gzipSync(bomb)))).toMatchObject({ at: 'body' })
  })

  test('and packs in a way nobody asked for, or not rightly, gives nothing', async () => {
    const br = { 'content-encoding': 'br' }
    expect(await got((_, response) => response.writeHead(200, br).end(LIST))).toEqual(
      failed('uses an encoding nobody asked for'),
    )
    expect(await got((_, response) => response.end(gzipSync(LIST).subarray(0, 20)))).toEqual(
      failed('cannot be unpacked'),
    )
  })

  test('and whose certificate is not trusted, or of another name, gives nothing', async () => {
    const from = await server((_, response) => response.end(LIST))
    const wanted = { etag: null, lastModified: null }
    expect(await fetchBody({ url: from.url, ca: [], ...wanted })).toMatchObject({
      reason: expect.stringMatching(/CERT/) as string,
    })
    const other = from.url.replace('localhost', '127.0.0.1')
    expect(await fetchBody({ url: other, ca: [from.ca], ...wanted })).toMatchObject({
      reason: expect.stringMatching(/ALTNAME/) as string,
    })
    expect(from.asked).toEqual([])
  })

  test('is never quoted', async () => {
    const fetched = await raw('HTTP/1.1 200 \x1b[31mevil\r\nNonsense\r\n\r\n', true)
    expect(JSON.stringify(fetched)).not.toMatch(/evil|Nonsense/)
  })
})

describe('redirects', () => {
  const to =
    (location: string): RequestListener =>
    (_, response) =>
      void response.writeHead(302, { location }).end()

  test('are followed, relative ones as well', async () => {
    const from = await server((request, response) => {
      if (request.url === '/list') to('/there')(request, response)
      else response.end(LIST)
    })
    expect(text(await get(from))).toBe(LIST)
  })

  test('in a circle end', async () => {
    const from = await server(to('/list'))
    expect(await get(from)).toEqual(failed(`redirects more than ${FEED_REDIRECTS_MAX} times`))
    expect(from.asked).toHaveLength(FEED_REDIRECTS_MAX + 1)
  })

  test('from https to http are not followed, from http to https they are', async () => {
    const plain = await server((_, response) => response.end(LIST), true)
    expect(await got(to(plain.url))).toEqual(failed('redirects from https to http'))
    expect(plain.asked).toEqual([])
    const secure = await server((_, response) => response.end(LIST))
    const start = await server(to(secure.url), true)
    const wanted = { etag: null, lastModified: null, ca: [secure.ca] }
    expect(text(await fetchBody({ url: start.url, ...wanted }))).toBe(LIST)
  })

  test.each(['file:///etc/passwd', 'ftp://localhost/', 'data:text/plain,192.0.2.1'])(
    'to %s are not followed',
    async (location) => {
      expect(await got(to(location))).toEqual(failed('redirects to what is no web address'))
    },
  )

  test('from a public server to a private address are not followed', async () => {
    const inside = (address: string) => address !== '127.0.0.1'
    const from = await server(to('https://127.0.0.2/metadata'))
    const wanted = { url: from.url, etag: null, lastModified: null, ca: [from.ca] }
    const fetched = await fetchBody(wanted, 5_000, ({ text: address }) => inside(address))
    expect(fetched).toEqual(failed('redirects to a private address'))
  })

  test('to nowhere are not followed', async () => {
    expect(await got(to('https://'))).toEqual(failed('redirects to nowhere'))
    expect(await got((_, response) => response.writeHead(301).end())).toEqual(failed('redirects to nowhere'))
  })

  test('do not take a password along to another server', async () => {
    const other = await server((_, response) => response.end(LIST))
    const from = await server(to(other.url))
    const url = from.url.replace('https://', 'https://name:word@')
    await fetchBody({ url, etag: null, lastModified: null, ca: [from.ca, other.ca] })
    expect(from.asked[0]?.authorization).toBe(`Basic ${Buffer.from('name:word').toString('base64')}`)
    expect(other.asked[0]?.authorization).toBeUndefined()
  })
})
