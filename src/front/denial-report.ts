/**
 * What the gate's denials tell the keeper. Attack: a flood of denied connections becomes a flood of messages and slows
 * down everybody's login at the keeper. So the first few of a rule and network go at once, the rest as a sum.
 */
import { DENIAL_REPORT_MS, TALLY_LINES, TALLY_KEYS_MAX } from '../base/limits.ts'
import { networkOf, type Address } from '../base/ip.ts'
import type { FromFront } from '../keeper/messages.ts'

type Denied = Extract<FromFront, { kind: 'denied' }>

export type DenialReport = {
  note(address: Address, denied: Omit<Denied, 'kind' | 'count'>): void
}

/** Needs the way to the keeper. Sums leave once a second. */
export function denialReport(tell: (denied: Denied) => void): DenialReport {
  let sums = new Map<string, { sent: number; rest: Denied | null }>()
  setInterval(() => {
    for (const { rest } of sums.values()) if (rest !== null) tell(rest)
    sums = new Map()
  }, DENIAL_REPORT_MS).unref()

  return {
    note(address, denied) {
      const full = sums.size >= TALLY_KEYS_MAX
      const network = full ? '*' : networkOf(address, { ipv4: 24, ipv6: 48 })
      const key = `${denied.by.rule} ${String(denied.would)} ${network}`
      const sum = sums.get(key) ?? { sent: 0, rest: null }
      sums.set(key, sum)
      if (sum.sent < TALLY_LINES) {
        sum.sent += 1
        tell({ kind: 'denied', ...denied, count: 1 })
      } else if (sum.rest === null) sum.rest = { kind: 'denied', ...denied, count: 1 }
      else sum.rest = { ...sum.rest, count: sum.rest.count + 1 }
    },
  }
}
