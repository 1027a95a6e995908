/** The listening sockets of one front, kept in step with the snapshot. The parent binds, all fronts accept. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { ListenerPlan } from '../keeper/messages.ts'

export type Bound = { listener: string; host: string; port: number }
export type ListenFailure = { listener: string; detail: string }

export type Listening = {
  /** Opens what is new, closes what is gone, leaves the rest alone. Sessions of a closed listener go on. */
  reconcile(plans: ListenerPlan[]): Promise<{ bound: Bound[]; failures: ListenFailure[] }>
  close(): void
}

type Open = { server: Server; plan: ListenerPlan }

/** Needs what is done with an accepted socket; it gets the plan in force when the socket arrived. */
export function listening(accept: (socket: Socket, plan: ListenerPlan) => void): Listening {
  const open = new Map<string, Open>()
  // Port 0 is another free port each time: only its name tells one such listener from the next.
  const keyOf = (plan: ListenerPlan) => `${plan.host} ${plan.port} ${plan.port === 0 ? plan.name : ''}`

  const start = (plan: ListenerPlan) =>
    new Promise<ListenFailure | null>((resolve) => {
      // allowHalfOpen: a client may send QUIT and close its side; the answer must still reach it.
      const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
        accept(socket, open.get(keyOf(plan))?.plan ?? plan)
      })
      server.once('error', (error) => {
        resolve({ listener: plan.name, detail: error.message })
      })
      server.listen(plan.port, plan.host, () => {
        open.set(keyOf(plan), { server, plan })
        server.on('error', () => undefined)
        resolve(null)
      })
    })

  return {
    async reconcile(plans) {
      const wanted = new Map(plans.map((plan) => [keyOf(plan), plan]))
      for (const [key, { server }] of open) {
        if (wanted.has(key)) continue
        server.close()
        open.delete(key)
      }
      const failures: ListenFailure[] = []
      for (const [key, plan] of wanted) {
        const standing = open.get(key)
        if (standing !== undefined) standing.plan = plan
        else {
          const failure = await start(plan)
          if (failure !== null) failures.push(failure)
        }
      }
      const bound = [...open.values()].map(({ server, plan }) => {
        const { port } = server.address() as AddressInfo
        return { listener: plan.name, host: plan.host, port }
      })
      return { bound, failures }
    },
    close() {
      for (const { server } of open.values()) server.close()
      open.clear()
    },
  }
}
