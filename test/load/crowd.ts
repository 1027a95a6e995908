/** Sessions that are logged in and stay so while something is measured. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { generator, read, type Load, type LoadOptions } from './old-mail.ts'

/** Longer than anything is measured; should the bench be killed, its crowd leaves by itself. */
const HELD_S = 900

export type Crowd = {
  /** What was measured while they came; see `idle` in `tools/README.md`. */
  figures: Load
  /** What it says at the end, when `every` was asked for and they were held to their end. */
  held(): Promise<Load>
  /** All at once, without a QUIT. */
  leave(): Promise<void>
}

/** Waits until all of them are logged in and the probes are through. Throws when some are not. */
export async function crowd(options: Omit<LoadOptions, 'account'>): Promise<Crowd> {
  const flags = { mode: 'idle', ramp: 32, settle: 0, probes: 0, hold: HELD_S, secs: 300, ...options.flags }
  const [file, args] = generator({ ...options, account: null, flags })
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const said = async () => read(String((await lines.next()).value ?? ''), args)
  const leave = async () => {
    child.kill()
    await gone
  }
  try {
    return { figures: await said(), held: said, leave }
  } catch (error) {
    await leave()
    throw error
  }
}
