/** `postern check`: everything that `serve` would read, without serving. */
import { lookup } from 'node:dns/promises'
import { clockWarning } from '../base/clock-kept.ts'
import { gatewaysOf } from '../keeper/gateways.ts'
import { checkPolicies } from '../policy/check.ts'
import { looseDomains, sharedMailboxes } from '../keeper/roster-sense.ts'
import type { Policies } from '../policy/load.ts'
import { gatewayRemarks } from '../policy/not-required.ts'
import { findMasterKey } from '../state/master-key.ts'
import { storeExists } from '../state/sqlite.ts'
import { checkGate } from './check-gate.ts'

const print = (text: string) => process.stdout.write(`${text}\n`)

/** Gives 0 when there is no fault, 1 otherwise. Warnings alone are no fault. */
export async function check({ config, json }: { config: string; json?: boolean }): Promise<number> {
  const resolve = async (host: string) => (await lookup(host, { all: true })).map(({ address }) => address)
  const besides = async (policies: Policies) => {
    const gate = await checkGate(policies, process.env)
    const routers = gatewayRemarks(policies.login, await gatewaysOf())
    const warnings = routers.map(({ path, message }) => policies.tell('login.yaml', path, message))
    const clock = await clockWarning()
    return {
      faults: [...keyFaults(policies), ...(await sharedMailboxes(policies)), ...gate.faults],
      warnings: [...looseDomains(policies), ...gate.warnings, ...warnings, ...(clock === null ? [] : [clock])],
    }
  }
  const { faults, warnings } = await checkPolicies(config, process.env, resolve, { besides })
  const ok = faults.length === 0
  if (json === true) print(JSON.stringify({ ok, faults, warnings }))
  else {
    for (const fault of faults) print(fault)
    for (const warning of warnings) print(`warning: ${warning}`)
    print(ok ? `${config}: no faults` : `${config}: ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`)
  }
  return ok ? 0 : 1
}

/** A master key that is missing or none would stop the next start. */
function keyFaults({ postern, tell }: Policies): string[] {
  const { key_file: from, path } = postern.state
  if (from.from === 'environment') return []
  try {
    findMasterKey(from.path, !storeExists(path))
    return []
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return [tell('postern.yaml', ['state', 'key_file'], `cannot be used: ${why}`)]
  }
}
