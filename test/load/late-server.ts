/** An old POP3 server that takes its time to refuse, as PAM does. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** Everybody has this password. `refuseAfter` gives ms, anew for each refusal; `heard` gets what was asked. */
export async function lateServer(
  password: string,
  refuseAfter: () => number,
  heard: (user: string, password: string) => void = () => undefined,
): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => {
    let pending = ''
    let user = ''
    socket.on('error', () => undefined)
    socket.write('+OK late server\r\n')
    const answer = (line: string) => {
      const [verb = '', ...rest] = line.split(' ')
      const word = rest.join(' ')
      if (verb === 'USER') user = word
      if (verb === 'CAPA') socket.write('+OK\r\nUIDL\r\nTOP\r\n.\r\n')
      else if (verb === 'QUIT') socket.end('+OK\r\n')
      else if (verb === 'STAT') socket.write('+OK 0 0\r\n')
      else if (verb !== 'PASS') socket.write('+OK\r\n')
      else {
        heard(user, word)
        if (word === password) socket.write('+OK\r\n')
        else setTimeout(() => void (socket.writable && socket.write('-ERR no\r\n')), refuseAfter())
      }
    }
    socket.on('data', (bytes: Buffer) => {
      const lines = (pending + bytes.toString('latin1')).split('\r\n')
      pending = lines.pop() ?? ''
      for (const line of lines) answer(line)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}
