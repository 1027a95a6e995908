/** An old server with a different mailbox for each user, which writes in odd pieces. It believes every password. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { dice, mailboxOf, writeInPieces, type Mailbox, type Pieces, type Roll } from './mailboxes.ts'

export type PiecemealServer = {
  port: number
  mailbox(user: string): Mailbox
  /** Resolves when nothing of what it has to say is taken any more, or nothing is left to say. */
  stuck(): Promise<void>
  close(): void
}

/** What has not moved for so long waits for a reader. */
const STUCK_MS = 40

/** Starts it on a free port of 127.0.0.1. `piecesFor`: how it writes to a user. */
export async function startPiecemealServer(piecesFor: (user: string) => Pieces): Promise<PiecemealServer> {
  const mailboxes = new Map<string, Mailbox>()
  const mailbox = (user: string) => {
    const known = mailboxes.get(user) ?? mailboxOf(user)
    mailboxes.set(user, known)
    return known
  }
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    converse(socket, mailbox, piecesFor, dice(`server ${sockets.size}`))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    mailbox,
    async stuck() {
      const written = () => [...sockets].reduce((sum, one) => sum + one.bytesWritten - one.writableLength, 0)
      for (let before = -1; before !== written();) {
        before = written()
        await delay(STUCK_MS)
      }
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function converse(
  socket: Socket,
  mailbox: (user: string) => Mailbox,
  piecesFor: (user: string) => Pieces,
  roll: Roll,
): void {
  let pending = ''
  let user = ''
  let said = Promise.resolve()
  socket.on('error', () => undefined)
  socket.write('+OK ready\r\n')
  socket.on('data', (chunk: Buffer) => {
    const lines = (pending + chunk.toString('latin1')).split('\r\n')
    pending = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('USER ')) user = line.slice(5)
      const asked = user
      said = said.then(() => writeInPieces(socket, answer(line, asked, mailbox), piecesFor(asked), roll))
      if (line === 'QUIT') void said.then(() => socket.end())
    }
  })
}

const CAPA = '+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n'
const BYE = '+OK bye\r\n'

function answer(line: string, user: string, mailbox: (user: string) => Mailbox): Buffer {
  const [verb = ''] = line.split(' ', 1)
  if (verb === 'RETR' || verb === 'TOP') return mailbox(user).reply(line)
  if (verb === 'STAT') return Buffer.from(`+OK ${mailbox(user).count} 1\r\n`)
  return Buffer.from(verb === 'CAPA' ? CAPA : verb === 'QUIT' ? BYE : '+OK\r\n')
}
