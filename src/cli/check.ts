/** `postern check`: everything that `serve` would read, without serving. */
import { lookup } from 'node:dns/promises'
import { checkPolicies } from '../policy/check.ts'
import { checkGate } from './check-gate.ts'

const print = (text: string) => process.stdout.write(`${text}\n`)

/** Gives 0 when there is no fault, 1 otherwise. Warnings alone are no fault. */
export async function check({ config, json }: { config: string; json?: boolean }): Promise<number> {
  const resolve = async (host: string) => (await lookup(host, { all: true })).map(({ address }) => address)
  const { faults, warnings } = await checkPolicies(config, process.env, resolve, {
    besides: (policies) => checkGate(policies, process.env),
  })
  const ok = faults.length === 0
  if (json === true) print(JSON.stringify({ ok, faults, warnings }))
  else {
    for (const fault of faults) print(fault)
    for (const warning of warnings) print(`warning: ${warning}`)
    print(ok ? `${config}: no faults` : `${config}: ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`)
  }
  return ok ? 0 : 1
}
