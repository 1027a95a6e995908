/** A scripted old server for faults: each test says what it does with each line, octet by octet. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'

export type FakeServer = {
  host: string
  port: number
  address: { host: string; port: number }
  /** Lines received, over all connections, without their line ends. */
  lines: string[]
  /** Every octet received. */
  raw(): string
  /** How connections ended from the other side, in order. */
  ends: ('end' | 'error')[]
  sockets: Socket[]
  /** Resolves when this many lines have come. */
  heard(count: number): Promise<void>
  /** Resolves when the newest connection is closed for good or the other side has ended it. */
  ended(): Promise<void>
  close(): Promise<void>
}

export type Script = {
  greeting?: string | Buffer | null
  connected?: (socket: Socket) => void
  /** Called for each line; writes what it likes. */
  on?: (line: string, socket: Socket) => void
  host?: string
  /** `behind`: what it says in plain in one write with its +OK to STLS. */
  tls?: { how: 'stls' | 'implicit'; cert: string; key: string; behind?: string; refuses?: boolean }
}

/** Starts it on a free loopback port. */
export async function fakeServer({
  greeting = '+OK ready\r\n',
  connected,
  on,
  host = '127.0.0.1',
  tls,
}: Script = {}): Promise<FakeServer> {
  const lines: string[] = []
  const chunks: Buffer[] = []
  const ends: ('end' | 'error')[] = []
  const sockets: Socket[] = []
  const bare: Socket[] = []
  let waiters: (() => void)[] = []
  const changed = () => {
    for (const wake of waiters.splice(0)) wake()
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => waiters.push(resolve))
  }
  const secured = createTlsServer({ cert: tls?.cert, key: tls?.key, allowHalfOpen: true }, (socket) => {
    const { _parent: below } = socket as TLSSocket & { _parent: Socket }
    socket.resetAndDestroy = () => below.resetAndDestroy() as TLSSocket
    serve(socket, tls?.how === 'implicit' ? greeting : null)
  })
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    bare.push(socket)
    socket.on('error', () => undefined)
    if (tls?.how === 'implicit') secured.emit('connection', socket)
    else if (tls?.how === 'stls') awaitStls(socket)
    else serve(socket, greeting)
  })
  const awaitStls = (socket: Socket) => {
    socket.write(greeting ?? '')
    socket.once('data', (chunk: Buffer) => {
      lines.push(chunk.toString('latin1').trimEnd())
      if (tls?.refuses === true) return void socket.write('-ERR what?\r\n')
      socket.write(`+OK\r\n${tls?.behind ?? ''}`)
      secured.emit('connection', socket)
    })
  }
  const serve = (socket: Socket, words: string | Buffer | null) => {
    sockets.push(socket)
    let pending = ''
    socket.on('error', () => {
      ends.push('error')
      changed()
    })
    socket.on('end', () => {
      ends.push('end')
      changed()
    })
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      pending += chunk.toString('latin1')
      for (let lf = pending.indexOf('\n'); lf !== -1; lf = pending.indexOf('\n')) {
        const line = pending.slice(0, lf).replace(/\r$/, '')
        pending = pending.slice(lf + 1)
        lines.push(line)
        on?.(line, socket)
      }
      changed()
    })
    if (words !== null) socket.write(words)
    connected?.(socket)
    changed()
  }
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    host,
    port,
    address: { host, port },
    lines,
    raw: () => Buffer.concat(chunks).toString('latin1'),
    ends,
    sockets,
    heard: (count) => until(() => lines.length >= count),
    ended: () => until(() => ends.length > 0),
    close: async () => {
      for (const socket of [...sockets, ...bare]) socket.destroy()
      waiters = []
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve()
        }),
      )
    },
  }
}

/** Answers by the first word of a line, and STAT as every server does; what is not in the table gets -ERR. */
export function answering(table: Record<string, string | Buffer>): (line: string, socket: Socket) => void {
  return (line, socket) => {
    const verb = line.split(' ', 1)[0]?.toUpperCase() ?? ''
    socket.write(table[verb] ?? (verb === 'STAT' ? '+OK 0 0\r\n' : '-ERR what?\r\n'))
  }
}
