import { type Address, contains } from '../base/ip.ts'
import { type Pass, PASS, type Verdict } from './verdict.ts'

/** What verdicts name in place of a policy file: these entries come from `postern allow`, not from the folder. */
const SOURCE = 'postern allow'

/** Needs the passes that were given, the address and the moment; gives `admit` for an address that one of them holds. */
export function judgePasses(passes: readonly Pass[], address: Address, now: number): Verdict {
  const pass = passes.find(({ range, until }) => now < until && contains(range, address))
  return pass === undefined ? PASS : { say: 'admit', by: { file: SOURCE, line: 0, rule: 'break-glass' } }
}
