/** Whether the addresses of the listeners can be had, found out before anything is promised to anybody. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { ListenerPlan } from './messages.ts'

/** For tests: a machine without IPv6. */
type Bind = (host: string, port: number) => Promise<void>

/**
 * Binds each new address once and lets go of it. `held` are those that the fronts listen on already. Gives the plans with what they came to: 0.0.0.0 for `::` on a machine
 * without IPv6 (with a word in `warn`). Throws one line that says what to do. Port 0 is left to the fronts.
 */
export async function settleListeners(
  plans: ListenerPlan[],
  held: ListenerPlan[],
  warn: (text: string) => void,
  bind: Bind = tryBind,
): Promise<ListenerPlan[]> {
  const isHeld = (plan: ListenerPlan) => held.some(({ host, port }) => host === plan.host && port === plan.port)
  const settle = async (plan: ListenerPlan): Promise<ListenerPlan> => {
    if (isHeld(plan)) return plan
    try {
      await bind(plan.host, plan.port)
      return plan
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      if (plan.host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL'))
        throw new Error(`listener ${plan.name}: ${sayWhy(code, plan, held)}`)
      const instead = await settle({ ...plan, host: '0.0.0.0' })
      if (!isHeld(instead)) warn(`listener ${plan.name}: this machine has no IPv6; it listens on 0.0.0.0:${plan.port}`)
      return instead
    }
  }
  const settled: ListenerPlan[] = []
  for (const plan of plans) settled.push(await settle(plan))
  return settled
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

function sayWhy(code: string, { host, port }: ListenerPlan, held: ListenerPlan[]): string {
  const ours = port === 0 ? undefined : held.find((plan) => plan.port === port)
  switch (code) {
    case 'EADDRINUSE':
      if (ours !== undefined)
        return `postern itself holds port ${port} on ${ours.host}; stop it and start it again to move it to ${host}`
      return `port ${port} on ${host} is in use; stop what listens there (ss -ltnp 'sport = :${port}' names it) or choose another port`
    case 'EACCES':
      return `port ${port} needs root or CAP_NET_BIND_SERVICE; start as root (the fronts give it up) or choose a port above 1023`
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine`
    default:
      return `cannot listen on ${host}:${port} (${code})`
  }
}
