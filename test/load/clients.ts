/** Clients for measurements: strangers that are turned away, and one good one. All of 127.0.0.0/8. */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectSecure, type TLSSocket } from 'node:tls'

type To = { port: number; from: string }

function open({ port, from }: To): Socket {
  return connectPlain({ host: '127.0.0.1', port, localAddress: from }).on('error', () => undefined)
}

const closed = (socket: Socket) =>
  new Promise<void>((resolve) =>
    socket.once('close', () => {
      resolve()
    }),
  )

/** Connects and waits to be turned away. */
export async function knock(to: To): Promise<void> {
  const socket = open(to)
  socket.resume()
  await closed(socket)
}

/** A full handshake up to the greeting, then QUIT. Throws when there is no greeting. */
export async function shakeHands(to: To): Promise<void> {
  const said = reader(await secured(to))
  await said.line()
  await said.ask('QUIT')
  said.socket.destroy()
}

/** A whole login and QUIT; gives how long it took, in ms, from connecting to the answer to the password. */
export async function logIn(to: To, user: string, password: string): Promise<number> {
  const started = performance.now()
  const said = await session(to, user, password)
  const took = performance.now() - started
  await said.ask('QUIT')
  said.socket.destroy()
  return took
}

export type Session = { socket: TLSSocket; line(): Promise<string>; ask(command: string): Promise<string> }

/** A session that is logged in. Throws what the server says when it refuses. `asks` is called right before PASS. */
export async function session(to: To, user: string, password: string, asks?: () => void): Promise<Session> {
  const said = reader(await secured(to))
  await said.line()
  await said.ask(`USER ${user}`)
  asks?.()
  const answer = await said.ask(`PASS ${password}`)
  if (!answer.startsWith('+OK')) {
    said.socket.destroy()
    throw new Error(answer)
  }
  return said
}

function secured(to: To): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectSecure({ socket: open(to), rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    socket.once('secureConnect', () => {
      resolve(socket)
    })
    socket.once('error', reject)
    socket.once('close', () => {
      reject(new Error('turned away'))
    })
  })
}

function reader(socket: TLSSocket): Session {
  let buffered = ''
  let wake: () => void = () => undefined
  socket.on('data', (bytes: Buffer) => {
    buffered += bytes.toString('latin1')
    wake()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    wake()
  })
  const line = async () => {
    while (!buffered.includes('\n')) {
      if (socket.destroyed) throw new Error('the connection ended')
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const end = buffered.indexOf('\n')
    const one = buffered.slice(0, end)
    buffered = buffered.slice(end + 1)
    return one
  }
  return {
    socket,
    line,
    ask(command) {
      socket.write(`${command}\r\n`)
      return line()
    },
  }
}

/** Runs `work` so many times, so many at once. */
export async function many(count: number, atOnce: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
