/**
 * A front: the process that reads strangers' bytes. It gives up root before it reads the first of them, opens no file,
 * and knows what the keeper's snapshot tells it.
 */
import cluster from 'node:cluster'
import { giveUpRoot } from './base/give-up-root.ts'
import { systemClock } from './base/clock.ts'
import { RELAYED_REPORT_MS } from './base/limits.ts'
import { never } from './base/never.ts'
import { budget } from './front/budget.ts'
import { denialReport } from './front/denial-report.ts'
import { createHeld } from './front/held.ts'
import { listening } from './front/listen.ts'
import { createOutbox } from './front/outbox.ts'
import { createParts } from './front/parts.ts'
import { terminator, type Terminator } from './front/tls.ts'
import { toKeeper } from './front/to-keeper.ts'
import type { Commanded } from './gate/verdict.ts'
import type { BackendPlan, FromFront, FromKeeper, Snapshot } from './keeper/messages.ts'
import { probeBackend } from './relay/probe.ts'
import { session, type House } from './session.ts'

if (cluster.worker === undefined) throw new Error('a front is started by its keeper')
cluster.worker.exitedAfterDisconnect = true
giveUpRoot(process.argv[2], process.argv[3])
// A terminal and a service manager signal all processes of a group. When to leave is the keeper's word alone: a session, or a QUIT
// that was sent on, would be cut here.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

const outbox = createOutbox((messages: FromFront[]) => {
  process.send?.(messages)
})
const keeper = toKeeper(outbox.post)
const connections = budget()
const parts = createParts()
const held = createHeld()
const relayed = { toClient: 0, fromClient: 0, retrieved: 0, deleted: 0 }
let snapshot: Snapshot | null = null
let data: Partial<Commanded> = {}
let backends: BackendPlan[] = []
let tls: Terminator | null = null
let ticketKeys: Buffer | null = null
let leaving = false

const house: House = {
  clock: systemClock,
  keeper,
  connections,
  held,
  turnedAway: budget(),
  denials: denialReport((news) => {
    keeper.tell(news)
  }),
  snapshot: () => present(snapshot),
  backend: (name) => backends.find((plan) => plan.name === name) ?? null,
  anyBackend: () => backends,
  tls: () => present(tls),
  isLeaving: () => leaving,
  relayed: (delta) => {
    for (const key of ['toClient', 'fromClient', 'retrieved', 'deleted'] as const) relayed[key] += delta[key]
  },
  noisy: (backend, { host, port }) => {
    keeper.tell({ kind: 'noisy', backend, address: { host, port } })
  },
  log: (level, text) => {
    keeper.tell({ kind: 'log', level, text: text.slice(0, 2_000) })
  },
}

const doors = listening((socket, plan) => void session(socket, plan, house))

setInterval(report, RELAYED_REPORT_MS).unref()
process.on('message', (messages: FromKeeper[]) => {
  for (const message of messages) void take(message)
})
process.on('disconnect', () => void keeperLost())
// A bug outside any session: the connections of this front are worth more than a clean exit, so it says so and goes on.
process.on('uncaughtException', (error) => {
  house.log('error', `bug: ${error.stack ?? error.message}`)
})
keeper.tell({ kind: 'started' })

async function take(message: FromKeeper): Promise<void> {
  switch (message.kind) {
    case 'snapshot':
      return adopt(parts.whole(message.snapshot))
    case 'part':
      parts.take(message)
      return
    case 'gate-data':
      data = { ...data, ...message.data }
      if (snapshot !== null) snapshot = withData(snapshot)
      return
    case 'backends':
      backends = message.backends
      return
    case 'ticket-keys':
      ticketKeys = Buffer.from(message.keys)
      tls?.setTicketKeys(ticketKeys)
      return
    case 'answer':
      keeper.answered(message.call, message.answer)
      return
    case 'probe': {
      const { backend, address, call, quietMs } = message
      const plan = house.backend(backend)
      const result =
        plan === null
          ? ({ at: 'down', detail: 'this front does not know the backend' } as const)
          : await probeBackend(address, plan, { quietMs })
      keeper.tell({ kind: 'probed', call, result })
      return
    }
    case 'kill':
      connections.kill(message.session, message.reason)
      return
    case 'drain':
      return drain(message.withinMs)
    default:
      never(message)
  }
}

async function adopt(next: Snapshot): Promise<void> {
  snapshot = withData(next)
  held.clear()
  backends = next.backends
  if (tls === null) {
    tls = terminator(next)
    if (ticketKeys !== null) tls.setTicketKeys(ticketKeys)
  } else tls.update(next)
  if (leaving) return
  const { bound, failures } = await doors.reconcile(next.listeners)
  for (const failure of failures) keeper.tell({ kind: 'listen-failed', generation: next.generation, ...failure })
  keeper.tell({ kind: 'listening', generation: next.generation, bound })
}

/** Passes and journeys have a life of their own: what came last of them counts, whatever the policies. */
function withData(of: Snapshot): Snapshot {
  return { ...of, gate: { ...of.gate, data: { ...of.gate.data, ...data } } }
}

/** No new connections; those not logged in end; sessions go on until `withinMs` is over; a forwarded QUIT is waited for. */
async function drain(withinMs: number): Promise<void> {
  leaving = true
  doors.close()
  connections.stopAll('draining', 'not-logged-in')
  const late = setTimeout(() => {
    connections.stopAll('draining', 'all')
  }, withinMs)
  await connections.empty()
  clearTimeout(late)
  report()
  house.denials.flush()
  outbox.flush()
  process.exit(0)
}

/** `node:cluster` would end this process with its parent, in mid-message. Sessions are finished instead; nobody new gets in. */
async function keeperLost(): Promise<void> {
  leaving = true
  keeper.lost()
  doors.close()
  connections.stopAll('keeper-lost', 'not-logged-in')
  await connections.empty()
  process.exit(0)
}

function report(): void {
  if (Object.values(relayed).every((value) => value === 0)) return
  keeper.tell({ kind: 'relayed', ...relayed })
  Object.assign(relayed, { toClient: 0, fromClient: 0, retrieved: 0, deleted: 0 })
}

function present<T>(value: T | null): T {
  if (value === null) throw new Error('used before the first snapshot')
  return value
}
