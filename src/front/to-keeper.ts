/** The front's end of the line to the keeper: questions with deadlines, and news that wants no answer. */
import { within } from '../base/deadline.ts'
import { ADMIT_DEADLINE_MS, AUTHENTICATE_DEADLINE_MS, SETTLE_DEADLINE_MS } from '../base/limits.ts'
import type { AdmitAnswer, Answers, AuthenticateAnswer, FromFront, SettleAnswer } from '../keeper/messages.ts'

type Question = Extract<FromFront, { kind: keyof Answers }>
/** Leaves `call` out of each variant. */
type WithoutCall<T> = T extends unknown ? Omit<T, 'call'> : never

const DEADLINES: Record<keyof Answers, number> = {
  admit: ADMIT_DEADLINE_MS,
  authenticate: AUTHENTICATE_DEADLINE_MS,
  settle: SETTLE_DEADLINE_MS,
}

export type ToKeeper = {
  /** Each question rejects when the keeper is gone or silent past its deadline: the caller says `[SYS/TEMP]`, never lets in. */
  admit(question: Omit<Extract<Question, { kind: 'admit' }>, 'kind' | 'call'>): Promise<AdmitAnswer>
  authenticate(
    question: Omit<Extract<Question, { kind: 'authenticate' }>, 'kind' | 'call'>,
  ): Promise<AuthenticateAnswer>
  settle(question: Omit<Extract<Question, { kind: 'settle' }>, 'kind' | 'call'>): Promise<SettleAnswer>
  /** News. Lost without a word when the keeper is gone. */
  tell(news: Exclude<FromFront, Question>): void
  /** Takes an answer off the line. A place that comes too late is given back. */
  answered(call: number, answer: Answers[keyof Answers]): void
  /** The keeper is gone: every open question fails, every later one at once. */
  lost(): void
  isLost(): boolean
}

/** Needs the way to send a message, at once where somebody waits for the answer. */
export function toKeeper(send: (message: FromFront, now: boolean) => void): ToKeeper {
  const open = new Map<number, { resolve: (answer: Answers[keyof Answers]) => void; reject: (error: Error) => void }>()
  let next = 0
  let gone = false

  const ask = async (question: WithoutCall<Question>): Promise<Answers[keyof Answers]> => {
    if (gone) throw new Error('the keeper is gone')
    const call = (next = (next + 1) % Number.MAX_SAFE_INTEGER)
    const answer = new Promise<Answers[keyof Answers]>((resolve, reject) => open.set(call, { resolve, reject }))
    try {
      send({ ...question, call }, true)
      return await within(DEADLINES[question.kind], `keeper: ${question.kind}`, answer)
    } finally {
      open.delete(call)
    }
  }

  return {
    admit: (question) => ask({ kind: 'admit', ...question }) as Promise<AdmitAnswer>,
    authenticate: (question) => ask({ kind: 'authenticate', ...question }) as Promise<AuthenticateAnswer>,
    settle: (question) => ask({ kind: 'settle', ...question }) as Promise<SettleAnswer>,
    tell(news) {
      if (!gone) send(news, false)
    },
    answered(call, answer) {
      const waits = open.get(call)
      if (waits !== undefined) waits.resolve(answer)
      // Whoever asked has given up: the place is given back, or it would be held for ever.
      else if (answer.say === 'admitted')
        send({ kind: 'closed', session: answer.session, reason: 'internal-error' }, false)
    },
    lost() {
      gone = true
      for (const { reject } of open.values()) reject(new Error('the keeper is gone'))
      open.clear()
    },
    isLost: () => gone,
  }
}
