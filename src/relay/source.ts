/**
 * What an old server says, as octets. A chunk is lent: it lies in a buffer that the next chunk comes into, as a new one for each would
 * cost a third more. ATTACK, or an accident as bad: octets of one mailbox in the session of another. So a buffer belongs to one session
 * alone, whoever passes a chunk on calls `halt` until it is written, and a large buffer goes back to the others only by `reclaim`.
 */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import { SOURCE_LARGE, SOURCE_LARGE_KEPT, SOURCE_LARGE_MAX, SOURCE_MIDDLE, SOURCE_SMALL } from '../base/limits.ts'

/** Gets a chunk that is good until it returns, or until `go` where it called `halt`. */
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
  /** Within `take`: more of a long reply is to come, and the next chunk may be a large one. */
  widen(): void
  /** No long reply is under way any more. */
  narrow(): void
  /** Nothing of any chunk is still to be written. */
  reclaim(): void
}

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
  const small: Buffer = Buffer.allocUnsafeSlow(SOURCE_SMALL)
  let large: Large | null = null
  /** What the system is given for the next chunk but one, and what it has. Node asks for a buffer right behind each chunk. */
  let wanted = small
  let given = small
  let isTaking = false
  let take: Take | null = null
  const socket = connect({
    ...options,
    onread: {
      buffer: () => (given = wanted),
      callback: (size, into) => {
        isTaking = true
        take?.((into as Buffer).subarray(0, size))
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
    widen() {
      if (!isTaking || socket.destroyed) return
      large ??= takeLarge()
      wanted = large.bytes
    },
    narrow: () => (wanted = small),
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
    widen: () => undefined,
    narrow: () => undefined,
    reclaim: () => undefined,
  }
}
