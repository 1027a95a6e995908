/**
 * What the gate's denials tell the keeper. Attack: a flood of denied connections becomes a flood of messages and slows
 * down everybody's login at the keeper. So the first few of a rule and network go at once, the rest as a sum.
 */
import { TALLY_LINES, TALLY_KEYS_MAX } from '../base/audit-limits.ts'
import { DENIAL_REPORT_MS } from '../base/limits.ts'
import { networkOf, type Address } from '../base/ip.ts'
import type { FromFront } from '../keeper/messages.ts'

type Denied = Extract<FromFront, { kind: 'denied' }>
type Violated = Extract<FromFront, { kind: 'violated' }>

export type DenialReport = {
  note(address: Address, denied: Omit<Denied, 'kind' | 'count'>): void
  /** A connection that broke the protocol before it was admitted. */
  violated(address: Address, violated: Omit<Violated, 'kind' | 'count'>): void
  /** Sends the sums that stand: for the stop. */
  flush(): void
}

/** Needs the way to the keeper. Sums leave once a second. */
export function denialReport(tell: (news: Denied | Violated) => void): DenialReport {
  let sums = new Map<string, { sent: number; rest: Denied | Violated | null }>()
  const flush = () => {
    for (const { rest } of sums.values()) if (rest !== null) tell(rest)
    sums = new Map()
  }
  setInterval(flush, DENIAL_REPORT_MS).unref()

  const sumUp = (address: Address, cause: string, news: Denied | Violated) => {
    const full = sums.size >= TALLY_KEYS_MAX
    const network = full ? '*' : networkOf(address, { ipv4: 24, ipv6: 48 })
    const key = `${cause} ${network}`
    const sum = sums.get(key) ?? { sent: 0, rest: null }
    sums.set(key, sum)
    if (sum.sent < TALLY_LINES) {
      sum.sent += 1
      tell(news)
    } else sum.rest = { ...(sum.rest ?? news), count: (sum.rest?.count ?? 0) + 1 }
  }

  return {
    flush,
    note(address, denied) {
      sumUp(address, `${denied.by.rule} ${String(denied.would)}`, { kind: 'denied', ...denied, count: 1 })
    },
    violated(address, violated) {
      sumUp(address, violated.reason, { kind: 'violated', ...violated, count: 1 })
    },
  }
}
