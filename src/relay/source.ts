/**
 * What an old server says, as octets. Where no long reply is under way, all sessions read into one buffer, and each chunk is copied out of
 * it before anything else happens. A chunk of a long reply is lent: it lies in a large buffer that the next chunk comes into, as a new one
 * for each would cost a third more. ATTACK, or an accident as bad: octets of one mailbox in the session of another. So a large buffer
 * belongs to one session alone, whoever passes a lent chunk on calls `halt` until it is written, and it goes back to the others only by
 * `reclaim`.
 */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import { SOURCE_LARGE, SOURCE_LARGE_KEPT, SOURCE_LARGE_MAX, SOURCE_MIDDLE, SOURCE_SMALL } from '../base/limits.ts'

/** Gets a chunk. One that is lent is good until it returns, or until `go` where it called `halt`; any other is the taker's own. */
export type Take = (chunk: Buffer) => void

export type Source = {
  readonly socket: Socket
  /** Hands every chunk to `take` from now on. */
  flow(take: Take): void
  /** Reads nothing more, until `go`. */
  halt(): void
  go(): void
  /** What was read, and not handed on before the connection broke; null when there is no more. */
  rest(): Buffer | null
  /** Within `take`: the chunk is lent. */
  isLent(): boolean
  /** Within `take`: more of a long reply is to come, and the next chunk may be a large one. */
  widen(): void
  /** No long reply is under way any more. */
  narrow(): void
  /** Nothing of any chunk is still to be written. */
  reclaim(): void
}

/** What every session without a long reply under way reads into. Nothing outside of `callback` ever sees it. */
const shared: Buffer = Buffer.allocUnsafeSlow(SOURCE_SMALL)

/** Large buffers that nobody has, and how many somebody has. */
const free: Buffer[] = []
let taken = 0

/** A buffer for the chunks of a long reply, and how it is given back. Beyond the ceiling it is a middling one that is nobody else's. */
type Large = { bytes: Buffer; isShared: boolean }

function takeLarge(): Large {
  if (taken >= SOURCE_LARGE_MAX) return { bytes: Buffer.allocUnsafeSlow(SOURCE_MIDDLE), isShared: false }
  taken += 1
  return { bytes: free.pop() ?? Buffer.allocUnsafeSlow(SOURCE_LARGE), isShared: true }
}

/** Connects, halted. The caller listens for what becomes of the socket. */
export function connectSource(options: TcpNetConnectOpts): Source {
  let large: Large | null = null
  /** What the system is given for the next chunk but one, and what it has. Node asks for a buffer right behind each chunk. */
  let wanted = shared
  let given = shared
  let isTaking = false
  let take: Take | null = null
  const socket = connect({
    ...options,
    onread: {
      buffer: () => (given = wanted),
      callback: (size, into) => {
        const chunk = (into as Buffer).subarray(0, size)
        isTaking = true
        take?.(into === shared ? Buffer.from(chunk) : chunk)
        isTaking = false
        return true
      },
    },
  })
  socket.pause()
  // Not given to others: nobody knows what the system still does with it.
  socket.once('close', () => {
    if (large?.isShared === true) taken -= 1
    large = null
  })
  return {
    socket,
    flow: (next) => (take = next),
    halt: () => void socket.pause(),
    go: () => void socket.resume(),
    rest: () => null,
    isLent: () => isTaking && given !== shared,
    widen() {
      if (!isTaking || socket.destroyed) return
      large ??= takeLarge()
      wanted = large.bytes
    },
    narrow: () => (wanted = shared),
    reclaim() {
      if (large === null || given === large.bytes || wanted === large.bytes) return
      if (large.isShared) taken -= 1
      if (large.isShared && free.length < SOURCE_LARGE_KEPT) free.push(large.bytes)
      large = null
    },
  }
}

/** The same for a socket that reads for itself, as TLS does: its chunks are new ones. */
export function streamSource(socket: Socket): Source {
  let take: Take | null = null
  socket.pause()
  return {
    socket,
    flow(next) {
      if (take === null) socket.on('data', (chunk: Buffer) => take?.(chunk)).pause()
      take = next
    },
    halt: () => void socket.pause(),
    go: () => void socket.resume(),
    rest: () => socket.read() as Buffer | null,
    isLent: () => false,
    widen: () => undefined,
    narrow: () => undefined,
    reclaim: () => undefined,
  }
}
