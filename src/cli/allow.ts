/** `postern allow`: break-glass. */
import type { Allowed } from '../keeper/break-glass.ts'
import { request } from './request.ts'

/** Gives a network a pass through the gate for a while, or ends it (`--for 0s`). */
export async function allow(
  network: string,
  options: { config: string; for: string; reason: string; json?: boolean },
): Promise<number> {
  const { config, for: time, reason, json } = options
  const given = (await request(config, 'allow', { network, for: time, reason })) as Allowed
  const words =
    given.until === null
      ? `${given.network} has no pass any more`
      : `${given.network} passes the gate until ${given.until}; locks, rates and the second factor still hold`
  process.stdout.write(`${json === true ? JSON.stringify(given) : words}\n`)
  return 0
}
