/**
 * `npm run bench -- crash [ROUNDS]`: the whole server under logins, its keeper killed at a random moment and started again. After each
 * start the audit must verify, and have every login that was answered +OK.
 */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseNotes, printNotes } from '../../src/audit/anchors.ts'
import { readLines, streamFiles } from '../../src/audit/stream-files.ts'
import { verifyFolder } from '../../src/audit/verify-folder.ts'
import { oldServer } from '../../src/demo/old-server.ts'
import { peekAudit } from '../../src/state/sqlite-heads.ts'
import { startPostern, until, type Running } from '../support/running.ts'
import { session } from './clients.ts'
import { printTable } from './table.ts'

const ROUNDS = 200
const CLIENTS = 8
/** The keeper lives on so long behind the first login, at most. */
const LONGEST_MS = 400
const USER = 'ann@example.com'

type Seen = Map<string, number>
const more = (seen: Seen, key: string) => seen.set(key, (seen.get(key) ?? 0) + 1)

/** Prints what was promised and what was found. Throws at the first round that is not as it must be. */
export async function run([rounds = String(ROUNDS)]: string[]): Promise<void> {
  const old = await oldServer(USER, 'secret', [])
  const wanted = { backendPort: old.port, postern: { processes: { fronts: 1, user: 'nobody' } } }
  const promised: Seen = new Map()
  const started = performance.now()
  let postern = await startPostern(wanted)
  await postern.enroll(USER)
  const typed = `secret${postern.code(USER)}`
  ;(await session({ port: postern.port, from: '127.0.0.1' }, USER, typed)).socket.destroy()
  let logins = 0
  try {
    for (let round = 0; round < Number(rounds); round++) {
      logins += await load(postern, typed, promised)
      postern = await startPostern({ ...wanted, folder: postern.folder })
      await mustBeWhole(postern.folder, round)
      await mustHold(postern.folder, promised, round)
      if (round % 10 === 9) process.stderr.write(`${round + 1} rounds, ${logins} logins\n`)
    }
  } finally {
    await postern.close()
    old.close()
  }
  const minutes = ((performance.now() - started) / 60_000).toFixed(1)
  printTable('Killed and started again', ['rounds', 'logins answered +OK', 'missing', 'breaks', 'minutes'], [
    [rounds, String(logins), '0', '0', minutes],
  ]) // prettier-ignore
}

/** Logs in again and again until the keeper is killed. Gives how many logins were answered +OK. */
async function load(postern: Running, typed: string, promised: Seen): Promise<number> {
  let logins = 0
  let over = false
  const client = async () => {
    while (!over) {
      try {
        const { socket } = await session({ port: postern.port, from: '127.0.0.1' }, USER, typed)
        more(promised, String(socket.localPort))
        logins++
        socket.destroy()
      } catch {
        await delay(5)
      }
    }
  }
  const clients = Array.from({ length: CLIENTS }, client)
  await until('a login', () => logins > 0)
  await delay(randomInt(LONGEST_MS))
  await postern.stop('SIGKILL')
  over = true
  await Promise.all(clients)
  return logins
}

async function mustBeWhole(folder: string, round: number): Promise<void> {
  const note = peekAudit(join(folder, 'state'))
  if (note === null) throw new Error('there is no anchor')
  const notes = parseNotes(printNotes(note.anchor, note.heads, '').join('\n'), 'the store')
  for (const { verified } of await verifyFolder(join(folder, 'state/audit'), { notes, live: true }))
    if (verified.at === 'broken') throw new Error(`round ${round}: ${JSON.stringify(verified)}`)
}

/** The audit knows a login by the client's port: it must have at least as many of each as were answered. */
async function mustHold(folder: string, promised: Seen, round: number): Promise<void> {
  const found: Seen = new Map()
  for (const { path } of await streamFiles(join(folder, 'state/audit'), 'auth')) {
    for await (const line of readLines(path)) {
      if (line.is !== 'line') continue
      const told = JSON.parse(line.bytes.toString()) as { event: { action: string }; source?: { port: number } }
      if (told.event.action === 'login-succeeded') more(found, String(told.source?.port))
    }
  }
  for (const [port, times] of promised)
    if ((found.get(port) ?? 0) < times) throw new Error(`round ${round}: the login from port ${port} is missing`)
}
