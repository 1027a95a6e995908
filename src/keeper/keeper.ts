/**
 * The keeper: owns the policies in force, the store, the audit and the fronts. It starts in an order in which nothing listens before
 * all is known to be good, and stops in one in which no session is cut that could have ended by itself.
 */
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { startAdmin, type Admin } from '../admin/admin.ts'
import { clockWarning } from '../base/clock-kept.ts'
import { systemClock } from '../base/clock.ts'
import { within } from '../base/deadline.ts'
import {
  FIRST_PROBE_MS,
  FRONT_START_DEADLINE_MS,
  QUIT_DEADLINE_MS,
  TICKET_KEYS_MS,
  USERS_COUNT_MS,
} from '../base/limits.ts'
import { ENDINGS_LOOK_MS } from '../base/login-limits.ts'
import { Refusal } from '../base/refusal.ts'
import { version } from '../base/version.ts'
import { openControl } from './control.ts'
import { createEndings } from './endings.ts'
import { commanded } from './gate-data.ts'
import { hear, type LineContext } from './line-to-fronts.ts'
import type { FromFront } from './messages.ts'
import { refuseInspector } from './no-inspector.ts'
import { buildRig } from './build-rig.ts'
import { frontCount, runCommand, vitalsOf } from './running-server.ts'
import { broadcast, renewTicketKeys, type Rig } from './rig.ts'
import { readinessOf } from './status.ts'
import { frontIdentity, supervise, type Front, type Supervisor } from './supervise.ts'

export type KeeperOptions = {
  file: string
  /** Called once for each listener, when connections to it are taken. */
  announce(listener: { host: string; port: number }): void
}

export type Keeper = {
  /** Runs an operator's command. Throws Refusal with the reason. */
  perform(command: string, args: Record<string, unknown>): Promise<unknown>
  reload(): Promise<void>
  /** Stops within `limits.drain_time`, but for forwarded QUITs. Later calls wait for the first. */
  stop(reason: string): Promise<void>
}

/** Starts everything. Throws one line that says what to do; nothing is left behind then. */
export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  const rig = await buildRig(options.file)
  const opened: { close(): Promise<void> }[] = []
  try {
    refuseInspector(() => {
      rig.log.warn('SIGUSR1 came and was ignored: it would open the inspector in the process that holds the secrets')
    })
    opened.push(await openAdmin(rig))
    opened.push(await openControl(stateOf(rig), (command, args) => runCommand(rig, command, args), noted(rig)))
    void lookAtClock(rig)
    const bound = await startFronts(rig)
    rig.emit({ stream: 'admin', action: 'server-started', version: version(), node: hostname() })
    for (const { host, port } of bound) options.announce({ host, port })
    const timers = keepTime(rig)
    rig.force.watch()
    let stopping: Promise<void> | null = null
    return {
      perform: (command, args) => runCommand(rig, command, args),
      reload: () => rig.force.reload(),
      stop: (reason) => (stopping ??= stop(rig, opened, timers, reason)),
    }
  } catch (error) {
    rig.supervisor?.retire()
    for (const front of rig.supervisor?.fronts() ?? []) front.kill('the start failed')
    await closeAll(rig, opened)
    throw error
  }
}

async function lookAtClock(rig: Rig): Promise<void> {
  rig.clockWarning = await clockWarning()
  if (rig.clockWarning !== null) rig.log.warn(rig.clockWarning)
}

const stateOf = (rig: Rig) => rig.force.current().policies.postern.state.path

