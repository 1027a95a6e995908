/** The forwarder as the keeper sees it: one process without powers for all collectors, started when it is needed, checked in all it says. */
import { spawn, type ChildProcess } from 'node:child_process'
import { getCACertificates } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { FromForwarder, Left, Target, ToForwarder } from '../forward/wire.ts'
import { CODE, powerless } from './powerless.ts'
import type { Identity } from './supervise.ts'

/** One connection to a collector. */
export type Link = {
  /** Resolves when the kernel has taken it; never, when the link ended first. `n` grows. */
  send(n: number, octets: Buffer): Promise<void>
  finish(): void
  drop(): void
  /** Resolves with how it ended. */
  left: Promise<Left>
}

/** Connects to a collector; rejects with the reason. */
export type Connect = (target: Target) => Promise<Link>

export type Forwarder = { connect: Connect; stop(): void }

const link = z.int()
const left = z.discriminatedUnion('how', [
  z.strictObject({ how: z.literal('closed'), sure: z.int(), last: z.int() }),
  z.strictObject({ how: z.literal('silent') }),
  z.strictObject({ how: z.literal('broken'), reason: z.string().max(1_000) }),
])
const heard = z.discriminatedUnion('at', [
  z.strictObject({ at: z.literal('connected'), link }),
  z.strictObject({ at: z.literal('sent'), link, n: z.int() }),
  z.strictObject({ at: z.literal('left'), link, left }),
])

const BUILT = import.meta.url.endsWith('.js')
const PROGRAM = fileURLToPath(new URL(BUILT ? '../forward-process.js' : '../forward-process.ts', import.meta.url))

type Open = { heard(message: FromForwarder): void }

/** Starts nothing yet. `identity`: whom the process becomes. */
export function createForwarder(identity: () => Identity | null): Forwarder {
  const links = new Map<number, Open>()
  let child: ChildProcess | null = null
  let last = 0
  let trusting: ChildProcess | null = null

  const gone = (one: ChildProcess) => {
    if (child !== one) return
    child = null
    const reason = 'the process that forwards ended'
    for (const [number, open] of links) open.heard({ at: 'left', link: number, left: { how: 'broken', reason } })
    links.clear()
  }
  const running = (): ChildProcess => {
    if (child !== null) return child
    const one = start(identity())
    child = one
    one.on('error', () => {
      gone(one)
    })
    one.once('exit', () => {
      gone(one)
    })
    one.on('message', (raw) => {
      const read = heard.safeParse(raw)
      const open = read.success ? links.get(read.data.link) : null
      // What it says of a link that is over is old news; what no honest one says ends it.
      if (!read.success) one.kill('SIGKILL')
      else open?.heard(read.data)
    })
    return one
  }

  return {
    async connect(target) {
      const to = running()
      const number = ++last
      const say = (message: ToForwarder) => {
        if (child === to && to.connected) to.send(message)
      }
      const { promise: connected, resolve, reject } = Promise.withResolvers<Link>()
      const made = linkOf(number, say, {
        connected: () => {
          resolve(made.link)
        },
        left: (how) => {
          links.delete(number)
          reject(new Error(how.how === 'broken' ? how.reason : 'it closed at once'))
        },
      })
      links.set(number, made)
      if (target.tls?.ca === null && trusting !== to) {
        trusting = to
        say({ do: 'trust', authorities: trusted() })
      }
      say({ do: 'connect', link: number, target })
      return connected
    },
    stop() {
      child?.kill('SIGKILL')
    },
  }
}

function linkOf(
  number: number,
  say: (message: ToForwarder) => void,
  on: { connected(): void; left(left: Left): void },
): Open & { link: Link } {
  const { promise, resolve } = Promise.withResolvers<Left>()
  let waiting: { n: number; resolve: () => void } | null = null
  return {
    heard(message) {
      if (message.at === 'connected') on.connected()
      else if (message.at === 'left') {
        on.left(message.left)
        resolve(message.left)
      } else if (waiting?.n === message.n) waiting.resolve()
    },
    link: {
      send: (n, octets) =>
        new Promise<void>((taken) => {
          waiting = { n, resolve: taken }
          say({ do: 'send', link: number, n, octets })
        }),
      finish: () => {
        say({ do: 'finish', link: number })
      },
      drop: () => {
        say({ do: 'drop', link: number })
      },
      left: promise,
    },
  }
}

let machine: string[] | null = null

/** The authorities that this machine trusts, Node's own, and those of NODE_EXTRA_CA_CERTS. They take a quarter of a second, once. */
function trusted(): string[] {
  return (machine ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])])
}

function start(identity: Identity | null): ChildProcess {
  const whom = identity === null ? [] : [String(identity.uid), String(identity.gid)]
  return spawn(process.execPath, [...powerless([CODE]), PROGRAM, ...whom], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  })
}
