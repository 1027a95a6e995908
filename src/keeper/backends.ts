/**
 * How the old servers are. A front does the asking, as the keeper reads no byte of a mail server; what it reports back is
 * which addresses answer and what CAPA lists. The answers decide the order of addresses and what CAPA offers before login.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditEvent } from '../audit/events.ts'
import {
  BACKEND_CHECK_QUIET_MS,
  BACKEND_GREETING_QUIET_MS,
  BACKEND_QUIET_CHECKS,
  PROBE_DEADLINE_MS,
  PROBE_EVERY_MS,
} from '../base/limits.ts'
import { never } from '../base/never.ts'
import type { BackendAddress, BackendPlan, FromFront } from './messages.ts'
import type { Front } from './supervise.ts'

type Probed = Extract<FromFront, { kind: 'probed' }>
/** `quiet`: how many checks in a row found one line of greeting. `noisy`: it sent more, and not enough checks have been quiet since. */
type Health = {
  up: boolean | null
  capabilities: string[] | null
  xclient: boolean | null
  detail: string
  quiet: number
  noisy: boolean
}

const UNKNOWN: Health = { up: null, capabilities: null, xclient: null, detail: '', quiet: 0, noisy: false }

const NOISY =
  'it sends more than one line of greeting, so its answers cannot be told apart: nobody logs in there until it stops doing so'

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
  /** A front saw more than one line of greeting at a login. */
  noisy(backend: string, address: { host: string; port: number }): void
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

  const probe = async (backend: string, address: BackendAddress): Promise<Probed['result']> => {
    const asked = front()
    if (asked === undefined) return { at: 'down', detail: 'no front to ask with' }
    const call = next++
    const answered = new Promise<Probed['result']>((resolve) => open.set(call, resolve))
    // The very first check holds up the start; what it is too quick for, the next ones see.
    const isFirst = !health.has(`${backend} ${textOf(address)}`)
    const quietMs = isFirst ? BACKEND_GREETING_QUIET_MS : BACKEND_CHECK_QUIET_MS
    asked.say({ kind: 'probe', call, backend, address, quietMs })
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
    const before = health.get(key) ?? UNKNOWN
    const now = after(before, result)
    health.set(key, now)
    const wanted = planned.some(({ name, xclient }) => name === backend && xclient)
    if (wanted && now.xclient === false && before.xclient !== false) warn(withoutXclient(backend, address))
    if (now.up !== before.up) {
      if (now.up === true) emit({ stream: 'admin', action: 'backend-up', backend, address })
      else emit({ stream: 'admin', action: 'backend-down', backend, address, reason: now.detail })
    }
    return JSON.stringify(forFronts(now)) !== JSON.stringify(forFronts(before))
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
    noisy(backend, address) {
      // A front may name anything; what is not of the policies is nobody's.
      const isOurs = planned.some(({ name, addresses }) => {
        return name === backend && addresses.some((one) => textOf(one) === textOf(address))
      })
      if (isOurs && learn(backend, textOf(address), { at: 'noisy' })) changed()
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

function after(before: Health, result: Probed['result']): Health {
  switch (result.at) {
    case 'up': {
      const { capabilities, xclient } = result
      const quiet = Math.min(before.quiet + 1, BACKEND_QUIET_CHECKS)
      const noisy = before.noisy && quiet < BACKEND_QUIET_CHECKS
      return { up: !noisy, capabilities, xclient, detail: noisy ? NOISY : '', quiet, noisy }
    }
    case 'down':
      return { ...before, up: false, detail: before.noisy ? NOISY : result.detail }
    case 'noisy':
      return { ...before, up: false, detail: NOISY, quiet: 0, noisy: true }
    default:
      return never(result)
  }
}

/** What of it changes the plans. */
function forFronts({ up, capabilities, quiet, noisy }: Health) {
  return [up, capabilities, quiet >= BACKEND_QUIET_CHECKS, noisy]
}

/**
 * Addresses known to be down go last, they are not left out: a health check can be wrong, a login finds out. Those that send more
 * than one line of greeting are left out: there a login might find out too late.
 */
function withHealth(plan: BackendPlan, health: Map<string, Health>): BackendPlan {
  const known = (address: BackendAddress) => health.get(`${plan.name} ${textOf(address)}`)
  const addresses = plan.addresses
    .filter((address) => known(address)?.noisy !== true)
    .sort((a, b) => Number(known(a)?.up === false) - Number(known(b)?.up === false))
    .map((address) => ({ ...address, quiet: (known(address)?.quiet ?? 0) >= BACKEND_QUIET_CHECKS }))
  const first = addresses[0]
  const learnt = first === undefined ? null : (known(first)?.capabilities ?? null)
  return { ...plan, addresses, capabilities: plan.capabilities ?? learnt }
}
