/** A scripted old server for faults: each test says what it does with each line, octet by octet. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

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
}

/** Starts it on a free loopback port. */
export async function fakeServer({
  greeting = '+OK ready\r\n',
  connected,
  on,
  host = '127.0.0.1',
}: Script = {}): Promise<FakeServer> {
  const lines: string[] = []
  const chunks: Buffer[] = []
  const ends: ('end' | 'error')[] = []
  const sockets: Socket[] = []
  let waiters: (() => void)[] = []
  const changed = () => {
    for (const wake of waiters.splice(0)) wake()
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resolve) => waiters.push(resolve))
  }
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
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
    if (greeting !== null) socket.write(greeting)
    connected?.(socket)
    changed()
  })
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
      for (const socket of sockets) socket.destroy()
      waiters = []
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve()
        }),
      )
    },
  }
}

/** Answers by the first word of a line; what is not in the table gets -ERR. */
export function answering(table: Record<string, string | Buffer>): (line: string, socket: Socket) => void {
  return (line, socket) => {
    socket.write(table[line.split(' ', 1)[0]?.toUpperCase() ?? ''] ?? '-ERR what?\r\n')
  }
}
