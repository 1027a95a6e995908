/** The keeper's judgement of logins, as the rest of the keeper uses it. */
import { authenticate } from './authenticate.ts'
import { createDesk, failed, giveBack, type Attempt, type Desk, type JudgeContext } from './desk.ts'
import { settle } from './settle.ts'
import type { AuthenticateAnswer, Outcome, SettleAnswer } from './messages.ts'

export type Judge = {
  /** See {@link authenticate}. Needs a session that is admitted and secured. */
  authenticate(attempt: Attempt): Promise<AuthenticateAnswer>
  /** See {@link settle}. Needs a session of the very front that asks. */
  settle(session: string, token: string, outcome: Outcome): Promise<SettleAnswer>
  /** The connection is gone (closed, or its front is lost): claim, place and token are void. Never throws. */
  release(session: string): void
  /** The user's way in is gone: of the logins under way (all, or those of one device) none becomes a session. */
  void(user: string, device?: string): void
}

/** One for each keeper: what is in flight, and what was refused lately, is known to it alone. */
export function createJudge(context: JudgeContext): Judge {
  const desk = createDesk(context)
  return {
    authenticate: (attempt) => authenticate(desk, attempt),
    settle: (session, token, outcome) => settle(desk, session, token, outcome),
    release(session) {
      release(desk, session)
    },
    void(user, device) {
      for (const login of desk.logins.values()) {
        const isOfDevice = device === undefined || login.asked?.marks.device.id === device
        // It stays on the desk: its front still has a token, and settles with it.
        if (login.user === user && isOfDevice) login.gone.abort(GONE)
      }
    },
  }
}

/** Made once: without a reason each abort makes an error with a stack of its own. */
const GONE = 'gone'

function release(desk: Desk, session: string): void {
  const login = desk.logins.get(session)
  if (login === undefined) return
  desk.logins.delete(session)
  login.gone.abort(GONE)
  // The old server has the password, and nobody waits for its answer any more.
  const { stake } = login
  const by = login.asked?.by.is
  // ATTACK: a code read over somebody's shoulder, and a password guessed with each connection until it runs out.
  const couldBeGuess = by === 'password' || by === 'code'
  if (couldBeGuess && login.asked?.token !== null && stake !== null) {
    login.stake = null
    desk.failures.left(stake).catch(desk.broken)
  }
  giveBack(desk, login, 'free').catch(desk.broken)
  try {
    failed(desk, login, 'aborted')
  } catch (error) {
    desk.broken(error)
  }
}
