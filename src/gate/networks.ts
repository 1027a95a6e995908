import type { RuleAt } from '../audit/events.ts'
import type { Address } from '../base/ip.ts'
import { find } from './lookup.ts'
import { type CompiledGate, PASS, type Verdict } from './verdict.ts'

/**
 * The check of networks.yaml. Needs its compiled lists, the address and the moment; gives `deny` for an address of the
 * deny lists, else `admit` for one of the allow lists, else a pass. In monitor mode a denial is added to `would` instead.
 */
export function judgeNetworks(
  networks: NonNullable<CompiledGate['networks']>,
  address: Address,
  now: number,
  would: RuleAt[],
): Verdict {
  const denied = find(networks.deny, address, now)
  if (denied !== null) {
    const by = { ...denied, rule: 'networks.deny' }
    if (networks.mode === 'enforce') return { say: 'deny', by }
    would.push(by)
  }
  const allowed = find(networks.allow, address, now)
  return allowed === null ? PASS : { say: 'admit', by: { ...allowed, rule: 'networks.allow' } }
}
