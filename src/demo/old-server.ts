/** A small old mail server, as the demo needs one: plain POP3 (RFC 1939), one user, messages in memory, no TLS, no codes. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createHash } from 'node:crypto'

export type OldServer = { host: string; port: number; messages(): Buffer[]; close(): void }

type Session = { user: string | null; open: boolean; deleted: Set<number> }

/** Starts it on a free loopback port. Messages are kept with CRLF line ends; DELE takes effect at QUIT. */
export async function oldServer(user: string, password: string, messages: Buffer[]): Promise<OldServer> {
  let mailbox = [...messages]
  const box = {
    all: () => mailbox,
    expunge: (gone: Set<number>) => {
      mailbox = mailbox.filter((_, index) => !gone.has(index + 1))
    },
  }
  const server = createServer((socket) => {
    converse(socket, user, password, box)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { host: '127.0.0.1', port, messages: () => [...mailbox], close: () => closeAll(server) }
}

function closeAll(server: Server): void {
  server.close()
}

type Box = { all(): Buffer[]; expunge(gone: Set<number>): void }

function converse(socket: Socket, user: string, password: string, box: Box): void {
  const session: Session = { user: null, open: false, deleted: new Set() }
  let pending = ''
  socket.setEncoding('latin1')
  socket.on('error', () => undefined)
  socket.write('+OK old mail server ready\r\n')
  socket.on('data', (chunk: string) => {
    pending += chunk
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const line = pending.slice(0, end).replace(/\r$/, '')
      pending = pending.slice(end + 1)
      answer(socket, session, line, { user, password }, box)
    }
  })
}

function answer(
  socket: Socket,
  session: Session,
  line: string,
  account: { user: string; password: string },
  box: Box,
): void {
  const space = line.indexOf(' ')
  const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase()
  const rest = space < 0 ? '' : line.slice(space + 1)
  if (verb === 'QUIT') {
    if (session.open) box.expunge(session.deleted)
    socket.end('+OK bye\r\n')
  } else if (verb === 'CAPA') socket.write('+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n')
  else if (session.open) socket.write(transaction(session, verb, rest, box.all()))
  else if (verb === 'USER') {
    session.user = rest
    socket.write('+OK\r\n')
  } else if (verb === 'PASS' && session.user !== null) {
    session.open = session.user === account.user && rest === account.password
    socket.write(session.open ? '+OK mailbox open\r\n' : '-ERR wrong user or password\r\n')
  } else socket.write('-ERR not now\r\n')
}

/** The TRANSACTION state of RFC 1939 section 5. */
function transaction(session: Session, verb: string, rest: string, all: Buffer[]): Buffer | string {
  const [number = 0, lines = 0] = rest.split(' ').map(Number)
  const standing = all
    .map((message, index) => ({ message, id: index + 1 }))
    .filter(({ id }) => !session.deleted.has(id))
  const one = standing.find(({ id }) => id === number)
  const list = (row: (entry: { message: Buffer; id: number }) => string | number) =>
    rest === ''
      ? `+OK\r\n${standing.map((entry) => `${entry.id} ${row(entry)}\r\n`).join('')}.\r\n`
      : one === undefined
        ? '-ERR no such message\r\n'
        : `+OK ${one.id} ${row(one)}\r\n`
  const octets = standing.reduce((sum, { message }) => sum + message.length, 0)
  if (verb === 'STAT') return `+OK ${standing.length} ${octets}\r\n`
  if (verb === 'NOOP') return '+OK\r\n'
  if (verb === 'RSET') {
    session.deleted.clear()
    return '+OK\r\n'
  }
  if (verb === 'LIST') return list(({ message }) => message.length)
  if (verb === 'UIDL') return list(({ message }) => createHash('sha256').update(message).digest('hex').slice(0, 16))
  if (one === undefined) return '-ERR no such message\r\n'
  if (verb === 'RETR') return multiLine(one.message)
  if (verb === 'TOP') return multiLine(top(one.message, lines))
  if (verb === 'DELE') {
    session.deleted.add(number)
    return '+OK\r\n'
  }
  return '-ERR what?\r\n'
}

function multiLine(message: Buffer): Buffer {
  const stuffed = message.toString('latin1').replace(/(^|\n)\./g, '$1..')
  const end = stuffed.endsWith('\r\n') ? '.\r\n' : '\r\n.\r\n'
  return Buffer.from(`+OK\r\n${stuffed}${end}`, 'latin1')
}

function top(message: Buffer, lines: number): Buffer {
  const text = message.toString('latin1')
  const split = text.indexOf('\r\n\r\n') + 4
  const body = text.slice(split).split('\r\n').slice(0, lines)
  return Buffer.from(`${text.slice(0, split)}${body.map((line) => `${line}\r\n`).join('')}`, 'latin1')
}
