/** `postern session …`: who is in right now, and how to end it. */
import type { LiveSession } from '../keeper/end-sessions.ts'
import { misuse } from '../base/refusal.ts'
import { requestRunning } from './request.ts'

type Common = { config: string; json?: boolean }

const print = (text: string) => process.stdout.write(`${text}\n`)

/** How many, as the middle of a sentence. */
export function sessionsWords(count: number): string {
  if (count === 0) return 'no session was'
  return count === 1 ? 'one session was' : `${count} sessions were`
}

/** The oldest first. */
export async function sessionList(options: Common): Promise<number> {
  const sessions = (await requestRunning(options.config, 'session.list')) as LiveSession[]
  if (options.json === true) print(JSON.stringify(sessions))
  else for (const session of sessions) print(lineOf(session))
  return 0
}

function lineOf({ id, user, address, country, listener, backend, factor, since, ending }: LiveSession): string {
  const from = `${address}${country === null ? '' : ` (${country})`}`
  const state = ending ? '  is ending' : ''
  return `${id}  ${user}  ${from}  ${listener} -> ${backend}  ${factor}  since ${new Date(since).toISOString()}${state}`
}

/** Ends one, or all of a user. */
export async function sessionKill(
  id: string | undefined,
  { config, user, reason }: Common & { user?: string; reason?: string },
): Promise<number> {
  if ((id === undefined) === (user === undefined)) throw misuse('name one session by its id, or the user with --user')
  const ended = (await requestRunning(config, 'session.kill', { id, user, reason })) as LiveSession[]
  print(`${sessionsWords(ended.length)} told to end`)
  return 0
}
