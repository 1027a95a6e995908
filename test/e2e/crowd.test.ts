import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectPlain, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { scriptedServer, type ScriptedServer } from '../dialog/peers.ts'
import { startPostern, until, type Running, type Wanted } from '../support/running.ts'

const LAUNCHER = new URL('../../src/launcher.js', import.meta.url).pathname
const USER = 'ann@example.com'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close()
})

async function start(wanted: Omit<Wanted, 'backendPort'>): Promise<{ postern: Running; server: ScriptedServer }> {
  const server = await scriptedServer({})
  open.push(server)
  const postern = await startPostern({ backendPort: server.port, fronts: 2, ...wanted })
  open.push(postern)
  return { postern, server }
}

type Guest = { socket: TLSSocket; said(): string; gone(): boolean }

/** A client that comes from one of this machine's loopback addresses. */
function guest(port: number, from = '127.0.0.1'): Guest {
  const raw: Socket = connectPlain({ port, host: '127.0.0.1', localAddress: from })
  const socket = connect({ socket: raw, servername: 'localhost', rejectUnauthorized: false })
  let said = ''
  let gone = false
  socket.on('data', (bytes: Buffer) => (said += bytes.toString()))
  for (const one of [raw, socket]) one.on('error', () => (gone = true)).on('close', () => (gone = true))
  open.push({ close: () => raw.destroy() })
  return { socket, said: () => said, gone: () => gone }
}

const greeted = (guests: Guest[]) => guests.filter((one) => one.said().startsWith('+OK')).length
const settled = (guests: Guest[]) => guests.every((one) => one.gone() || one.said() !== '')

async function logIn(postern: Running, server: ScriptedServer, from = '127.0.0.1'): Promise<Guest> {
  const ann = guest(postern.port, from)
  await until('the greeting', () => ann.said() !== '')
  ann.socket.write(`USER ${USER}\r\nPASS secret${postern.code(USER)}\r\n`)
  const ear = await server.ear()
  await ear.line()
  await server.write(Buffer.from('+OK\r\n'))
  await ear.line()
  await server.write(Buffer.from('+OK in\r\n'))
  await until('the login', () => ann.said().endsWith('+OK in\r\n'))
  return ann
}

describe('rates', () => {
  test('hold over two fronts together, to the very connection, and every denial is on record', async () => {
    const { postern } = await start({
      postern: { checks: ['rates'] },
      rates: { per_address: { connections: '10/10m', concurrent: 100 } },
    })
    const crowd = Array.from({ length: 60 }, () => guest(postern.port))
    await until('all have their answer', () => settled(crowd))
    expect(greeted(crowd)).toBe(10)
    await postern.stop()
    const denied = postern.audit('access').filter((line) => line.event.action === 'connection-denied')
    const counts = denied.map((line) => (line.event as { count?: number }).count ?? 1)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(50)
    expect(denied.map((line) => (line['rule'] as { name: string }).name)).toEqual(
      Array<string>(denied.length).fill('rates.per_address'),
    )
  })

  test('give ten times the room where somebody logged in, also after a restart', async () => {
    const { postern, server } = await start({
      postern: { checks: ['rates'] },
      rates: { per_address: { concurrent: 1 } },
    })
    await postern.enroll(USER)
    const before = [guest(postern.port), guest(postern.port)]
    await until('both have their answer', () => settled(before))
    expect(greeted(before)).toBe(1)
    for (const { socket } of before) socket.destroy()
    await until('the place is free', () =>
      postern.audit('access').some((line) => line.event.action === 'connection-closed'),
    )
    await logIn(postern, server)
    const after = Array.from({ length: 12 }, () => guest(postern.port))
    await until('all have their answer', () => settled(after))
    expect(greeted(after)).toBe(10)

    await postern.stop('SIGTERM')
    const again = spawn(process.execPath, [LAUNCHER, 'serve', '-c', postern.config], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    open.push({ close: () => again.kill('SIGKILL') && once(again, 'exit') })
    let said = ''
    again.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
    const port = await until('it listens again', () => Number(/^listening \S+:(\d+)$/m.exec(said)?.[1] ?? 0) || null)
    const later = Array.from({ length: 12 }, () => guest(port))
    await until('all have their answer', () => settled(later))
    expect(greeted(later)).toBe(10)
  })
})

describe('when the house is nearly full', () => {
  test('the oldest of the busiest network goes, and who came alone and first can log in', async () => {
    const { postern, server } = await start({
      postern: { checks: [], limits: { connections: 20, drain_time: '1s' } },
    })
    await postern.enroll(USER)
    const alone = guest(postern.port, '127.0.2.1')
    await until('the greeting', () => alone.said() !== '')
    const flood: Guest[] = []
    for (let host = 1; host <= 40; host++) {
      const one = guest(postern.port, `127.0.1.${host}`)
      flood.push(one)
      await until('the greeting', () => one.said() !== '')
    }
    const evicted = () => postern.audit('access').filter((line) => line.event.reason === 'evicted')
    await until('those in the audit', () => evicted().length >= 10)
    expect(flood.slice(0, 20).every((one) => one.gone())).toBe(true)
    expect(flood.at(-1)?.gone()).toBe(false)
    expect(evicted()[0]).toMatchObject({ event: { action: 'connection-closed' }, source: { ip: '127.0.1.1' } })
    expect(alone.gone()).toBe(false)
    alone.socket.write(`USER ${USER}\r\nPASS secret${postern.code(USER)}\r\n`)
    const ear = await server.ear()
    await ear.line()
    await server.write(Buffer.from('+OK\r\n'))
    await ear.line()
    await server.write(Buffer.from('+OK in\r\n'))
    await until('the login', () => alone.said().endsWith('+OK in\r\n'))
  })
})

test('an operator hears in the log, in status and in a metric that the real addresses are being lost', async () => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port: admin } = probe.address() as AddressInfo
  probe.close()
  const { postern } = await start({ postern: { checks: [], admin: { listen: `127.0.0.1:${admin}` } } })
  const scraped = async () => {
    const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()
    return Number(/^postern_origin_concentration (\S+)$/m.exec(text)?.[1])
  }
  expect(await scraped()).toBe(0)
  for (let n = 0; n < 60; n++) {
    const one = guest(postern.port)
    await until('an answer', () => one.said() !== '' || one.gone())
    one.socket.destroy()
  }
  await until('the log', () => postern.log().includes('the real addresses are being lost on the way'))
  expect(await scraped()).toBe(1)
  const status = JSON.parse((await postern.cli('status', '--json')).stdout) as { healthy: boolean; warnings: string[] }
  expect(status.healthy).toBe(true)
  expect(status.warnings).toEqual([expect.stringMatching(/^100 % of the connections come from 127\.0\.0\.1: /)])
  expect((await postern.cli('status')).stdout).toMatch(/note: 100 % of the connections/)
})
