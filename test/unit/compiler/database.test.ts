import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DATABASE_MAX, DATABASE_REDIRECTS_MAX } from '../../../src/base/gate-limits.ts'
import { fetchDatabase, type Validators } from '../../../src/compiler/database.ts'
import { startDownloads, type Downloads } from '../../support/https-server.ts'

const NOTHING: Validators = { etag: null, lastModified: null }
let server: Downloads

beforeAll(async () => {
  server = await startDownloads()
})
afterAll(() => {
  server.close()
})

const get = (path?: string, known = NOTHING, deadlineMs = 10_000) => fetchDatabase(server.url(path), known, deadlineMs)
const faultOf = async (...args: Parameters<typeof get>) => {
  const got = await get(...args)
  return got.ok ? null : got.fault
}

describe('a download', () => {
  test('is unpacked, with what the server said of it', async () => {
    server.answer = (_, response) => {
      response.writeHead(200, { etag: '"1"', 'last-modified': 'Fri, 01 Jan 2027 00:00:00 GMT' })
      response.end(gzipSync('database'))
    }
    const bytes = Buffer.from('database')
    const lastModified = 'Fri, 01 Jan 2027 00:00:00 GMT'
    expect(await get()).toEqual({ ok: true, value: { changed: true, bytes, etag: '"1"', lastModified } })
  })

  test('is not sent again when nothing has changed', async () => {
    server.answer = ({ headers }, response) => {
      const same = headers['if-none-match'] === '"1"' && headers['if-modified-since'] === 'yesterday'
      response.writeHead(same ? 304 : 200).end()
    }
    expect(await get('/', { etag: '"1"', lastModified: 'yesterday' })).toEqual({ ok: true, value: { changed: false } })
  })

  test('follows the server, and its key goes to nobody else', async () => {
    const keys: (string | undefined)[] = []
    const other = await startDownloads()
    other.answer = ({ headers }, response) => {
      keys.push(headers.authorization)
      response.end('database')
    }
    server.answer = ({ headers }, response) => {
      keys.push(headers.authorization)
      response.writeHead(302, { location: other.url('/stored') }).end()
    }
    const url = server.url('/').replace('https://', 'https://42:a%2Fkey@')
    expect(await fetchDatabase(url, NOTHING, 10_000)).toMatchObject({ ok: true })
    expect(keys).toEqual([`Basic ${Buffer.from('42:a/key').toString('base64')}`, undefined])
    other.close()
  })
})

describe('a server that does no good', () => {
  test('hangs: the deadline is for all of it', async () => {
    server.answer = () => undefined
    expect(await faultOf('/', NOTHING, 300)).toBe('it took longer than 0 s')
  })

  test('trickles', async () => {
    server.answer = (_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write('x'), 20)
      response.on('close', () => {
        clearInterval(drip)
      })
    }
    expect(await faultOf('/', NOTHING, 400)).toBe('it took longer than 0 s')
  })

  test('sends a gigabyte: it is cut off at the ceiling', async () => {
    let sent = 0
    server.answer = (_, response) => {
      const chunk = Buffer.alloc(4_194_304)
      const more = () => {
        while (!response.destroyed && sent < 4 * DATABASE_MAX) {
          sent += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    }
    expect(await faultOf('/', NOTHING, 30_000)).toBe(`what the server sent has more than ${DATABASE_MAX} octets`)
    expect(sent).toBeLessThan(2 * DATABASE_MAX)
  })

  test('sends less than it promised', async () => {
    server.answer = (_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('database', () => response.destroy())
    }
    expect(await faultOf()).toBe('it failed: ECONNRESET')
  })

  test('answers with an error, or with none of its business', async () => {
    server.answer = (_, response) => response.writeHead(403).end('no')
    expect(await faultOf()).toBe('the server answered 403')
    server.answer = (_, response) => response.writeHead(302).end()
    expect(await faultOf()).toBe('the server points elsewhere without saying where')
    server.answer = (_, response) => response.writeHead(302, { location: 'http://localhost/' }).end()
    expect(await faultOf()).toBe('the server points to an address without https')
    server.answer = (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end()
    expect(await faultOf()).toBe('the server points to an address without https')
  })

  test('points in circles', async () => {
    let asked = 0
    server.answer = (_, response) => {
      asked += 1
      response.writeHead(302, { location: '/again' }).end()
    }
    expect(await faultOf()).toBe('the server points from one address to the next')
    expect(asked).toBe(DATABASE_REDIRECTS_MAX + 1)
  })

  test('shows a certificate that nobody knows; and no fault holds the key', async () => {
    server.answer = (_, response) => response.end('database')
    const url = server.url('/').replace('localhost', 'user:hunter2@127.0.0.1')
    const got = await fetchDatabase(url, NOTHING, 10_000)
    expect(got).toEqual({ ok: false, fault: expect.stringMatching(/^it failed: /) as string })
    expect(JSON.stringify(got)).not.toContain('hunter2')
  })
})
