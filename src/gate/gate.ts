import type { RuleAt } from '../audit/events.ts'
import type { Address } from '../base/ip.ts'
import { judgeNetworks } from './networks.ts'
import { judgeReputation } from './reputation.ts'
import type { CompiledGate, Verdict } from './verdict.ts'
import { PASS } from './verdict.ts'

/** The gate's word on a connection, and the rules in monitor mode that would have turned it away. */
export type EarlyVerdict = { verdict: Verdict; would: RuleAt[] }

/** One check that needs nothing but the address: judges it, and notes in `would` what its monitor mode spared. */
type Check = (gate: CompiledGate, address: Address, now: number, would: RuleAt[]) => Verdict

/** In the order of the contract. A check that the policies leave out is null in the compiled gate, and passes. */
const CHECKS: readonly Check[] = [
  (gate, address, now, would) => (gate.networks === null ? PASS : judgeNetworks(gate.networks, address, now, would)),
  (gate, address, now, would) =>
    gate.reputation === null ? PASS : judgeReputation(gate.reputation, address, now, would),
]

/**
 * Needs the compiled gate, the peer's address and the moment (ms since 1970); gives the first verdict that is no plain
 * pass: `deny` ends the walk, and so does `admit` (an allow entry spares the checks behind it). Waits for nothing.
 */
export function earlyVerdict(gate: CompiledGate, address: Address, now: number): EarlyVerdict {
  const would: RuleAt[] = []
  for (const check of CHECKS) {
    const verdict = check(gate, address, now, would)
    if (verdict.say !== 'pass') return { verdict, would }
  }
  return { verdict: PASS, would }
}
