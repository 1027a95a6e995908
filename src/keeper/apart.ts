/** A compiler: a process without powers that answers one question and is ended. This is how the keeper has strangers' octets read. */
import { spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { within } from '../base/deadline.ts'
import { readFrame, toFrame, type Ceilings } from '../compiler/wire.ts'
import { powerless } from './powerless.ts'
import type { Identity } from './supervise.ts'

export type Apart = {
  /** The code it runs, and the folders it may read: nothing but code. */
  program: string
  readable: readonly string[]
  /** Whom it becomes; null when the keeper has no root to give up. */
  identity: Identity | null
  heapMiB: number
  deadlineMs: number
  ceilings: Ceilings
  environment: NodeJS.ProcessEnv
  /** A descriptor it gets open, as its number 3. */
  file?: number
}

/**
 * Asks, and gives what came back, of which nothing is known yet. Throws one line when there was no whole answer within
 * deadline and ceilings; the process is gone either way.
 */
export async function askApart(question: unknown, options: Apart): Promise<unknown> {
  const { program, readable, identity, heapMiB, deadlineMs, ceilings, environment, file } = options
  const become = identity === null ? [] : [String(identity.uid), String(identity.gid)]
  const child = spawn(
    process.execPath,
    [...powerless(readable), `--max-old-space-size=${heapMiB}`, program, ...become],
    { env: environment, stdio: ['pipe', 'pipe', 'pipe', ...(file === undefined ? [] : [file])] },
  )
  goLast(child.pid)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      resolve(error.message)
    })
    child.once('exit', (code, signal) => {
      resolve(signal ?? `exit ${code}`)
    })
  })
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw new Error('no pipes')
  // Whoever does not read to the end has ended: its answer, or its end, says so.
  stdin.on('error', () => undefined)
  stderr.resume()
  for (const octets of toFrame(question)) stdin.write(octets)
  stdin.end()
  try {
    return await within(deadlineMs, 'the compiler', readFrame(stdout, ceilings))
  } catch (error) {
    child.kill('SIGKILL')
    const why = error instanceof Error ? error.message : 'unknown error'
    throw new Error(`the compiler failed (${await ended}): ${why}`, { cause: error })
  } finally {
    child.kill('SIGKILL')
  }
}

/** Of the 19 steps that there are (`nice`). */
const LAST = 10

/** Who logs in waits for nobody who reads a list. Where a system does not allow it, all wait alike. */
function goLast(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, LAST)
  } catch {
    // It has ended, or may not be told: nothing depends on it.
  }
}
