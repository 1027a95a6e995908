import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startAdmin, type Admin, type AdminOptions, type Readiness } from '../../../src/admin/admin.ts'
import { ADMIN_CONNECTIONS_MAX, ADMIN_HEADER_MAX } from '../../../src/base/limits.ts'
import { Secret } from '../../../src/base/secret.ts'

let admin: Admin
let readiness: () => Readiness
let sockets: Socket[]

async function start(options: Partial<AdminOptions> = {}): Promise<Admin> {
  admin = await startAdmin({
    listen: { host: '127.0.0.1', port: 0 },
    token: null,
    scrape: () => Promise.resolve({ type: 'text/plain; version=0.0.4', text: 'postern_fronts 2\n' }),
    readiness: () => readiness(),
    ...options,
  })
  return admin
}

beforeEach(() => {
  readiness = () => ({ at: 'ready' })
  sockets = []
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await admin.close()
})

async function get(path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${admin.port}${path}`, init)
  return { status: response.status, text: await response.text(), headers: response.headers }
}

/** Sends raw bytes and gives all that comes back until the close. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = ''
    const socket = connect(admin.port, '127.0.0.1', () => socket.write(bytes))
    sockets.push(socket)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => (heard += text))
    socket.on('error', reject)
    socket.on('close', () => {
      resolve(heard)
    })
  })
}

describe('the routes', () => {
  test('/healthz says that the process runs', async () => {
    await start()
    expect(await get('/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
  })

  test.each<[Readiness, number, string]>([
    [{ at: 'ready' }, 200, 'ready\n'],
    [
      { at: 'degraded', reasons: ['policy rejected', 'backend b down'] },
      200,
      'degraded\npolicy rejected\nbackend b down\n',
    ],
    [{ at: 'down', reasons: ['audit: disk full'] }, 503, 'down\naudit: disk full\n'],
  ])('/readyz: %j', async (now, status, text) => {
    await start()
    readiness = () => now
    expect(await get('/readyz')).toMatchObject({ status, text })
  })

  test('/metrics gives what is scraped, with its type', async () => {
    await start()
    const { status, text, headers } = await get('/metrics?x=1')
    expect([status, text, headers.get('content-type')]).toEqual([
      200,
      'postern_fronts 2\n',
      'text/plain; version=0.0.4',
    ])
  })

  test('everything else is 404, every other method 405', async () => {
    await start()
    for (const path of ['/', '/metrics/', '/METRICS', '//metrics', '/%6detrics']) {
      expect(await get(path)).toMatchObject({ status: 404 })
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']) {
      expect((await get('/healthz', { method })).status).toBe(405)
    }
  })

  test('a fault of ours is 503 and shows nothing of its text', async () => {
    await start({ scrape: () => Promise.reject(new Error('password=geheim')) })
    readiness = () => {
      throw new Error('password=geheim')
    }
    for (const path of ['/metrics', '/readyz']) {
      expect(await get(path)).toMatchObject({ status: 503, text: 'internal error\n' })
    }
  })
})

describe('the token', () => {
  const token = new Secret(Buffer.from('correct horse'))
  const bearer = (text: string) => ({ headers: { authorization: text } })

  test('opens /metrics and /readyz', async () => {
    await start({ token })
    for (const path of ['/metrics', '/readyz'])
      expect((await get(path, bearer('Bearer correct horse'))).status).toBe(200)
  })

  test.each(['', 'Bearer', 'Bearer ', 'Bearer wrong', 'Bearer correct horse2', 'Basic correct horse', 'correct horse'])(
    'missing or wrong opens nothing: "%s"',
    async (header) => {
      await start({ token })
      for (const path of ['/metrics', '/readyz']) {
        const { status, text } = await get(path, header === '' ? {} : bearer(header))
        expect([status, text]).toEqual([401, 'token missing or wrong\n'])
      }
    },
  )

  test('is not asked for by /healthz, which tells nothing', async () => {
    await start({ token })
    expect((await get('/healthz')).status).toBe(200)
  })
})

describe('a stranger', () => {
  test('that sends headers without end is refused at the ceiling', async () => {
    await start()
    const heard = await raw(`GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(ADMIN_HEADER_MAX + 1)}`)
    expect(heard).toMatch(/^HTTP\/1.1 431 /)
  })

  test('that sends a body has it ignored and the connection ended', async () => {
    await start()
    const heard = await raw('POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc')
    expect(heard).toMatch(/^HTTP\/1.1 405 .*connection: close/is)
  })

  test('that opens connections without end gets so many and no more', async () => {
    await start()
    const closed = { count: 0 }
    for (let n = 0; n < ADMIN_CONNECTIONS_MAX + 20; n++) {
      const socket = connect(admin.port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => closed.count++)
    }
    await expect.poll(() => closed.count, { timeout: 20_000 }).toBe(20)
  })
})

test('an address in use is one line that says what to do', async () => {
  const first = await start()
  const listen = { host: '127.0.0.1', port: first.port }
  const scrape = () => Promise.resolve({ type: '', text: '' })
  await expect(startAdmin({ listen, token: null, scrape, readiness })).rejects.toThrow(
    /^admin\.listen 127\.0\.0\.1:\d+: .*EADDRINUSE.*; free the address or change admin\.listen$/,
  )
})
