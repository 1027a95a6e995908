/**
 * One forward: keeps a connection to its collector, sends what its spool holds, and learns what was read. It never holds the journal
 * up: it reads files and memory on its own time, bounded, and waits for the collector as long as that takes.
 */
import type { Clock } from '../base/clock.ts'
import {
  FORWARD_BATCH_GAP_MS,
  FORWARD_DOWN_MS,
  FORWARD_FINISH_MS,
  FORWARD_RECEIPT_MAX,
  FORWARD_RECEIPT_MS,
  FORWARD_RETRY_LONGEST_MS,
  FORWARD_RETRY_MS,
} from '../base/forward-limits.ts'
import { never } from '../base/never.ts'
import type { Left, Target } from '../forward/wire.ts'
import type { Bell } from './bell.ts'
import type { Connect, Link } from './forwarder.ts'
import type { Spool } from './forward-spool.ts'

/** Milliseconds. */
export type Pace = { retry: number; longest: number; receipt: number; gap: number; down: number }

const PACE: Pace = {
  retry: FORWARD_RETRY_MS,
  longest: FORWARD_RETRY_LONGEST_MS,
  receipt: FORWARD_RECEIPT_MS,
  gap: FORWARD_BATCH_GAP_MS,
  down: FORWARD_DOWN_MS,
}

export type ForwardOptions = {
  target: Target
  /** `wake` of the spool must ring this. */
  bell: Bell
  spool: Spool
  connect: Connect
  clock: Clock
  /** 0 to 1, for the jitter. */
  random(): number
  /** It is down for long; and it works again. */
  failed(reason: string): void
  recovered(): void
  /** For the log, once. */
  remark(text: string): void
  pace?: Partial<Pace>
}

export type Forward = {
  /** Null while it is connected. */
  fault(): string | null
  /** It is down for long: the audit has heard of it. */
  isDown(): boolean
  lagSeconds(): number
  /** Sends what there is, as far as the collector takes it within `ms`, and closes. */
  stop(ms: number): Promise<void>
}

type Run = Omit<ForwardOptions, 'pace'> & {
  pace: Pace
  link: Link | null
  /** Number of the last batch that was sent. */
  n: number
  /** When what is on its way began to go, on the monotonic clock. */
  since: number
  pause: number
  fault: { reason: string; since: number; told: boolean } | null
  /** How often in a row a collector did not answer our close. */
  unanswered: number
  /** There was a connection. */
  met: boolean
  /** We closed first. */
  finishing: boolean
  stopping: boolean
}

/** Starts to forward. It goes on until it is stopped, whatever happens. */
export function startForward(options: ForwardOptions): Forward {
  const pace = { ...PACE, ...options.pace }
  const state = {
    link: null,
    n: 0,
    since: 0,
    pause: pace.retry,
    fault: null,
    unanswered: 0,
    met: false,
    finishing: false,
    stopping: false,
  }
  const run: Run = { ...options, pace, ...state }
  const over = live(run)
  return {
    // Between our own close and the next connection nothing is wrong.
    fault: () => (run.link === null ? (run.fault?.reason ?? (run.met ? null : 'not connected yet')) : null),
    isDown: () => run.fault?.told === true,
    lagSeconds() {
      const oldest = run.spool.oldest()
      return oldest === null ? 0 : Math.max(0, run.clock.now() - oldest) / 1_000
    },
    async stop(ms) {
      run.stopping = true
      run.bell.ring()
      const late = setTimeout(() => run.link?.drop(), ms).unref()
      await Promise.race([over, run.bell.pause(ms + FORWARD_FINISH_MS)])
      clearTimeout(late)
      run.spool.close()
    },
  }
}

async function live(run: Run): Promise<void> {
  do {
    try {
      run.link = await run.connect(run.target)
      run.finishing = false
      run.met = true
      const first = run.n + 1
      const left = await carry(run, run.link)
      run.link = null
      account(run, left, first)
    } catch (error) {
      run.link?.drop()
      run.link = null
      run.spool.read(0, run.n)
      failing(run, error instanceof Error ? error.message : String(error))
    }
    if (run.fault !== null) await rest(run)
  } while (!run.stopping)
}

/** Down: waits, tells when it has been too long, and knows meanwhile how old the oldest line is. */
async function rest(run: Run): Promise<void> {
  const { fault, pace, clock, spool, bell } = run
  await spool.next().catch(() => null)
  if (fault !== null && !fault.told && clock.monotonic() - fault.since >= pace.down) {
    fault.told = true
    run.failed(fault.reason)
  }
  const until = clock.monotonic() + run.pause * (0.75 + run.random() / 2)
  run.pause = Math.min(run.pause * 2, pace.longest)
  while (!run.stopping && clock.monotonic() < until) await bell.wait(until - clock.monotonic())
}

/** Sends until the connection ends. */
async function carry(run: Run, link: Link): Promise<Left> {
  const { spool, bell, clock, pace } = run
  const left = link.left.then((how) => {
    bell.ring()
    return { how }
  })
  let gone: { how: Left } | null = null
  void left.then((one) => (gone = one))
  const began = clock.monotonic()
  for (;;) {
    const batch = await spool.next()
    if (gone !== null) return (gone as { how: Left }).how
    if (run.fault !== null && clock.monotonic() - began >= pace.receipt) working(run)
    const age = spool.underway() === 0 ? 0 : clock.monotonic() - run.since
    if (age >= pace.receipt || spool.underway() >= FORWARD_RECEIPT_MAX || (run.stopping && batch === null)) {
      run.finishing = true
      link.finish()
      return (await left).how
    }
    if (batch === null) {
      await bell.wait(pace.receipt - age)
      continue
    }
    if (spool.underway() === 0) run.since = clock.monotonic()
    run.n++
    const taken = link.send(run.n, batch.octets)
    spool.sent(run.n)
    await Promise.race([taken, left])
    // Whoever waits a little sees the collector's close before more is sent into it.
    await bell.pause(pace.gap)
  }
}

/** What the end of a connection tells of what was sent on it, from `first` on. */
function account(run: Run, left: Left, first: number): void {
  switch (left.how) {
    case 'closed': {
      const read = left.sure >= first
      run.unanswered = 0
      run.spool.read(left.sure, left.last)
      if (run.finishing) return working(run)
      // It is restarted, most likely. What had come to it is no fault of it; one that takes nothing is tried less and less often.
      if (read) run.pause = run.pace.retry
      return failing(run, 'it closed the connection')
    }
    case 'silent':
      run.unanswered++
      if (run.unanswered === 1)
        return failing(run, 'it did not close when we did', () => {
          run.spool.read(0, run.n)
        })
      if (run.unanswered === 2) run.remark('it does not close when we do: what it was sent counts as read from now on')
      run.spool.read(run.n, run.n)
      return working(run)
    case 'broken':
      return failing(run, left.reason, () => {
        run.spool.read(0, run.n)
      })
    default:
      never(left)
  }
}

function failing(run: Run, reason: string, first?: () => void): void {
  first?.()
  run.fault = { since: run.clock.monotonic(), told: false, ...run.fault, reason }
}

function working(run: Run): void {
  if (run.fault?.told === true) run.recovered()
  run.fault = null
  run.pause = run.pace.retry
}
