import type { RuleAt } from '../audit/events.ts'
import { type Address, isPrivate } from '../base/ip.ts'
import { find } from './lookup.ts'
import { type CompiledGate, PASS, type Verdict } from './verdict.ts'

/**
 * The feeds of reputation.yaml. Needs them compiled, the address and the moment; gives `deny` by the first feed that holds
 * the address, and `unsure` where none does but one that counts has no list yet. A feed in monitor mode, or all of them, only
 * adds to `would`. Private addresses are in no feed: level1 of FireHOL lists them, and a whole office would be shut out.
 */
export function judgeReputation(
  reputation: NonNullable<CompiledGate['reputation']>,
  address: Address,
  now: number,
  would: RuleAt[],
): Verdict {
  if (isPrivate(address)) return PASS
  let unsure: Verdict = PASS
  for (const { name, mode, onError, at, list } of reputation.feeds) {
    const found = list === null ? null : find(list, address, now)
    if (found === null && (list !== null || onError === 'allow')) continue
    const by = { ...(found ?? at), rule: `reputation.${name}` }
    if (mode === 'monitor' || reputation.mode === 'monitor') would.push(by)
    else if (found !== null) return { say: 'deny', by }
    else if (unsure.say === 'pass') unsure = { say: 'unsure', by }
  }
  return unsure
}
