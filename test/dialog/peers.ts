/** The two ends of a dialogue: clients over TLS, and an old server that says what the text says. */
import { once } from 'node:events'
import { connect as connectPlain, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { until } from '../support/running.ts'

/** What was heard on one connection, line by line. */
export type Ear = {
  line(): Promise<string>
  ended(): Promise<'EOF' | 'RESET'>
  heard(): string
}

function ear(socket: Socket | TLSSocket, sift: (text: string) => string = (text) => text): Ear {
  let pending = ''
  let end: 'EOF' | 'RESET' | null = null
  socket.on('data', (chunk: Buffer) => (pending += sift(chunk.toString('latin1'))))
  socket.on('end', () => (end ??= 'EOF'))
  socket.on('error', () => (end ??= 'RESET'))
  socket.on('close', () => (end ??= 'RESET'))
  return {
    async line() {
      await until('a line', () => pending.includes('\n') || end !== null, 15_000)
      const at = pending.indexOf('\n')
      if (at < 0) return `${pending}<${end ?? ''}>`
      const line = pending.slice(0, at).replace(/\r$/, '')
      pending = pending.slice(at + 1)
      return line
    },
    ended: () => until('the end of a connection', () => end, 20_000),
    heard: () => pending,
  }
}

export type Client = { socket: TLSSocket | Socket; ear: Ear; raw: Socket }

export type ClientOptions = {
  version?: SecureVersion | 'none' | undefined
  ciphers?: string | undefined
  from?: string
  /** What a balancer in front of it sends before all else. */
  header?: Buffer | undefined
}

/** Connects a client, from a loopback address; without TLS when `version` is `none`. */
export async function openClient(port: number, options: ClientOptions = {}): Promise<Client> {
  const { version = 'TLSv1.3', ciphers, from = '127.0.0.1', header } = options
  const raw = connectPlain({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true, noDelay: true })
  raw.on('error', () => undefined)
  if (header !== undefined) raw.write(header)
  if (version === 'none') return { socket: raw, ear: ear(raw), raw }
  return secureClient(raw, version, ciphers)
}

/** Sets up TLS on a bare connection, at once or behind STLS. */
export async function secureClient(raw: Socket, version: SecureVersion = 'TLSv1.3', ciphers?: string): Promise<Client> {
  raw.removeAllListeners('data')
  const socket = connect({
    socket: raw,
    servername: 'localhost',
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    ...(ciphers === undefined ? {} : { ciphers }),
  })
  // Not in its options: with a socket handed in, Node takes the half-open mode from there.
  socket.allowHalfOpen = true
  socket.on('error', () => undefined)
  const heard = ear(socket)
  // A connection that is turned away before TLS is for the dialogue to see.
  await once(socket, 'secureConnect').catch(() => undefined)
  return { socket, ear: heard, raw }
}

/**
 * Behind a password Postern says STAT, as no other answer tells whether the +OK was meant for the password. It is answered here, so
 * that texts need not: they show what is the client's.
 */
function answerProof(socket: Socket): (text: string) => string {
  let isDue = false
  return (text) => {
    if (/^(PASS|APOP) /.test(text)) isDue = true
    if (!isDue || text !== 'STAT\r\n') return text
    isDue = false
    socket.write('+OK 0 0\r\n')
    return ''
  }
}

export type OldServerScript = { capabilities?: string[] | null; greeting?: string; silent?: boolean }

export type ScriptedServer = {
  port: number
  /** What the connection that has the word hears. */
  ear(): Promise<Ear>
  /** Gives the word to the next connection. */
  next(): void
  write(bytes: Buffer): Promise<void>
  end(how: 'end' | 'reset'): Promise<void>
  /** All lines that login connections have sent and no step has heard. */
  unheard(): string[]
  logins(): number
  close(): void
}

/**
 * An old server for one dialogue. Health checks (they ask CAPA first) are answered by itself; any other connection is the
 * dialogue's; `next` gives the word from one to the one after it.
 */
export async function scriptedServer(script: OldServerScript): Promise<ScriptedServer> {
  const logins: { socket: Socket; ear: Ear }[] = []
  const all = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    all.add(socket)
    socket.on('error', () => undefined)
    if (script.silent === true) {
      logins.push({ socket, ear: ear(socket) })
      return
    }
    socket.write(`${script.greeting ?? '+OK old server'}\r\n`)
    socket.on('data', function look(first: Buffer) {
      // A health check has no client to name: this line, then CAPA, which may come with it or apart from it.
      const words = first.toString('latin1').replace(/^PROXY UNKNOWN\r\n/, '')
      if (words === '') return
      socket.off('data', look)
      if (words.startsWith('CAPA')) answerProbe(socket, script)
      else {
        logins.push({ socket, ear: ear(socket, answerProof(socket)) })
        socket.emit('data', first)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  let turn = 0
  const speaking = () => until('a login at the old server', () => logins[turn], 15_000)
  return {
    port: (server.address() as AddressInfo).port,
    ear: async () => (await speaking()).ear,
    next: () => void (turn += 1),
    write: async (bytes) => void (await speaking()).socket.write(bytes),
    end: async (how) => {
      const { socket } = await speaking()
      if (how === 'end') socket.end()
      else socket.resetAndDestroy()
    },
    unheard: () => logins.map((login) => login.ear.heard()).filter((text) => text !== ''),
    logins: () => logins.length,
    close() {
      for (const socket of all) socket.destroy()
      server.close()
    },
  }
}

function answerProbe(socket: Socket, script: OldServerScript): void {
  const capabilities = script.capabilities === undefined ? ['TOP', 'UIDL', 'PIPELINING'] : script.capabilities
  socket.write(
    capabilities === null ? '-ERR what?\r\n' : `+OK\r\n${capabilities.map((line) => `${line}\r\n`).join('')}.\r\n`,
  )
  socket.on('data', () => socket.end('+OK\r\n'))
}
