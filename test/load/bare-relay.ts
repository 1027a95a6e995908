/**
 * The least that a relay in Node can do: TLS, USER and PASS passed to the old server, a STAT behind them, octets from there on. It checks
 * nobody, writes nothing down and takes every client and server for honest. For comparison alone: see `bare.ts`.
 */
import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'

const [port = '', behind = '', cert = '', key = ''] = process.argv.slice(2)
/** The code that the load generator types behind the password. */
const CODE_LENGTH = 6

function serve(): void {
  const options = {
    cert: readFileSync(cert),
    key: readFileSync(key),
    ciphers: 'TLS_AES_128_GCM_SHA256',
    ecdhCurve: 'X25519:P-256',
  }
  createServer({ ...options, noDelay: true }, converse).listen(Number(port), '127.0.0.1')
}

function converse(client: TLSSocket): void {
  let user = ''
  let server: Socket | null = null
  let isIn = false
  client.on('error', () => undefined)
  client.on('close', () => server?.destroy())
  client.on('data', (octets) => {
    if (isIn) return void server?.write(octets)
    const line = octets.toString('latin1').trimEnd()
    if (line.startsWith('USER ')) {
      user = line
      client.write('+OK\r\n')
    } else if (line.startsWith('PASS ')) {
      server = logIn([user, line.slice(0, -CODE_LENGTH), 'STAT'], client, () => (isIn = true))
    } else client.end('+OK\r\n')
  })
  client.write('+OK POP3 ready\r\n')
}

/** Says one line for each that the server says, then passes on what it says. */
function logIn(lines: string[], client: TLSSocket, done: () => void): Socket {
  const server = connect({ port: Number(behind), host: '127.0.0.1', noDelay: true })
  let isIn = false
  server.on('error', () => undefined)
  server.on('close', () => client.end())
  server.on('data', (octets) => {
    const line = lines.shift()
    if (line !== undefined) return void server.write(`${line}\r\n`)
    if (isIn) return void client.write(octets)
    isIn = true
    done()
    client.write('+OK\r\n')
  })
  return server
}

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_NONE
  for (let n = 0; n < 2; n++) cluster.fork()
} else serve()
