/**
 * What a front has to say, in as few messages as it may: one of ten costs the keeper hardly more than one of one. A question goes at
 * once, and takes along what waits; news waits a moment for others. The order stays as it was said.
 */
import { OUTBOX_MAX, OUTBOX_MS } from '../base/limits.ts'
import type { FromFront } from '../keeper/messages.ts'

export type Outbox = {
  /** `now`: somebody waits for the answer. */
  post(message: FromFront, now: boolean): void
  flush(): void
}

/** Needs the line to the keeper. */
export function createOutbox(send: (messages: FromFront[]) => void): Outbox {
  let waiting: FromFront[] = []
  let timer: NodeJS.Timeout | null = null
  const flush = () => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (waiting.length === 0) return
    const messages = waiting
    waiting = []
    send(messages)
  }
  return {
    post(message, now) {
      waiting.push(message)
      if (now || waiting.length >= OUTBOX_MAX) flush()
      else timer ??= setTimeout(flush, OUTBOX_MS)
    },
    flush,
  }
}
