import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { listen } from './listen.ts'

/** One connection as the old server saw it. */
export type Heard = {
  /** Commands as they arrived: the verb, and the message number of RETR, TOP and DELE. */
  commands: string[]
  /** Until the old server has closed it, which is after it has done what it does on QUIT. */
  open: boolean
}

export type Tap = {
  port: number
  heard: Heard[]
  /** From the n-th DELE of a session on, keeps the old server's answers to itself, so that the client must wait; 0 lets go of them. */
  holdAtDele: (nth: number) => void
  close: () => Promise<void>
}

/** A pipe to the old server that changes nothing and notes the commands: an end stays an end, a break stays a break. */
export async function startTap(to: { host: string; port: number }): Promise<Tap> {
  const heard: Heard[] = []
  const sockets = new Set<Socket>()
  const held = new Map<Socket, Socket>()
  let nth = 0
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true })
    const note: Heard = { commands: [], open: true }
    heard.push(note)
    let line = ''
    near.on('data', (bytes: Buffer) => {
      const lines = (line + bytes.toString('latin1')).split('\n')
      line = lines.pop() ?? ''
      note.commands.push(...lines.map(command))
      if (nth > 0 && note.commands.filter((each) => each.startsWith('DELE')).length >= nth) {
        far.unpipe(near)
        held.set(far, near)
      }
    })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', (broken) => {
        sockets.delete(one)
        if (one === far) note.open = false
        if (broken) other.destroy()
        else other.end()
      })
    }
  })
  const port = await listen(server)
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  const holdAtDele = (value: number): void => {
    nth = value
    if (nth > 0) return
    for (const [far, near] of held) far.pipe(near)
    held.clear()
  }
  return { port, heard, holdAtDele, close }
}

const VERBS = /^(?:(RETR|DELE|TOP) (\d+)|(?:CAPA|USER|PASS|APOP|AUTH|STAT|LIST|UIDL|NOOP|RSET|QUIT)\b)/i

/** Passwords and SASL data stay out of it: they would show in the message of a failed test. */
function command(line: string): string {
  const [all = '?', verb, number] = VERBS.exec(line) ?? []
  return (verb === undefined ? all : `${verb} ${number ?? ''}`).toUpperCase()
}
