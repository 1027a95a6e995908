import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { parseAddress, parseRange, type Endpoint, type Range } from '../../../src/base/ip.ts'
import { originOf } from '../../../src/front/origin.ts'
import { v2 } from '../../support/proxy-header.ts'

const V1 = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 4711 995\r\n')

const open: { close(): unknown }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

function ranges(...texts: string[]): Range[] {
  return texts.flatMap((text) => {
    const range = parseRange(text)
    return range.ok ? [range.value] : []
  })
}

/** A connected pair: the balancer's end, and ours as a front accepts it. */
async function pair(): Promise<{ balancer: Socket; ours: Socket; peer: Endpoint }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const balancer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
  balancer.on('error', () => undefined)
  const [ours] = (await once(server, 'connection')) as [Socket]
  ours.on('error', () => undefined)
  open.push(server, { close: () => balancer.destroy() }, { close: () => ours.destroy() })
  const address = parseAddress('127.0.0.1')
  if (address === null) throw new Error('no address')
  return { balancer, ours, peer: { address, port: balancer.localPort ?? 0 } }
}

type Act = (balancer: Socket) => unknown

async function meet(act: Act, { from = ['127.0.0.0/8'], deadlineMs = 5_000, stop = new AbortController() } = {}) {
  const { balancer, ours, peer } = await pair()
  const origin = originOf(ours, peer, ranges(...from), stop.signal, deadlineMs)
  await act(balancer)
  return { origin: await origin, ours }
}

async function readAll(socket: Socket, length: number): Promise<string> {
  let text = ''
  while (text.length < length) {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) await once(socket, 'readable')
    else text += chunk.toString('latin1')
  }
  return text
}

describe('a listed peer', () => {
  test.each([
    ['version 1', V1],
    ['version 2', v2()],
  ])('that sends %s byte by byte says who the client is, and the rest is the client’s', async (_, header) => {
    const { origin, ours } = await meet(async (balancer) => {
      for (const byte of Buffer.concat([header, Buffer.from('hello')])) {
        balancer.write(Buffer.of(byte))
        await delay(0)
      }
    })
    expect(origin).toMatchObject({ at: 'client', source: { address: { text: '192.0.2.7' }, port: 4711 } })
    expect(origin).toMatchObject({ destination: { address: { text: '198.51.100.1' }, port: 995 } })
    expect(await readAll(ours, 5)).toBe('hello')
  })

  test('that sends header and more in one piece loses none of it', async () => {
    const more = 'x'.repeat(20_000)
    const { ours } = await meet((balancer) => balancer.write(Buffer.concat([v2(), Buffer.from(more)])))
    expect(await readAll(ours, more.length)).toBe(more)
  })

  test('that connects and closes is a health check', async () => {
    expect((await meet((balancer) => balancer.end())).origin).toEqual({ at: 'gone' })
    expect((await meet((balancer) => balancer.resetAndDestroy())).origin).toEqual({ at: 'gone' })
  })

  test('that says LOCAL or UNKNOWN speaks for itself', async () => {
    expect((await meet((balancer) => balancer.write('PROXY UNKNOWN\r\n'))).origin.at).toBe('own')
    expect((await meet((balancer) => balancer.end(v2({ command: 0 })))).origin.at).toBe('own')
    const named = (balancer: Socket) => `PROXY TCP4 127.0.0.1 127.0.0.1 ${balancer.localPort ?? 0} 995\r\n`
    expect((await meet((balancer) => balancer.write(named(balancer)))).origin.at).toBe('own')
    expect((await meet((balancer) => balancer.write(named(balancer).replace('0.1 ', '0.2 ')))).origin.at).toBe('client')
  })

  test('must send a header: TLS at once, half of one, or nothing is a fault', async () => {
    const why = async (act: Act, deadlineMs = 5_000) => (await meet(act, { deadlineMs })).origin
    expect(await why((balancer) => balancer.write('\x16\x03\x01\x02'))).toEqual({
      at: 'fault',
      why: 'proxy-header-missing',
    })
    expect(await why((balancer) => balancer.end('PROXY TCP4'))).toEqual({ at: 'fault', why: 'proxy-header-cut-short' })
    expect(await why(() => undefined, 30)).toEqual({ at: 'fault', why: 'proxy-header-late' })
  })

  test('that sends a byte now and then runs into the deadline of the whole', async () => {
    let timer: NodeJS.Timeout | undefined
    const { origin } = await meet(
      (balancer) => {
        timer = setInterval(() => balancer.write('P'.slice(0, balancer.bytesWritten === 0 ? 1 : 0)), 5)
      },
      { deadlineMs: 60 },
    )
    clearInterval(timer)
    expect(origin).toEqual({ at: 'fault', why: 'proxy-header-late' })
  })

  test('is let go of when the connection is to end from our side', async () => {
    const stop = new AbortController()
    const { origin } = await meet(
      () => {
        stop.abort('draining')
      },
      { stop },
    )
    expect(origin).toEqual({ at: 'gone' })
  })
})

test('a peer that is not listed is a stranger, whatever it sends', async () => {
  const { origin, ours } = await meet((balancer) => balancer.write(V1), { from: ['10.0.0.0/8', '::1'] })
  expect(origin).toEqual({ at: 'stranger' })
  expect(ours.bytesRead === 0 || ours.readableLength > 0).toBe(true)
})

test('where nobody must send a header, the peer is the client, and a header is left for TLS to choke on', async () => {
  const { origin, ours } = await meet((balancer) => balancer.write(V1), { from: [] })
  expect(origin).toMatchObject({
    at: 'client',
    source: { address: { text: '127.0.0.1' } },
    destination: { address: { text: '127.0.0.1' }, port: ours.localPort },
  })
  expect(await readAll(ours, V1.length)).toBe(V1.toString())
})
