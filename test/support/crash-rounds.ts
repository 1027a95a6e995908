/** Rounds of: let it work, kill it without warning, start again, look whether all that was promised is there. */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseNotes, printNotes } from '../../src/audit/anchors.ts'
import { readLines, streamFiles } from '../../src/audit/stream-files.ts'
import { verifyFolder } from '../../src/audit/verify-folder.ts'
import { peekAudit } from '../../src/state/sqlite-heads.ts'
import { openCrashWorld } from './crash-world.ts'

const CHILD = new URL('./crash-child.ts', import.meta.url).pathname

export type Rounds = {
  rounds: number
  promised: number
  missing: string[]
  broken: string[]
  findings: string[]
  repaired: number
  seals: number
  files: number
}

/** Runs so many rounds in a folder. A round lasts up to `longest` ms after the first login; the moment of its end is chance. */
export async function crashRounds(folder: string, rounds: number, longest: number): Promise<Rounds> {
  const promised = new Set<string>()
  const out: Rounds = { rounds, promised: 0, missing: [], broken: [], findings: [], repaired: 0, seals: 0, files: 0 }
  for (let round = 0; round < rounds; round++) {
    for (const user of await oneLife(folder, round, randomInt(longest))) promised.add(user)
    const again = await openCrashWorld(folder)
    out.findings.push(...again.journal.findings())
    out.repaired += again.said.filter((line) => line.includes('half line')).length
    await again.close()
    out.broken.push(...(await breaks(folder)))
  }
  const lines = await usersOf(folder)
  out.promised = promised.size
  out.missing = [...promised].filter((user) => !lines.users.has(user))
  return { ...out, seals: lines.seals, files: lines.files }
}

async function oneLife(folder: string, round: number, ms: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, folder, String(round)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()))
  const first = new Promise<void>((resolve) => {
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString()
      resolve()
    })
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await Promise.race([first, ended])
  await delay(ms)
  child.kill('SIGKILL')
  await ended
  if (out === '') throw new Error(`the child wrote nothing: ${err}`)
  // The last line may be cut where the kill fell; it was promised to nobody then.
  return out.split('\n').slice(0, -1)
}

async function breaks(folder: string): Promise<string[]> {
  const note = peekAudit(join(folder, 'state'))
  if (note === null) return ['there is no anchor']
  const notes = parseNotes(printNotes(note.anchor, note.heads, '').join('\n'), 'the store')
  const reports = await verifyFolder(join(folder, 'audit'), { notes, live: false })
  return reports.flatMap(({ verified }) => (verified.at === 'broken' ? [JSON.stringify(verified)] : []))
}

async function usersOf(folder: string): Promise<{ users: Set<string>; seals: number; files: number }> {
  const users = new Set<string>()
  let seals = 0
  const files = await streamFiles(join(folder, 'audit'), 'auth')
  for (const { path } of files) {
    for await (const line of readLines(path)) {
      if (line.is !== 'line') continue
      const { user, event } = JSON.parse(line.bytes.toString()) as {
        user?: { name: string }
        event: { action: string }
      }
      if (user !== undefined) users.add(user.name)
      if (event.action === 'audit-sealed') seals++
    }
  }
  return { users, seals, files: files.length }
}
