/**
 * Asks one resolver for the A records of one name. Written here and not taken from Node's resolver (c-ares), as that
 * uses one source port for many questions, which helps a liar to guess, and parses strangers' octets in C, in the very
 * process that holds the secrets.
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { encodeQuestion, readReply, type DnsAnswer, type DnsReply } from './dns-message.ts'

/** `host` is an address. */
export type Resolver = { host: string; port: number }

/** Asks a resolver within a total deadline in ms. Never rejects. */
export type Ask = (resolver: Resolver, name: string, deadlineMs: number) => Promise<DnsAnswer>

const LATE: DnsAnswer = { say: 'failed', reason: 'the resolver did not answer in time' }

/** Over UDP, each question from a port of its own, sent twice; over TCP when the answer did not fit. */
export const askResolver: Ask = async (resolver, name, deadlineMs) => {
  const until = performance.now() + deadlineMs
  const reply = await overUdp(resolver, name, deadlineMs)
  if (reply.say !== 'truncated') return reply
  const again = await overTcp(resolver, name, Math.max(1, until - performance.now()))
  return again.say === 'truncated'
    ? { say: 'failed', reason: 'the resolver cuts its answer short over TCP too' }
    : again
}

type Final = Exclude<DnsReply, { say: 'foreign' }>

function overUdp({ host, port }: Resolver, name: string, deadlineMs: number): Promise<Final> {
  const id = randomInt(0x10000)
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    let open = true
    const end = (reply: Final) => {
      if (!open) return
      open = false
      clearTimeout(late)
      clearTimeout(again)
      socket.removeAllListeners()
      socket.on('error', () => undefined)
      socket.close()
      resolve(reply)
    }
    const ask = () => {
      if (open) socket.send(encodeQuestion(id, name), () => undefined)
    }
    const late = setTimeout(end, deadlineMs, LATE)
    // A lost datagram is seldom lost twice.
    const again = setTimeout(ask, deadlineMs / 2)
    socket.once('error', (error) => {
      end(unreachable(error))
    })
    // Connected: what others send to this port never arrives. What comes from the resolver must still answer this question.
    socket.once('connect', ask)
    socket.connect(port, host)
    socket.on('message', (bytes) => {
      const reply = readReply(bytes, id, name)
      if (reply.say !== 'foreign') end(reply)
    })
  })
}

function overTcp({ host, port }: Resolver, name: string, deadlineMs: number): Promise<Final> {
  const id = randomInt(0x10000)
  return new Promise((resolve) => {
    const socket = connect(port, host)
    let bytes = Buffer.alloc(0)
    const end = (reply: Final) => {
      clearTimeout(late)
      socket.destroy()
      resolve(reply)
    }
    const late = setTimeout(end, deadlineMs, LATE)
    socket.on('error', (error) => {
      end(unreachable(error))
    })
    socket.on('close', () => {
      end({ say: 'failed', reason: 'the resolver closed the connection' })
    })
    const question = encodeQuestion(id, name)
    socket.write(Buffer.concat([Buffer.of(question.length >>> 8, question.length & 255), question]))
    // RFC 1035, 4.2.2: two octets say how many follow, so the buffer never holds more than that and one read.
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const length = bytes.length < 2 ? Infinity : bytes.readUInt16BE(0)
      if (bytes.length < 2 + length) return
      const reply = readReply(bytes.subarray(2, 2 + length), id, name)
      end(reply.say === 'foreign' ? { say: 'failed', reason: 'the resolver answered another question' } : reply)
    })
  })
}

function unreachable(error: NodeJS.ErrnoException): DnsAnswer {
  return { say: 'failed', reason: `the resolver cannot be reached (${error.code ?? 'unknown error'})` }
}
