/** Large mailboxes, different for each user, in which every octet has its place: one that strays, or is another's, is seen. */
import { createCipheriv, createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { SOURCE_LARGE, SOURCE_SMALL } from '../../src/base/limits.ts'

/** Gives a number from 0 up to `below`. */
export type Roll = (below: number) => number

export type Mailbox = {
  count: number
  /** The whole reply to a RETR or TOP, as it stands on the wire. */
  reply(command: string): Buffer
}

const STATUS = '+OK\r\n'
const END = '\r\n.\r\n'
/** What the relay may read at once, and what it reads at once where no long reply is due. */
const EDGE = SOURCE_LARGE
const SMALL_EDGE = SOURCE_SMALL
const FRAME = STATUS.length + END.length

/** Octets of a user's messages, dots stuffed: around what is read at once, and so that the whole reply is around it. The last is the largest. */
export const SIZES = [
  1,
  EDGE - FRAME - 1,
  EDGE - FRAME,
  EDGE - FRAME + 1,
  EDGE - 1,
  EDGE,
  EDGE + 1,
  SMALL_EDGE - FRAME,
  SMALL_EDGE - FRAME + 1,
  200_000,
  3 * 2 ** 20 + 1,
] as const
export const LARGEST = SIZES.length

/** Ends a line and begins the next: stuffed dots, a line of one dot, lines that look like status lines. */
const LINE_STARTS = ['\r\n', '\r\n', '\r\n', '\r\n..', '\r\n...', '\r\n..\r\n', '\r\n+OK\r\n', '\r\n-ERR ']
const LINE_START_MAX = 7

/** Numbers that look like chance and are the same in every run. */
export function dice(seed: string): Roll {
  let state = createHash('sha256').update(seed).digest().readUInt32LE() | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** The mailbox of one user: a message for each size. */
export function mailboxOf(user: string, sizes: readonly number[] = SIZES): Mailbox {
  const messages = sizes.map((size, index) => messageOf(`${user} ${index + 1}`, size))
  return {
    count: messages.length,
    reply(command) {
      const [verb = '', number = 0, lines = 0] = command.split(' ')
      const message = messages[Number(number) - 1]
      if (message === undefined) throw new Error(`no such message: ${command}`)
      const body = verb === 'TOP' ? message.subarray(0, endOfLine(message, Number(lines))) : message
      return Buffer.concat([Buffer.from(STATUS), body, Buffer.from(END)])
    },
  }
}

function messageOf(seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest()
  const stream = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16))
  const text = Buffer.from(stream.update(Buffer.alloc(Math.ceil(size / 4) * 3)).toString('base64'), 'latin1')
  const roll = dice(seed)
  for (let at = 10 + roll(80); at + LINE_START_MAX < size; at += 10 + roll(80)) {
    text.write(LINE_STARTS[roll(LINE_STARTS.length)] as string, at, 'latin1')
  }
  return text.subarray(0, size)
}

/** Where so many lines end, less their last line end. */
function endOfLine(message: Buffer, lines: number): number {
  let end = 0
  for (let line = 0; line < lines; line++) {
    const next = message.indexOf('\r\n', line === 0 ? 0 : end + 2)
    if (next === -1) return message.length
    end = next
  }
  return end
}

/** How a server writes. `size`: of the next piece. `restMs`: how long it rests behind each. */
export type Pieces = { size(roll: Roll): number; restMs: number }

/** One octet, a few, around what is read at once, much more. */
export const ODD: Pieces = {
  size: (roll) => {
    const sizes = [1, 1 + roll(100), 1 + roll(5_000), EDGE - 1 + roll(3), 1 + roll(2 * EDGE), 2 * EDGE]
    return sizes[roll(sizes.length)] as number
  },
  restMs: 0,
}

/** Of these, several wait in a relay of the same process at once for a client that does not read. */
export const CRUMBS: Pieces = { size: (roll) => (roll(10) === 0 ? 1 : 1 + roll(10_000)), restMs: 0 }

/** So slow that a relay in another process reads each piece for itself, and several wait there for a client that does not read. */
export const TRICKLE: Pieces = { size: (roll) => (roll(10) === 0 ? 1 : 1 + roll(40_000)), restMs: 1 }

/** Writes in pieces, each of them for itself. */
export async function writeInPieces(
  socket: Socket,
  bytes: Buffer,
  { size, restMs }: Pieces,
  roll: Roll,
): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed;) {
    const piece = bytes.subarray(at, at + size(roll))
    at += piece.length
    await new Promise<void>((resolve) => {
      socket.write(piece, () => {
        resolve()
      })
    })
    if (restMs > 0) await delay(restMs)
  }
}

export const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
