/**
 * How the old servers are. A front does the asking, as the keeper reads no byte of a mail server; what it reports back is
 * which addresses answer and what CAPA lists. The answers decide the order of addresses and what CAPA offers before login.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditEvent } from '../audit/events.ts'
import { PROBE_DEADLINE_MS, PROBE_EVERY_MS } from '../base/limits.ts'
import type { BackendPlan, FromFront } from './messages.ts'
import type { Front } from './supervise.ts'

type Probed = Extract<FromFront, { kind: 'probed' }>
type Health = { up: boolean | null; capabilities: string[] | null; xclient: boolean | null; detail: string }

export type BackendState = { backend: string; address: string; up: boolean | null; detail: string }

export type Backends = {
  /** The plans of the policies in force; what is known of an address outlives a reload. */
  use(plans: BackendPlan[]): void
  /** The plans with what was learnt: addresses that answer first. */
  plans(): BackendPlan[]
  /** One round over all addresses. Resolves when all have answered or run out of time. */
  probeAll(): Promise<void>
  /** A front's answer to a probe. */
  probed(message: Probed): void
  states(): BackendState[]
  /** What the policies ask of an old server and it does not offer, though logins go on. */
  remarks(): string[]
  stop(): void
}

/** Needs a way to find a front that can ask, what to do when something has changed, and a log for what is remarkable. */
export function watchBackends(
  front: () => Front | undefined,
  changed: () => void,
  emit: (event: AuditEvent) => void,
  warn: (text: string) => void,
): Backends {
  const health = new Map<string, Health>()
  const open = new Map<number, (result: Probed['result']) => void>()
  let planned: BackendPlan[] = []
  let next = 0

  const probe = async (backend: string, address: { host: string; port: number }): Promise<Probed['result']> => {
    const asked = front()
    if (asked === undefined) return { at: 'down', detail: 'no front to ask with' }
    const call = next++
    const answered = new Promise<Probed['result']>((resolve) => open.set(call, resolve))
    asked.say({ kind: 'probe', call, backend, address })
    const late = delay(PROBE_DEADLINE_MS, { at: 'down', detail: 'no answer to the health check' } as const, {
      ref: false,
    })
    const result = await Promise.race([answered, late])
    open.delete(call)
    return result
  }

  /** Gives whether anything that fronts must know has changed. */
  const learn = (backend: string, address: string, result: Probed['result']): boolean => {
    const key = `${backend} ${address}`
    const before = health.get(key)
    const now: Health =
      result.at === 'up'
        ? { up: true, capabilities: result.capabilities, xclient: result.xclient, detail: '' }
        : {
            up: false,
            capabilities: before?.capabilities ?? null,
            xclient: before?.xclient ?? null,
            detail: result.detail,
          }
    health.set(key, now)
    const wanted = planned.some(({ name, xclient }) => name === backend && xclient)
    if (wanted && now.xclient === false && before?.xclient !== false) warn(withoutXclient(backend, address))
    if (now.up !== before?.up) {
      if (now.up === true) emit({ stream: 'admin', action: 'backend-up', backend, address })
      else emit({ stream: 'admin', action: 'backend-down', backend, address, reason: now.detail })
    }
    return now.up !== before?.up || JSON.stringify(now.capabilities) !== JSON.stringify(before.capabilities)
  }

  const self: Backends = {
    use(plans) {
      planned = plans
      const keys = new Set(
        plans.flatMap(({ name, addresses }) => addresses.map((address) => `${name} ${textOf(address)}`)),
      )
      for (const key of health.keys()) if (!keys.has(key)) health.delete(key)
    },
    plans: () => planned.map((plan) => withHealth(plan, health)),
    async probeAll() {
      const all = planned.flatMap(({ name, addresses }) => addresses.map((address) => ({ name, address })))
      const news = await Promise.all(
        all.map(async ({ name, address }) => learn(name, textOf(address), await probe(name, address))),
      )
      if (news.includes(true)) changed()
    },
    probed({ call, result }) {
      open.get(call)?.(result)
    },
    states: () =>
      planned.flatMap(({ name, addresses }) =>
        addresses.map((address) => {
          const known = health.get(`${name} ${textOf(address)}`)
          return { backend: name, address: textOf(address), up: known?.up ?? null, detail: known?.detail ?? '' }
        }),
      ),
    remarks: () =>
      planned
        .filter(({ xclient }) => xclient)
        .flatMap(({ name, addresses }) => addresses.map((address) => ({ name, address: textOf(address) })))
        .filter(({ name, address }) => health.get(`${name} ${address}`)?.xclient === false)
        .map(({ name, address }) => withoutXclient(name, address)),
    stop() {
      clearInterval(timer)
    },
  }
  const timer = setInterval(() => void self.probeAll(), PROBE_EVERY_MS)
  timer.unref()
  return self
}

function withoutXclient(backend: string, address: string): string {
  return `backend ${backend} at ${address} does not offer XCLIENT, so it takes Postern for the client: let it trust this machine`
}

/** `host:port`, with brackets where the host is IPv6. */
function textOf({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Addresses known to be down go last, they are not left out: a health check can be wrong, a login finds out. */
function withHealth(plan: BackendPlan, health: Map<string, Health>): BackendPlan {
  const known = (address: { host: string; port: number }) => health.get(`${plan.name} ${textOf(address)}`)
  const addresses = [...plan.addresses].sort((a, b) => Number(known(a)?.up === false) - Number(known(b)?.up === false))
  const first = addresses[0]
  const learnt = first === undefined ? null : (known(first)?.capabilities ?? null)
  return { ...plan, addresses, capabilities: plan.capabilities ?? learnt }
}
