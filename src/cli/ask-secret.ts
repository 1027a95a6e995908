/** A secret that an operator gives: typed without an echo on a terminal, else read from stdin. */
import { MAILBOX_PASSWORD_MAX } from '../base/login-limits.ts'
import { Refusal } from '../base/refusal.ts'

const END = new Set([0x0d, 0x0a, 0x04])
const INTERRUPT = 0x03
const ERASE = new Set([0x7f, 0x08])

/** Asks for a secret, on a terminal twice: a slip would show at the first login only. Throws {@link Refusal}. */
export async function askSecret(what: string): Promise<Buffer> {
  if (!process.stdin.isTTY) return await fromPipe(what)
  const first = await typed(`${what}: `)
  const again = await typed(`${what}, once more: `)
  if (!first.equals(again)) throw new Refusal('the two are not the same: nothing was done')
  return first
}

/** All of it, less one line end: a password may hold any other byte. */
async function fromPipe(what: string): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of process.stdin) {
    parts.push(part as Buffer)
    length += (part as Buffer).length
    if (length > MAILBOX_PASSWORD_MAX + 2) throw new Refusal(`${what} on stdin is too long`)
  }
  const all = Buffer.concat(parts)
  const end = all.at(-1) === 0x0a ? (all.at(-2) === 0x0d ? 2 : 1) : 0
  return all.subarray(0, all.length - end)
}

function typed(prompt: string): Promise<Buffer> {
  const { stdin } = process
  process.stderr.write(prompt)
  stdin.setRawMode(true)
  stdin.resume()
  return new Promise((resolve, reject) => {
    const bytes: number[] = []
    const done = () => {
      stdin.off('data', hear)
      stdin.setRawMode(false)
      stdin.pause()
      process.stderr.write('\n')
    }
    function hear(chunk: Buffer): void {
      for (const [at, byte] of chunk.entries()) {
        if (byte === INTERRUPT || END.has(byte)) {
          done()
          // What was pasted behind the line end is the answer to the next question.
          if (at + 1 < chunk.length) stdin.unshift(chunk.subarray(at + 1))
          if (byte === INTERRUPT) reject(new Refusal('interrupted: nothing was done'))
          else resolve(Buffer.from(bytes))
          return
        }
        if (ERASE.has(byte)) erase(bytes)
        else if (bytes.length < MAILBOX_PASSWORD_MAX) bytes.push(byte)
      }
    }
    stdin.on('data', hear)
  })
}

/** One sign: in UTF-8 that is all octets back to the one that is no continuation. */
function erase(bytes: number[]): void {
  for (let byte = bytes.pop(); byte !== undefined && (byte & 0xc0) === 0x80;) byte = bytes.pop()
}
