/** The fronts: forked with as little power as they can do with, watched, replaced when they die. */
import cluster, { type Worker } from 'node:cluster'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FRONT_RESTART_LONGEST_MS, FRONT_RESTART_MS } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { CODE, powerless } from './powerless.ts'
import { readFromFront, type FromFront, type FromKeeper } from './messages.ts'

export type Front = {
  /** 1-based, never used again within one run. */
  id: number
  pid: number
  say(message: FromKeeper): void
  /** Resolves when the line has taken the message: whoever has much to say waits for it. Rejects when the line is broken. */
  pass(message: FromKeeper): Promise<void>
  /** Ends it at once: it broke the protocol, or the time to drain is over. */
  kill(why: string): void
}

export type Identity = { uid: number; gid: number; name: string }

export type Events = {
  started(front: Front): void
  message(front: Front, message: FromFront): void
  lost(front: Front, reason: string): void
}

export type Supervisor = {
  fronts(): Front[]
  /** No more replacements: from now on a front that ends has ended. */
  retire(): void
}

/** A listener that fronts may ask the parent to bind. */
export type Allowed = { host: string; port: number }

const BUILT = import.meta.url.endsWith('.js')
const FRONT = fileURLToPath(new URL(BUILT ? '../front-process.js' : '../front-process.ts', import.meta.url))

export type SupervisorOptions = {
  count: number
  /** Whom the fronts become; null when the keeper has no root to give up. */
  identity: Identity | null
  /**
   * Asked at each request of a front: which addresses may be bound. `node:cluster` would open any port or file descriptor
   * with the parent's rights for a front that asks.
   */
  allowed(): Allowed[]
  events: Events
  log: Log
  /** For tests: what runs in place of a front, with a front's powers. */
  program?: { file: string; folder: string }
}

/** Forks `count` fronts and keeps that many. */
export function supervise({ count, identity, allowed, events, log, program }: SupervisorOptions): Supervisor {
  const live = new Map<number, Front>()
  let retired = false
  let pause = FRONT_RESTART_MS
  let next = 1

  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({
    exec: program?.file ?? FRONT,
    args: identity === null ? [] : [String(identity.uid), String(identity.gid)],
    serialization: 'advanced',
    // The code of the fronts needs no package: its own folder is all it reads. What logins leave behind is swept up early: a session
    // takes a sixth less memory for it (a third where there are few), and a login hardly more time.
    execArgv: ['--max-semi-space-size=4', ...powerless([program?.folder ?? CODE])],
  })

  const fork = () => {
    const worker = cluster.fork()
    guardBinding(worker, allowed, (asked) => {
      front.kill(`asked for ${asked}`)
    })
    const line = lineTo(worker)
    const front: Front = {
      id: next++,
      pid: worker.process.pid ?? 0,
      ...line,
      kill: (why) => {
        log.error({ front: front.id, why }, 'front killed')
        worker.process.kill('SIGKILL')
      },
    }
    const born = performance.now()
    live.set(front.id, front)
    worker.on('message', (raw: unknown) => {
      const messages = readFromFront(raw)
      if (messages === null) front.kill('sent a message that no front sends')
      for (const message of messages ?? []) {
        if (message.kind === 'started') events.started(front)
        else events.message(front, message)
      }
    })
    worker.on('error', (error) => {
      log.error({ front: front.id, error: error.message }, 'front: line broken')
    })
    worker.once('exit', (code, signal) => {
      live.delete(front.id)
      events.lost(front, signal ?? `exit ${code}`)
      if (retired) return
      pause =
        performance.now() - born > FRONT_RESTART_LONGEST_MS
          ? FRONT_RESTART_MS
          : Math.min(pause * 2, FRONT_RESTART_LONGEST_MS)
      setTimeout(() => {
        if (!retired) fork()
      }, pause)
    })
  }
  for (let n = 0; n < count; n++) fork()

  return {
    fronts: () => [...live.values()],
    retire() {
      retired = true
    },
  }
}

