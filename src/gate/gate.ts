import type { RuleAt } from '../audit/events.ts'
import type { Address } from '../base/ip.ts'
import { judgePasses } from './break-glass.ts'
import { judgeGeofence } from './geofence.ts'
import { judgeNetworks } from './networks.ts'
import { judgeReputation } from './reputation.ts'
import type { CompiledGate, Verdict } from './verdict.ts'
import { PASS } from './verdict.ts'

/** The gate's word on a connection, and the rules in monitor mode that would have turned it away. */
export type EarlyVerdict = { verdict: Verdict; would: RuleAt[] }

/** One check that needs nothing but the address: judges it, and notes in `would` what its monitor mode spared. */
type Check = (gate: CompiledGate, address: Address, now: number, would: RuleAt[]) => Verdict

/** In the order of the contract. A check that the policies leave out is null in the compiled gate, and passes. */
const CHECKS = {
  'break-glass': ({ data }, address, now) => judgePasses(data.passes, address, now),
  networks: ({ networks }, address, now, would) =>
    networks === null ? PASS : judgeNetworks(networks, address, now, would),
  reputation: ({ reputation }, address, now, would) =>
    reputation === null ? PASS : judgeReputation(reputation, address, now, would),
  geofence: ({ geofence, data }, address, now, would) =>
    geofence === null ? PASS : judgeGeofence(geofence, data, address, now, would),
} satisfies Record<string, Check>

export type CheckName = keyof typeof CHECKS
const WALK: readonly Check[] = Object.values(CHECKS)

/**
 * Needs the compiled gate, the peer's address and the moment (ms since 1970); gives the first verdict that is no plain
 * pass: `deny` ends the walk, and so does `admit` (an allow entry spares the checks behind it). Waits for nothing.
 */
export function earlyVerdict(gate: CompiledGate, address: Address, now: number): EarlyVerdict {
  const would: RuleAt[] = []
  for (const check of WALK) {
    const verdict = check(gate, address, now, would)
    if (verdict.say !== 'pass') return { verdict, would }
  }
  return { verdict: PASS, would }
}

/** Gives what each check says, in order and as if it were alone: for `explain`. */
export function eachVerdict(
  gate: CompiledGate,
  address: Address,
  now: number,
): { check: CheckName; verdict: Verdict; would: RuleAt[] }[] {
  return (Object.keys(CHECKS) as CheckName[]).map((check) => {
    const would: RuleAt[] = []
    return { check, verdict: CHECKS[check](gate, address, now, would), would }
  })
}
