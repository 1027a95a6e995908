/** A resolver for tests, over UDP and TCP on one port; what it answers, and how it misbehaves, is the test's. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/** What came: the whole message, its id, the name asked for, and the octets of its question. */
export type Asked = { bytes: Buffer; id: number; name: string; question: Buffer; port: number; over: 'udp' | 'tcp' }

/** Gives the messages to send back, in order. */
export type Respond = (asked: Asked) => Buffer[]

export type TestResolver = {
  host: string
  port: number
  asked: Asked[]
  respond: Respond
  close(): void
}

/** Starts it on a free port of 127.0.0.1. It is silent until the test says otherwise. */
export async function startResolver(respond: Respond = () => []): Promise<TestResolver> {
  const tcp = createServer()
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket('udp4')
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  const sockets = new Set<Socket>()
  const resolver: TestResolver = {
    host: '127.0.0.1',
    port,
    asked: [],
    respond,
    close() {
      udp.close()
      tcp.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  const take = (bytes: Buffer, from: number, over: 'udp' | 'tcp') => {
    const asked = read(bytes, from, over)
    resolver.asked.push(asked)
    return resolver.respond(asked)
  }
  udp.on('message', (bytes, from) => {
    for (const answer of take(bytes, from.port, 'udp')) udp.send(answer, from.port, from.address)
  })
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', (bytes: Buffer) => {
      for (const answer of take(bytes.subarray(2), socket.remotePort ?? 0, 'tcp')) {
        const framed = Buffer.concat([Buffer.of(answer.length >>> 8, answer.length & 255), answer])
        // Cut in two: what arrives is seldom whole.
        socket.write(framed.subarray(0, 5))
        setTimeout(() => socket.write(framed.subarray(5)), 5)
      }
    })
  })
  return resolver
}

function read(bytes: Buffer, port: number, over: 'udp' | 'tcp'): Asked {
  const labels: string[] = []
  let at = 12
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length))
    at += length + 1
  }
  return { bytes, id: bytes.readUInt16BE(0), name: labels.join('.'), question: bytes.subarray(12, at + 5), port, over }
}

export type Reply = { id?: number; rcode?: number; truncated?: boolean; question?: Buffer; addresses?: string[] }

/** Makes an answer to a question; what is not named is as an honest resolver has it. */
export function reply(
  asked: Asked,
  { id, rcode = 0, truncated = false, question, addresses = [] }: Reply = {},
): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id ?? asked.id, 0)
  header.writeUInt16BE(0x8180 | rcode | (truncated ? 0x0200 : 0), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(addresses.length, 6)
  const records = addresses.map((address) => {
    const octets = address.split('.').map(Number)
    return Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...octets])
  })
  return Buffer.concat([header, question ?? asked.question, ...records])
}
