/**
 * A connection to a collector. Syslog over TCP has no receipts, so what the collector has read must be learnt from how it closes: a
 * FIN says that its program had read all that had arrived (with octets unread, a kernel sends RST), and a FIN that answers ours, that
 * it read everything.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import {
  FORWARD_CONNECT_MS,
  FORWARD_DOUBT_MS,
  FORWARD_FINISH_MS,
  FORWARD_HEARD_MAX,
  FORWARD_STALL_MS,
} from '../base/forward-limits.ts'
import type { Left, Target, TargetTls } from './wire.ts'

export type Connection = {
  /** `n` grows. Told as `sent` when the kernel has taken it. */
  send(n: number, octets: Uint8Array): void
  /** Closes behind what was sent and waits for the collector's close. */
  finish(): void
  drop(): void
}

export type ConnectionEvents = {
  connected(): void
  sent(n: number): void
  /** Once, and last. */
  left(left: Left): void
}

type Sent = { n: number; at: number }

/** `finishing`: we have closed our side. `leaving`: the collector has, and what it read is being found out. */
type State = {
  at: 'open' | 'finishing' | 'leaving' | 'over'
  roundTrip: number
  heard: number
  /** What was sent last, and what was sent lately. */
  last: number
  recent: Sent[]
}

const KEEPALIVE_MS = 30_000

/** Connects; all that comes of it is told by events. `now` is monotonic ms. */
export function openConnection(target: Target, events: ConnectionEvents, now = () => performance.now()): Connection {
  const started = now()
  const socket = target.tls === null ? plain(target) : secured(target, target.tls)
  const state: State = { at: 'open', roundTrip: 0, heard: 0, last: 0, recent: [] }
  let timer = setTimeout(() => {
    broken('the connection was not made in time')
  }, FORWARD_CONNECT_MS)

  const over = (left: Left) => {
    if (state.at === 'over') return
    state.at = 'over'
    clearTimeout(timer)
    socket.destroy()
    events.left(left)
  }
  const broken = (reason: string) => {
    over({ how: 'broken', reason })
  }
  const wait = (ms: number, run: () => void) => {
    clearTimeout(timer)
    timer = setTimeout(run, ms)
  }
  const wanting = () => {
    wait(FORWARD_STALL_MS, () => {
      broken('it takes nothing of what it is sent')
    })
  }

  socket.on(target.tls === null ? 'connect' : 'secureConnect', () => {
    clearTimeout(timer)
    state.roundTrip = now() - started
    events.connected()
  })
  socket.on('error', (error) => {
    broken(error.message)
  })
  socket.on('close', () => {
    broken('the connection was closed')
  })
  socket.on('data', (octets: Buffer) => {
    state.heard += octets.length
    if (state.heard > FORWARD_HEARD_MAX) broken('it talks, as no collector does')
  })
  socket.on('end', () => {
    if (state.at === 'finishing') over({ how: 'closed', sure: state.last, last: state.last })
    if (state.at !== 'open') return
    state.at = 'leaving'
    leaveAfter(socket, state, { at: now(), wait, over })
  })

  return {
    send(n, octets) {
      if (state.at !== 'open') return
      state.last = n
      state.recent = [...state.recent.slice(-99), { n, at: now() }]
      wanting()
      socket.write(octets, (error) => {
        if (error) return
        if (state.at === 'open') clearTimeout(timer)
        events.sent(n)
      })
    },
    finish() {
      if (state.at !== 'open') return
      state.at = 'finishing'
      wait(FORWARD_FINISH_MS, () => {
        over({ how: 'silent' })
      })
      socket.end()
    },
    drop() {
      broken('dropped')
    },
  }
}

type Leaving = { at: number; wait(ms: number, run: () => void): void; over(left: Left): void }

/**
 * The collector closed first. What had arrived by then was read; what crossed its close on the way is answered by RST. That one is
 * waited for, and then seen by writing: an empty line, which nobody reads any more.
 */
function leaveAfter(socket: Socket, { roundTrip, recent, last }: State, { at, wait, over }: Leaving): void {
  const marginMs = Math.max(FORWARD_DOUBT_MS, 4 * roundTrip)
  const first = recent.find((sent) => sent.at > at - marginMs)
  if (first === undefined) {
    over({ how: 'closed', sure: last, last })
    return
  }
  const doubt = () => {
    over({ how: 'closed', sure: first.n - 1, last })
  }
  socket.removeAllListeners('error').on('error', doubt)
  wait(marginMs, () => {
    socket.write('\n', (error) => {
      if (error) doubt()
      else over({ how: 'closed', sure: last, last })
    })
  })
}

function plain({ host, port }: Target): Socket {
  return connectTcp({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS }) // prettier-ignore
}

function secured({ host, port }: Target, { ca, name, cert, key }: TargetTls): Socket {
  const wanted = name ?? host
  return connectTls({
    host,
    port,
    ...(ca !== null && { ca }),
    ...(cert !== null && key !== null && { cert, key }),
    // RFC 6066 section 3: no addresses. The certificate must name the address then.
    ...(isIP(wanted) === 0 && { servername: wanted }),
    minVersion: 'TLSv1.2',
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_MS,
  } as ConnectionOptions)
}
