/** A syslog collector as tests need it: takes octet-counted messages over TCP or TLS, can be stopped and started at its port. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import type { Connect } from '../../src/keeper/forwarder.ts'
import { openConnection } from '../../src/forward/connection.ts'
import type { Left } from '../../src/forward/wire.ts'

export type Collector = {
  port: number
  /** Whole messages, in order of arrival. */
  messages: string[]
  connections(): number
  start(): Promise<void>
  /** Closes what is open: in order, with a reset, or without reading any more (`deaf` stays open). */
  stop(how?: 'fin' | 'reset'): Promise<void>
  /** Reads no more from here on. */
  deafen(): void
}

export async function startCollector(tls: TlsOptions | null = null): Promise<Collector> {
  const messages: string[] = []
  const open = new Set<Socket>()
  let count = 0
  let server: Server | null = null
  let port = 0
  const take = (socket: Socket) => {
    count++
    open.add(socket)
    let rest: Buffer = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      rest = takeFrames(Buffer.concat([rest, chunk]), messages)
    })
  }
  const collector: Collector = {
    port: 0,
    messages,
    connections: () => count,
    async start() {
      server = tls === null ? createServer(take) : createTlsServer(tls, take)
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      collector.port = port = (server.address() as AddressInfo).port
    },
    async stop(how = 'fin') {
      const closed = server === null ? null : once(server, 'close')
      server?.close()
      for (const socket of open) {
        if (how === 'fin') socket.destroy()
        else socket.resetAndDestroy()
      }
      await closed
    },
    deafen() {
      for (const socket of open) socket.pause()
    },
  }
  await collector.start()
  return collector
}

function takeFrames(bytes: Buffer, messages: string[]): Buffer {
  let at = 0
  for (;;) {
    const space = bytes.indexOf(0x20, at)
    const length = Number(bytes.toString('latin1', at, space))
    if (space < 0 || bytes.length < space + 1 + length) return bytes.subarray(at)
    if (!Number.isInteger(length)) throw new Error(`no frame: ${bytes.toString('latin1', at, at + 80)}`)
    messages.push(bytes.toString('utf8', space + 1, space + 1 + length))
    at = space + 1 + length
  }
}

/** Connects as the forwarder's process does, in this one. */
export const connectHere: Connect = (target) => {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<Connect>>>()
  const left = Promise.withResolvers<Left>()
  const taken = new Map<number, () => void>()
  const connection = openConnection(target, {
    connected() {
      resolve({
        send: (n, octets) =>
          new Promise((done) => {
            taken.set(n, done)
            connection.send(n, octets)
          }),
        finish: connection.finish,
        drop: connection.drop,
        left: left.promise,
      })
    },
    sent: (n) => taken.get(n)?.(),
    left(how) {
      reject(new Error(how.how === 'broken' ? how.reason : how.how))
      left.resolve(how)
    },
  })
  return promise
}
