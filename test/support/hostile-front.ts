/** A front that was taken over: it has a front's powers and tries to get more. What it gets goes to the keeper as log lines. */
import { spawn } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { Worker } from 'node:worker_threads'
import { setTimeout as delay } from 'node:timers/promises'

const [uid, gid] = process.argv.slice(2)
if (cluster.worker) cluster.worker.exitedAfterDisconnect = true
if (uid !== undefined && gid !== undefined) {
  process.setgroups?.([])
  process.setgid?.(Number(gid))
  process.setuid?.(Number(uid))
}

const tell = (attack: string, got: string) =>
  process.send?.({ kind: 'log', level: 'info', text: JSON.stringify({ attack, got }) })
const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error)

function attempt(attack: string, act: () => unknown): void {
  try {
    tell(attack, `done: ${String(act())}`)
  } catch (error) {
    tell(attack, codeOf(error))
  }
}

function converse(port: number | string, words: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = typeof port === 'string' ? connect(port) : connect(port, '127.0.0.1')
    socket.setTimeout(2_000, () => socket.destroy())
    socket.on('error', (error) => {
      resolve(codeOf(error))
    })
    socket.on('connect', () => socket.write(words))
    socket.on('data', (chunk) => {
      resolve(`heard: ${String(chunk)}`)
    })
    socket.on('close', () => {
      resolve('closed')
    })
  })
}

/** What `node:cluster` sends when a worker listens; sent by hand it can name anything. */
async function ask(query: Record<string, unknown>): Promise<void> {
  process.send?.({
    cmd: 'NODE_CLUSTER',
    act: 'queryServer',
    seq: 1,
    index: 0,
    data: null,
    flags: 0,
    backlog: 1,
    ...query,
  })
  await delay(1_000)
}

process.send?.({ kind: 'started' })
process.on('message', (raw) => {
  const [{ detail }] = raw as [{ detail: { state: string; attack: string } }]
  void attack(detail.state, detail.attack)
})

async function attack(state: string, name: string): Promise<void> {
  switch (name) {
    case 'files':
      attempt('read the store', () => readFileSync(`${state}/postern.sqlite`).length)
      attempt('read the master key', () => readFileSync(`${state}/../keys/master.key`, 'latin1'))
      attempt('read the control token', () => readFileSync(`${state}/control.token`, 'latin1'))
      attempt('read /etc/passwd', () => readFileSync('/etc/passwd').length)
      attempt('write a file', () => {
        writeFileSync('/tmp/postern-hostile', 'x')
      })
      attempt('start a program', () => spawn('true').pid)
      attempt('start a thread', () => new Worker('1', { eval: true }).threadId)
      attempt('environment', () => process.env['POSTERN_MASTER_KEY'])
      break
    case 'control socket':
      tell(name, await converse(`${state}/control.sock`, '{"token":"","command":"user.list","args":{}}\n'))
      break
    case 'inspector':
      attempt('signal the parent', () => process.kill(process.ppid, 'SIGUSR1'))
      await delay(500)
      tell(name, await converse(9229, 'GET /json/list HTTP/1.0\r\n\r\n'))
      break
    case 'unlisted port':
      createServer()
        .on('error', () => undefined)
        .listen({ port: 39_917, host: '127.0.0.1' })
      await delay(1_000)
      break
    case 'pipe':
      await ask({ address: '/tmp/postern-hostile.sock', port: -1, addressType: -1 })
      break
    case 'descriptor':
      await ask({ address: '127.0.0.1', port: 39_918, addressType: 4, fd: 0 })
      break
    case 'datagram':
      await ask({ address: '127.0.0.1', port: 39_919, addressType: 'udp4' })
      break
    case 'acknowledgement':
      process.send?.({ cmd: 'NODE_HANDLE_ACK' })
      await delay(1_000)
      break
    case 'handle': {
      const server = createServer().listen({ port: 0, host: '127.0.0.1', exclusive: true })
      await once(server, 'listening')
      process.send?.({ kind: 'log', level: 'info', text: '{}' }, server)
      await delay(1_000)
      break
    }
    case 'nonsense':
      process.send?.({ kind: 'settle', session: '../..', token: 1 })
      await delay(1_000)
      break
  }
  tell('end', name)
}
