/**
 * Whether something keeps the clock of this machine right: codes are good for a minute and a half, so a clock that drifts locks
 * everybody out in the end. Node cannot ask the kernel (adjtimex); systemd can, whoever keeps the clock, chrony and ntpd as well.
 */
import { execFile } from 'node:child_process'
import { CLOCK_ASKED_MS } from './login-limits.ts'

/** `unknown`: without systemd, as in most containers, nobody here can tell. That is no reason to warn. */
export type ClockKept = 'yes' | 'no' | 'unknown'

const WARNING =
  'nothing keeps the clock of this machine right (`timedatectl` says NTPSynchronized=no), and codes depend on it: start systemd-timesyncd or chrony'

/** Runs a program without the secrets of our environment; gives what it printed, or null when it cannot be run or fails. */
export type Ask = (program: string, args: string[]) => Promise<string | null>

const ask: Ask = (program, args) =>
  new Promise((resolve) => {
    const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' }
    execFile(program, args, { env, timeout: CLOCK_ASKED_MS, maxBuffer: 4_096 }, (error, stdout) => {
      resolve(error === null ? stdout : null)
    })
  })

/** Asks systemd what the kernel knows of the clock. Never rejects, never waits longer than CLOCK_ASKED_MS. */
export async function clockKept(asked: Ask = ask): Promise<ClockKept> {
  const said = await asked('timedatectl', ['show', '--property=NTPSynchronized'])
  const found = /^NTPSynchronized=(yes|no)$/m.exec(said ?? '')?.[1]
  return found === 'yes' || found === 'no' ? found : 'unknown'
}

/** Gives a sentence when the clock is known not to be kept right, or null. */
export async function clockWarning(asked: Ask = ask): Promise<string | null> {
  return (await clockKept(asked)) === 'no' ? WARNING : null
}