/**
 * What is said in one turn of the loop goes in one message: each one wakes the front, and what a commit of the store has made good
 * answers many logins at once.
 */
function lineTo(worker: Worker): Pick<Front, 'say' | 'pass'> {
  let waiting: FromKeeper[] = []
  const flush = () => {
    const messages = waiting
    waiting = []
    if (messages.length > 0 && worker.isConnected()) worker.send(messages)
  }
  return {
    say(message) {
      if (waiting.push(message) === 1) setImmediate(flush)
    },
    pass: (message) =>
      new Promise((resolve, reject) => {
        flush()
        if (!worker.isConnected()) reject(new Error('the line is broken'))
        else worker.send([message], undefined, undefined, (error) => (error === null ? resolve() : reject(error)))
      }),
  }
}

type Query = { cmd?: unknown; act?: unknown; address?: unknown; port?: unknown; addressType?: unknown; fd?: unknown }

/**
 * Attack: a front that was taken over sends `queryServer` for another port, a pipe or a descriptor, and the parent (often
 * root) binds it. Node has no hook for this, so its listeners are wrapped: what is not a configured listener never reaches them.
 */
function guardBinding(worker: Worker, allowed: () => Allowed[], refused: (asked: string) => void): void {
  const inner = worker.process.listeners('internalMessage' as never) as ((message: Query, handle: unknown) => void)[]
  if (inner.length === 0) throw new Error('node:cluster has changed: its requests cannot be guarded')
  worker.process.removeAllListeners('internalMessage')
  worker.process.on('internalMessage' as never, (message: Query, handle: unknown) => {
    if (isOutOfTurn(worker, message)) {
      ;(handle as { close(): void } | undefined)?.close()
      refused('a handle out of turn')
      return
    }
    if (message.cmd === 'NODE_CLUSTER' && message.act === 'queryServer' && !isAllowed(message, allowed())) {
      refused(`${String(message.address)}:${String(message.port)}`)
      return
    }
    for (const listener of inner) listener.call(worker.process, message, handle)
  })
}

/**
 * Attack: an acknowledgement of a handle that was never sent fails an assertion inside Node and ends the parent; handles that a
 * front sends pile up in the parent until it has no descriptor left. Node keeps the handles under way in `_handleQueue`.
 */
function isOutOfTurn(worker: Worker, { cmd }: Query): boolean {
  if (cmd === 'NODE_HANDLE') return true
  const underWay = (worker.process as { _handleQueue?: unknown })._handleQueue
  return (cmd === 'NODE_HANDLE_ACK' || cmd === 'NODE_HANDLE_NACK') && !Array.isArray(underWay)
}

function isAllowed(query: Query, allowed: Allowed[]): boolean {
  const tcp = query.addressType === 4 || query.addressType === 6
  const bare = query.fd === undefined || query.fd === null
  return tcp && bare && allowed.some(({ host, port }) => query.address === host && query.port === port)
}

/**
 * Needs the user that the policies name. Gives whom the fronts become, or null when the keeper is not root (nothing can be
 * given up then). A user that this machine does not have falls back to `nobody` with a word in `warn`: never to root.
 */
export function frontIdentity(name: string, warn: (text: string) => void): Identity | null {
  if (process.getuid?.() !== 0) return null
  if (name === 'root') {
    warn('processes.user is root: the fronts keep all powers; name a user of their own')
    return null
  }
  const found = lookUp(name)
  if (found !== null) return found
  warn(
    `there is no user '${name}' on this machine: the fronts run as 'nobody'; create it with: useradd --system ${name}`,
  )
  const nobody = lookUp('nobody')
  if (nobody === null) throw new Error(`there is neither a user '${name}' nor 'nobody': create one for the fronts`)
  return nobody
}

function lookUp(name: string): Identity | null {
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, '--', name], { stdio: ['ignore', 'pipe', 'ignore'], timeout: 5_000 }))
  try {
    return { uid: id('-u'), gid: id('-g'), name }
  } catch {
    return null
  }
}
