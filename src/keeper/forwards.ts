/** All forwards of the policies in force. */
import { randomInt } from 'node:crypto'
import { hostname } from 'node:os'
import type { AuditEvent } from '../audit/events.ts'
import type { Tails } from '../audit/follow.ts'
import { currentName } from '../audit/stream-files.ts'
import type { Clock } from '../base/clock.ts'
import { FORWARD_STOP_MS } from '../base/forward-limits.ts'
import type { Log } from '../base/log.ts'
import { reveal } from '../base/secret.ts'
import type { Target } from '../forward/wire.ts'
import type { ForwardPlan } from '../policy/forwards.ts'
import { createBell } from './bell.ts'
import { startForward, type Forward, type Pace } from './forward.ts'
import type { Positions } from './forward-positions.ts'
import { openSpool, type Spool } from './forward-spool.ts'
import type { Forwarder } from './forwarder.ts'

/** `to` as the policy names it. `fault`: why there is no connection; `down`: for long. `lag`: age of the oldest line that was not sent, in seconds. `again`: lines sent more than once. */
export type ForwardState = { to: string; fault: string | null; down: boolean; lag: number; again: number; lost: number }

export type Forwards = {
  /** Takes up what the policies say now; forwards that stay the same go on. */
  use(plans: readonly ForwardPlan[]): void
  states(): ForwardState[]
  /** Sends the last lines where that goes quickly, and keeps how far each came. */
  stop(): Promise<void>
}

export type ForwardsOptions = {
  tails: Tails
  positions: Positions
  forwarder: Forwarder
  clock: Clock
  log: Log
  emit(event: AuditEvent): void
  pace?: Partial<Pace>
}

type Running = { plan: ForwardPlan; key: string; forward: Forward; spool: Spool; lost: number }

/** Forwards nothing yet. */
export function createForwards(options: ForwardsOptions): Forwards {
  const { positions, forwarder } = options
  const running = new Map<string, Running>()
  const leaving = new Set<Promise<void>>()

  const end = (one: Running, ms: number) => {
    running.delete(one.plan.to.label)
    const gone = one.forward.stop(ms)
    leaving.add(gone)
    void gone.then(() => leaving.delete(gone))
    return gone
  }

  return {
    use(plans) {
      const wanted = new Map(plans.map((plan) => [plan.to.label, keyOf(plan)]))
      // What is sent twice because of it is better than a wait; the position stays.
      for (const one of [...running.values()]) if (wanted.get(one.plan.to.label) !== one.key) void end(one, 0)
      positions.keep([...wanted.keys()])
      for (const plan of plans) if (!running.has(plan.to.label)) running.set(plan.to.label, start(plan, options))
    },
    states: () =>
      [...running.values()].map(({ plan, forward, spool, lost }) => ({
        to: plan.to.label,
        fault: forward.fault(),
        down: forward.isDown(),
        lag: forward.lagSeconds(),
        again: spool.again(),
        lost,
      })),
    async stop() {
      for (const one of [...running.values()]) void end(one, FORWARD_STOP_MS)
      await Promise.all(leaving)
      await positions.saved()
      forwarder.stop()
    },
  }
}

function start(plan: ForwardPlan, options: ForwardsOptions): Running {
  const { positions, forwarder, tails, clock, log, emit, pace } = options
  const { label } = plan.to
  const bell = createBell()
  const spool = openSpool({
    streams: plan.streams,
    tails,
    speaker: { host: hostname(), process: process.pid },
    position: positions.of(label),
    wake: bell.ring,
    moved: (position) => {
      positions.set(label, position)
    },
    lost(stream, lines) {
      one.lost += lines
      log.error(
        { forward: label, stream, lines },
        'forward: lines were removed by rotation before the collector got them',
      )
      emit({ stream: 'admin', action: 'forward-lost', forward: label, file: currentName(stream), lines })
    },
  })
  const forward = startForward({
    target: targetOf(plan),
    bell,
    spool,
    connect: forwarder.connect,
    clock,
    random: () => randomInt(1_000) / 1_000,
    failed(reason) {
      log.error({ forward: label, error: reason }, 'forward: the collector is down; lines wait in the audit folder')
      emit({ stream: 'admin', action: 'forward-failed', forward: label, reason })
    },
    recovered() {
      log.info({ forward: label }, 'forward: the collector is there again')
      emit({ stream: 'admin', action: 'forward-recovered', forward: label })
    },
    remark(text) {
      log.warn({ forward: label }, `forward: ${text}`)
    },
    ...(pace && { pace }),
  })
  const one: Running = { plan, key: keyOf(plan), forward, spool, lost: 0 }
  return one
}

function targetOf({ to: { host, port }, tls }: ForwardPlan): Target {
  if (tls === null) return { host, port, tls: null }
  const { ca, name, cert, key } = tls
  return {
    host,
    port,
    tls: { ca, name, cert, key: key === null ? null : reveal(key).toString() },
  }
}

function keyOf({ to, streams, tls }: ForwardPlan): string {
  const key = tls?.key ?? null
  return JSON.stringify([to.label, streams, tls, key === null ? null : reveal(key).toString('base64')])
}
