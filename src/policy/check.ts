/** What `postern check` says beyond the loader: where the names of the backends lead. */
import { within } from '../base/deadline.ts'
import { parseAddress } from '../base/ip.ts'
import { RESOLVE_DEADLINE_MS } from '../base/limits.ts'
import type { Environment } from './environment.ts'
import { type LoadOptions, loadPolicies, type Policies } from './load.ts'
import { isExposed, plainTextRemark } from './sense.ts'

export type Checked = { faults: string[]; warnings: string[] }

/** Gives the addresses of a host name; throws when there are none. */
export type Resolve = (host: string) => Promise<readonly string[]>

const NOTHING: Checked = { faults: [], warnings: [] }

/**
 * Needs what {@link loadPolicies} needs, and a resolver; gives all faults and warnings as lines. `besides` looks at
 * policies that hold no fault for what takes more than reading.
 */
export async function checkPolicies(
  file: string,
  environment: Environment,
  resolve: Resolve,
  options: LoadOptions & { besides?: (policies: Policies) => Promise<Checked> } = {},
): Promise<Checked> {
  const loaded = await loadPolicies(file, environment, options)
  if (!loaded.ok) return { faults: loaded.faults, warnings: loaded.warnings }
  const parts = [await resolveBackends(loaded.policies, resolve), (await options.besides?.(loaded.policies)) ?? NOTHING]
  return {
    faults: parts.flatMap(({ faults }) => faults),
    warnings: [...loaded.warnings, ...parts.flatMap(({ warnings }) => warnings)],
  }
}

/**
 * A backend that cannot be resolved is a fault; one that is reached in plain text over public networks a warning. `inForce` are
 * hosts that could be resolved before: a resolver that is down for a while must not keep a new certificate or a new denial out.
 */
export async function resolveBackends(
  { postern, tell }: Policies,
  resolve: Resolve,
  inForce: ReadonlySet<string> = new Set(),
): Promise<Checked> {
  const found: Checked = { faults: [], warnings: [] }
  const named = postern.backends.flatMap((backend, i) =>
    backend.addresses.flatMap(({ host }, j) =>
      parseAddress(host) === null
        ? [{ host, plain: backend.tls === 'off', path: ['backends', i, 'addresses', j] }]
        : [],
    ),
  )
  await Promise.all(
    named.map(async ({ host, plain, path }) => {
      const addresses = await within(RESOLVE_DEADLINE_MS, `resolving ${host}`, resolve(host)).catch(() => [])
      const exposed = addresses.find(isExposed)
      if (addresses.length === 0) {
        const list = inForce.has(host) ? found.warnings : found.faults
        list.push(tell('postern.yaml', path, 'cannot be resolved; check the name and the resolver of this machine'))
      } else if (plain && exposed !== undefined) {
        const remark = plainTextRemark(path, exposed)
        found.warnings.push(tell('postern.yaml', path, remark.message))
      }
    }),
  )
  return found
}
