/**
 * While users are being enrolled, a name of the roster without a code is asked for at the old server, and hears of its
 * trouble; a name that nobody has, and a user whose second factor fails, would hear a refusal instead. In that situation
 * everybody hears of the trouble, in the same words and at the same time, and nobody who is refused gets any further.
 */
import { holdMs, type Desk, type Login } from './desk.ts'
import { isRollingOut } from './second-factor.ts'
import type { AuthenticateAnswer, SettleAnswer } from './messages.ts'

/** Gives the answer to an attempt that is refused. */
export async function answerRefusal(desk: Desk, login: Login): Promise<AuthenticateAnswer> {
  return (await couldBeAsked(desk, login)) ? { say: 'refuse', holdMs: holdMs(desk, login) } : answerTrouble(desk, login)
}

/** Gives the answer to an attempt that met trouble: our own, or the old server's. */
export function answerTrouble(desk: Desk, login: Login): Extract<SettleAnswer, { say: 'trouble' }> {
  if (!rolling(desk, login)) return { say: 'trouble' }
  return { say: 'trouble', holdMs: holdMs(desk, login, 'trouble') }
}

/** Waits for a place as the others do, without ever taking one, and looks whether the old server answers. */
async function couldBeAsked(desk: Desk, login: Login): Promise<boolean> {
  const { backend } = login
  if (backend === null || !rolling(desk, login)) return true
  if (!(await desk.places.could(backend.name, backend.max_sessions, login.gone.signal))) return false
  return desk.reachable(backend.name, holdMs(desk, login))
}

function rolling(desk: Desk, { policy }: Login): boolean {
  return isRollingOut(policy, desk.clock.now())
}
