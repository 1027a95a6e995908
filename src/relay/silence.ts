/** The one timer of a session: how long nothing may happen, which depends on what is waited for. */
import type { Dialogue } from './dialogue.ts'

/** Milliseconds of silence allowed: between commands and replies, once the client has ended, after a QUIT, after its answer. */
export type SilenceDeadlines = { idle: number; ended: number; quit: number; afterQuit: number }

export type SilenceWatch = {
  /** Something moved. What comes behind the answer to QUIT does not count: nothing of worth comes there. */
  alive(): void
  /** To be called when the dialogue may have moved on: another deadline may hold now. */
  look(): void
  /** The client has closed its side: nobody may be waiting for the reply that is still to come. */
  clientEnded(): void
  /** Begins to wait anew after `late`. */
  restart(): void
  stop(): void
}

/** Calls `late` after each silence too long. Octets of a message still on their way to a slow client keep a QUIT alive. */
export function watchSilence(
  dialogue: Pick<Dialogue, 'quit'>,
  deadlines: SilenceDeadlines,
  late: () => void,
): SilenceWatch {
  const allowed = { none: deadlines.idle, sent: deadlines.quit, answered: deadlines.afterQuit }
  let quit = dialogue.quit()
  let timer = setTimeout(late, allowed[quit])
  return {
    alive() {
      if (quit !== 'answered') timer.refresh()
    },
    look() {
      if (dialogue.quit() === quit) return
      quit = dialogue.quit()
      clearTimeout(timer)
      timer = setTimeout(late, allowed[quit])
    },
    clientEnded() {
      allowed.none = Math.min(deadlines.idle, deadlines.ended)
      clearTimeout(timer)
      timer = setTimeout(late, allowed[quit])
    },
    restart() {
      clearTimeout(timer)
      timer = setTimeout(late, allowed[quit])
    },
    stop() {
      clearTimeout(timer)
    },
  }
}
