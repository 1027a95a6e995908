/**
 * One attempt to log in, as a front sees it: the keeper checks the second factor, the old server the password, and the keeper's word
 * after that decides.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Level } from './base/log.ts'
import { reveal } from './base/secret.ts'
import type { ToKeeper } from './front/to-keeper.ts'
import type { AuthenticateAnswer, BackendPlan, SettleAnswer } from './keeper/messages.ts'
import type { LoginVerdict } from './login/machine.ts'
import type { Attempt } from './login/run.ts'
import { TROUBLE } from './pop3/reply.ts'
import { loginBackend, type BackendLogin, type LoginRequest, type Proven } from './relay/backend.ts'
import { outcomeOf } from './relay/failure.ts'
import type { Client } from './relay/introduction.ts'

/** What of a front it takes. */
export type Counter = {
  keeper: Pick<ToKeeper, 'authenticate' | 'settle'>
  backend(name: string): BackendPlan | null
  noisy: LoginRequest['noisy']
  log(level: Level, text: string): void
}

/** What came of one attempt. `server` is proven, and only with a welcome. */
export type Judged = { verdict: LoginVerdict; server: Proven | null; backend: BackendPlan | null }

const turnedDown = (verdict: LoginVerdict): Judged => ({ verdict, server: null, backend: null })
const TROUBLED = turnedDown({ say: 'trouble', line: TROUBLE })

/**
 * One login: the keeper checks the second factor, the old server the password, and the keeper's word after that decides.
 * Whatever fails on the way is `trouble`, never a welcome.
 */
export async function judge(attempt: Attempt, client: Client, counter: Counter, gone: AbortSignal): Promise<Judged> {
  const id = client.session
  try {
    const user = attempt.user
    const answer = await counter.keeper.authenticate({ session: id, user, secret: reveal(attempt.password) })
    if (answer.say === 'refuse') return await refuseAfter(answer.holdMs, gone)
    if (answer.say === 'trouble') return await troubleAfter(answer.holdMs ?? 0, gone)
    if (answer.say === 'deny') return turnedDown({ say: 'deny' })
    return await prove(answer, client, counter, gone)
  } catch (error) {
    counter.log('warn', `session ${id}: login not judged: ${error instanceof Error ? error.message : String(error)}`)
    return TROUBLED
  }
}

/** The old server proves the password; then the keeper settles the attempt. */
async function prove(
  answer: Extract<AuthenticateAnswer, { say: 'proceed' }>,
  client: Client,
  counter: Counter,
  gone: AbortSignal,
): Promise<Judged> {
  const { session } = client
  const { token } = answer
  const plan = counter.backend(answer.backend)
  if (plan === null) {
    const outcome = { at: 'unavailable', detail: 'this front does not know the backend' } as const
    await counter.keeper.settle({ session, token, outcome })
    return TROUBLED
  }
  const [username, password] = [Buffer.from(answer.username), Buffer.from(answer.password)]
  const login = await loginBackend({ plan, username, password, client, signal: gone, noisy: counter.noisy })
  // Nobody was refused and nobody is there to be let in: the end of the connection gives back what it held.
  const isMoot = gone.aborted && (login.at === 'proven' || login.at === 'unavailable')
  const settled = isMoot ? GONE : await settleOrLetGo({ session, token, outcome: outcomeOf(login) }, login, counter)
  if (login.at === 'proven') {
    if (settled.say === 'welcome' && !gone.aborted) {
      return { verdict: { say: 'welcome', words: login.words }, server: login, backend: plan }
    }
    login.source.socket.destroy()
    return TROUBLED
  }
  if (settled.say === 'refuse') return await refuseAfter(settled.holdMs, gone)
  if (settled.say === 'trouble' && settled.holdMs !== undefined) return await troubleAfter(settled.holdMs, gone)
  return login.at === 'refuted' ? TROUBLED : turnedDown({ say: 'trouble', line: login.words })
}

const GONE: SettleAnswer = { say: 'trouble' }

/** A keeper that cannot settle must not leave a mailbox open behind it. */
async function settleOrLetGo(
  question: Parameters<ToKeeper['settle']>[0],
  login: BackendLogin,
  counter: Counter,
): Promise<SettleAnswer> {
  try {
    return await counter.keeper.settle(question)
  } catch (error) {
    if (login.at === 'proven') login.source.socket.destroy()
    throw error
  }
}

/** Every refusal takes the same time, whatever its cause. */
async function refuseAfter(holdMs: number, gone: AbortSignal): Promise<Judged> {
  await delay(holdMs, undefined, { signal: gone }).catch(() => undefined)
  return turnedDown({ say: 'refuse' })
}

async function troubleAfter(holdMs: number, gone: AbortSignal): Promise<Judged> {
  if (holdMs > 0) await delay(holdMs, undefined, { signal: gone }).catch(() => undefined)
  return TROUBLED
}
