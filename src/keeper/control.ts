/**
 * The control socket: how commands reach the running server. One request a connection, a line of JSON each way.
 * The socket's mode keeps other users out; the token keeps the fronts out, which may run under the same user and can
 * open sockets but no files.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { Refusal } from '../base/refusal.ts'
import { StateFault } from '../state/fault.ts'
import {
  CONTROL_ANSWER_MAX,
  CONTROL_CONNECTIONS_MAX,
  CONTROL_DEADLINE_MS,
  CONTROL_REQUEST_MAX,
} from '../base/limits.ts'
import { CONTROL_HELD_MAX } from '../base/login-limits.ts'

export type Handler = (command: string, args: Record<string, unknown>) => Promise<unknown>

const socketOf = (state: string) => join(state, 'control.sock')
const tokenOf = (state: string) => join(state, 'control.token')

const AS_WHOM = 'run this as the user that runs the server'

const request = z.strictObject({
  token: z.string(),
  command: z.string().max(64),
  args: z.record(z.string(), z.unknown()),
})

const answer = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true), result: z.unknown() }),
  z.strictObject({ ok: z.literal(false), error: z.string() }),
])

/** Needs the state folder, whose instance lock the caller holds (so a socket that lies there is a dead one's). */
export async function openControl(
  state: string,
  handle: Handler,
  broken: (error: unknown) => void,
): Promise<{ close(): Promise<void> }> {
  const token = randomBytes(32).toString('hex')
  await rm(socketOf(state), { force: true })
  await rm(tokenOf(state), { force: true })
  await writeFile(tokenOf(state), token, { mode: 0o600, flag: 'wx' })
  const held = { octets: 0 }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    serve(socket, token, handle, held).catch(broken)
  })
  server.maxConnections = CONTROL_CONNECTIONS_MAX
  await listen(server, socketOf(state))
  await chmod(socketOf(state), 0o600)
  return {
    async close() {
      server.close()
      await rm(socketOf(state), { force: true })
      await rm(tokenOf(state), { force: true })
    },
  }
}

/** A unix socket's mode is the umask's until chmod: it is made without rights for others. */
async function listen(server: Server, path: string): Promise<void> {
  const before = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
  } finally {
    process.umask(before)
  }
}

async function serve(socket: Socket, token: string, handle: Handler, held: Held): Promise<void> {
  socket.on('error', () => undefined)
  socket.setTimeout(CONTROL_DEADLINE_MS, () => socket.destroy())
  try {
    const read = request.safeParse(JSON.parse(await line(socket, CONTROL_REQUEST_MAX, held)))
    if (!read.success) throw new Refusal('malformed request')
    if (!same(read.data.token, token)) throw new Refusal('wrong token')
    const result = await handle(read.data.command, read.data.args)
    socket.end(`${JSON.stringify({ ok: true, result })}\n`)
  } catch (error) {
    const isAnswer = error instanceof Refusal || error instanceof StateFault
    const text = isAnswer ? error.message : 'the server failed on this command; its log says more'
    socket.end(`${JSON.stringify({ ok: false, error: text })}\n`)
    if (!isAnswer && !(error instanceof SyntaxError)) throw error
  }
}

function same(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** What all requests together hold that are not yet whole. */
type Held = { octets: number }

/** Everything up to the first LF. Not `for await`: leaving that loop would destroy the socket before it is answered. */
function line(socket: Socket, max: number, held: Held | null = null): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const chunks: string[] = []
  let size = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    chunks.push(chunk)
    size += chunk.length
    if (held !== null) held.octets += chunk.length
    const isTooMuch = size > max || (held?.octets ?? 0) > CONTROL_HELD_MAX
    if (isTooMuch) reject(new Refusal('too long a message on the control socket'))
    else if (chunk.includes('\n')) resolve(chunks.join(''))
  })
  socket.once('end', () => {
    resolve(chunks.join(''))
  })
  socket.once('close', () => {
    reject(new Refusal('the line to the server broke before its answer'))
  })
  return promise.finally(() => {
    if (held !== null) held.octets -= size
    size = 0
    chunks.length = 0
    socket.removeAllListeners('data').resume()
  })
}

/**
 * Asks the running server. Gives `null` when none runs on this state folder; throws {@link Refusal} with the server's
 * words when it refuses, and when this user may not reach it or read its token.
 */
export async function askServer(
  state: string,
  command: string,
  args: Record<string, unknown>,
): Promise<{ result: unknown } | null> {
  const socket = connect(socketOf(state))
  const up = await new Promise<boolean>((resolve, reject) => {
    socket.once('connect', () => {
      resolve(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'EACCES') reject(new Refusal(`${socketOf(state)} cannot be reached: ${AS_WHOM}`))
      else resolve(false)
    })
  })
  if (!up) return null
  const token = await readFile(tokenOf(state), 'utf8').catch(() => {
    throw new Refusal(`cannot read ${tokenOf(state)}: ${AS_WHOM}`)
  })
  socket.setTimeout(CONTROL_DEADLINE_MS, () => socket.destroy())
  socket.on('error', () => undefined)
  socket.write(`${JSON.stringify({ token, command, args })}\n`)
  const read = answer.parse(JSON.parse(await line(socket, CONTROL_ANSWER_MAX)))
  socket.destroy()
  if (!read.ok) throw new Refusal(read.error)
  return { result: read.result }
}
