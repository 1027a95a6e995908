/** Whether the addresses of the listeners can be had, found out before anything is promised to anybody. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { ListenerPlan } from './messages.ts'

/**
 * Binds each new address once and lets go of it. Gives the plans with what they came to: 0.0.0.0 for `::` on a machine
 * without IPv6 (with a word in `warn`). Throws one line that says what to do. Port 0 is left to the fronts.
 */
export async function settleListeners(
  plans: ListenerPlan[],
  held: ListenerPlan[],
  warn: (text: string) => void,
): Promise<ListenerPlan[]> {
  const isHeld = (plan: ListenerPlan) => held.some(({ host, port }) => host === plan.host && port === plan.port)
  const settled: ListenerPlan[] = []
  for (const plan of plans) settled.push(isHeld(plan) ? plan : await settle(plan, warn))
  return settled
}

async function settle(plan: ListenerPlan, warn: (text: string) => void): Promise<ListenerPlan> {
  try {
    await tryBind(plan.host, plan.port)
    return plan
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (plan.host === '::' && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')) {
      const instead = { ...plan, host: '0.0.0.0' }
      warn(`listener ${plan.name}: this machine has no IPv6; it listens on 0.0.0.0:${plan.port}`)
      return settle(instead, warn)
    }
    throw new Error(`listener ${plan.name}: ${sayWhy(code, plan)}`)
  }
}

async function tryBind(host: string, port: number): Promise<void> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
  } finally {
    server.close()
  }
}

function sayWhy(code: string, { host, port }: ListenerPlan): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is in use; stop what listens there (ss -ltnp 'sport = :${port}' names it) or choose another port`
    case 'EACCES':
      return `port ${port} needs root or CAP_NET_BIND_SERVICE; start as root (the fronts give it up) or choose a port above 1023`
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine`
    default:
      return `cannot listen on ${host}:${port} (${code})`
  }
}