function noted(rig: Rig): (error: unknown) => void {
  return (error) => {
    rig.log.error(`control socket: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
}

async function openAdmin(rig: Rig): Promise<Pick<Admin, 'close'>> {
  const { admin } = rig.force.current().policies.postern
  if (admin.listen === 'off') return { close: () => Promise.resolve() }
  return startAdmin({
    listen: admin.listen,
    token: admin.token,
    scrape: () => rig.metrics.scrape(),
    readiness: () => readinessOf(vitalsOf(rig)),
  })
}

type Bound = Extract<FromFront, { kind: 'listening' }>['bound']

/** Forks the fronts, waits until each has opened its listeners, and asks the backends how they are. Gives where they listen. */
async function startFronts(rig: Rig): Promise<Bound> {
  const wanted = frontCount(rig)
  const { user } = rig.force.current().policies.postern.processes
  const identity = frontIdentity(user, (text) => {
    rig.log.warn(text)
  })
  const { promise: ready, resolve, reject } = Promise.withResolvers<Bound>()
  const listening = new Set<number>()
  const heard = (front: Front, message: Extract<FromFront, { kind: 'listening' | 'listen-failed' }>) => {
    if (message.kind === 'listen-failed') {
      rig.log.error({ front: front.id }, `listener ${message.listener}: ${message.detail}`)
      reject(new Refusal(`listener ${message.listener}: ${message.detail}`))
    } else if (listening.add(front.id).size >= wanted) resolve(message.bound)
  }
  rig.supervisor = watchOver(rig, wanted, identity, contextOf(rig, heard), reject)
  const bound = await within(FRONT_START_DEADLINE_MS, 'the fronts did not start', ready)
  await Promise.race([rig.backends.probeAll(), delay(FIRST_PROBE_MS, undefined, { ref: false })])
  return bound
}

function watchOver(
  rig: Rig,
  count: number,
  identity: ReturnType<typeof frontIdentity>,
  context: LineContext,
  failed: (error: Error) => void,
): Supervisor {
  let deaths = 0
  return supervise({
    count,
    identity,
    allowed: () => rig.force.current().snapshot.listeners,
    log: rig.log,
    events: {
      started(front) {
        front.say({ kind: 'ticket-keys', keys: rig.ticketKeys })
        front.say({ kind: 'gate-data', data: commanded(rig) })
        rig.delivery.to(front)
        if (rig.draining) front.say({ kind: 'drain', withinMs: 0 })
      },
      message(front, message) {
        hear(context, front, message)
      },
      lost(front, reason) {
        for (const session of rig.sessions.heldBy(front.id)) {
          rig.judge.release(session.id)
          rig.sessions.close(session, 'front-lost', null)
        }
        if (rig.draining) return
        rig.log.error({ front: front.id }, `a front ended: ${reason}`)
        rig.emit({ stream: 'admin', action: 'front-lost', front: front.id, reason })
        deaths += 1
        if (deaths >= count * 3)
          failed(new Refusal(`the fronts end right after their start (${reason}); the lines above say why`))
      },
    },
  })
}

function contextOf(rig: Rig, listening: LineContext['listening']): LineContext {
  const { sessions, admission, judge, lateGate, backends, metrics, log, emit } = rig
  const isOpen = () => !rig.draining
  return { sessions, admission, judge, lateGate, backends, metrics, log, emit, listening, isOpen }
}

function keepTime(rig: Rig): NodeJS.Timeout[] {
  const count = () => {
    const { store } = rig.resources
    const now = systemClock.now()
    Promise.all([store.count(), store.countLocks(now), store.tryWrite(now)]).then(
      ([users, locks]) => {
        rig.users = users
        rig.locks = locks
        rig.storeFault = null
      },
      (error: unknown) => {
        rig.storeFault = error instanceof Error ? error.message : String(error)
      },
    )
  }
  count()
  return [
    setInterval(() => {
      renewTicketKeys(rig)
    }, TICKET_KEYS_MS).unref(),
    setInterval(count, USERS_COUNT_MS).unref(),
    watchEndings(rig),
  ]
}

function watchEndings(rig: Rig): NodeJS.Timeout {
  const endings = createEndings(rig.log, systemClock, rig.emit)
  const look = () => {
    endings.look(rig.force.current().policies.clientCa)
  }
  look()
  return setInterval(look, ENDINGS_LOOK_MS).unref()
}

async function stop(
  rig: Rig,
  opened: { close(): Promise<void> }[],
  timers: NodeJS.Timeout[],
  reason: string,
): Promise<void> {
  const { drain_time } = rig.force.current().policies.postern.limits
  rig.log.info(`stopping: ${reason}; sessions may end by themselves for ${drain_time / 1_000} s`)
  rig.draining = true
  rig.force.stop()
  rig.feeds.stop()
  rig.backends.stop()
  for (const timer of timers) clearInterval(timer)
  rig.supervisor?.retire()
  broadcast(rig, { kind: 'drain', withinMs: drain_time })
  await drained(rig, drain_time + QUIT_DEADLINE_MS + FRONT_START_DEADLINE_MS)
  rig.emit({ stream: 'admin', action: 'server-stopped', reason })
  await closeAll(rig, opened)
  rig.log.info('stopped')
}

/** A front that waits for a forwarded QUIT is waited for; one that hangs is not waited for for ever. */
async function drained(rig: Rig, ms: number): Promise<void> {
  const until = performance.now() + ms
  while ((rig.supervisor?.fronts().length ?? 0) > 0) {
    if (performance.now() > until) for (const front of rig.supervisor?.fronts() ?? []) front.kill('it did not end')
    await delay(20)
  }
}

async function closeAll(rig: Rig, opened: { close(): Promise<void> }[]): Promise<void> {
  rig.force.stop()
  rig.feeds.stop()
  rig.backends.stop()
  rig.databases.stop()
  for (const one of opened) await one.close()
  // What is not on disk by now is forwarded after the next start.
  await rig.resources.journal.durable().catch(() => undefined)
  await rig.outlets.close()
  await rig.resources.close()
}
