/**
 * What an old server says, as octets. A chunk is lent: it lies in a buffer that the next chunk comes into, as a new one for each would
 * cost a third more. ATTACK, or an accident as bad: octets of one mailbox in the session of another. So a buffer belongs to one session
 * alone, whoever passes a chunk on calls `halt` until it is written, and a large buffer goes back to the others only by `narrow`.
 */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import { SOURCE_LARGE, SOURCE_LARGE_KEPT, SOURCE_LARGE_MAX, SOURCE_SMALL } from '../base/limits.ts'

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
  /** A long reply is awaited: it may come in large chunks. */
  widen(): void
  /** None is, and nothing of the last chunk is still to be written. */
  narrow(): void
}

/** Large buffers that nobody has, and how many somebody has. */
const free: Buffer<ArrayBuffer>[] = []
let lent = 0

/** Connects, halted. The caller listens for what becomes of the socket. */
export function connectSource(options: TcpNetConnectOpts): Source {
  const small = Buffer.allocUnsafeSlow(SOURCE_SMALL)
  let buffer: Buffer<ArrayBuffer> = small
  let take: Take | null = null
  const socket = connect({
    ...options,
    onread: {
      buffer: () => buffer,
      // Not what Node hands over: it does not know of a buffer that was changed in between.
      callback: (size) => {
        take?.(buffer.subarray(0, size))
        return true
      },
    },
  })
  socket.pause()
  /** Tells the system where the next chunk is to come; false where Node has no such way. */
  const use = (next: Buffer<ArrayBuffer>): boolean => {
    const handle = (socket as Socket & { _handle?: { useUserBuffer?(into: Buffer): void } | null })._handle
    if (typeof handle?.useUserBuffer !== 'function') return false
    handle.useUserBuffer(next)
    buffer = next
    return true
  }
  // Not given to others: nobody knows what the system still does with it.
  socket.once('close', () => {
    if (buffer !== small) lent -= 1
    buffer = small
  })
  return {
    socket,
    flow: (next) => (take = next),
    halt: () => void socket.pause(),
    go: () => void socket.resume(),
    rest: () => null,
    widen() {
      if (buffer !== small || lent >= SOURCE_LARGE_MAX) return
      const large = free.pop() ?? Buffer.allocUnsafeSlow(SOURCE_LARGE)
      if (use(large)) lent += 1
      else free.push(large)
    },
    narrow() {
      const large = buffer
      if (large === small || !use(small)) return
      lent -= 1
      if (free.length < SOURCE_LARGE_KEPT) free.push(large)
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
  }
}
