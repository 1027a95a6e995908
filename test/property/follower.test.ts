import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFollower, type Expected } from '../../src/relay/follower.ts'
import { NOTHING_DONE, tallied } from '../../src/relay/tally.ts'

type Exchange = { command: Expected; reply: Buffer; ok: boolean }

const LINE_ENDS = ['\r\n', '\n'] as const

/** Pieces that end lines, imitate ends and status lines, or are plain text. */
const piece = fc.constantFrom('\r\n', '\n', '\r', '..', '.', '+OK', '-ERR', 'text', '\0', '\xff', 'x'.repeat(70))

/** A message as a server sends it: dots stuffed at the start of every line, however the line before ended. */
const body = (lineEnd: string) =>
  fc.array(piece, { maxLength: 12 }).map((pieces) => {
    const stuffed = pieces.join('').replace(/(^|\n)\./g, '$1..')
    const ended = stuffed === '' || stuffed.endsWith('\n') ? stuffed : stuffed + lineEnd
    return `${ended}.${lineEnd}`
  })

const exchange: fc.Arbitrary<Exchange> = fc
  .record({
    command: fc.constantFrom<Expected>(
      { verb: 'RETR', multiLine: true },
      { verb: 'LIST', multiLine: true },
      { verb: 'DELE', multiLine: false },
      { verb: 'RSET', multiLine: false },
      { verb: 'QUIT', multiLine: false },
    ),
    ok: fc.boolean(),
    lineEnd: fc.constantFrom(...LINE_ENDS),
    words: fc.constantFrom('', ' ok', ' \r words', ' 12 octets'),
  })
  .chain(({ command, ok, lineEnd, words }) =>
    (command.multiLine && ok ? body(lineEnd) : fc.constant('')).map((lines) => ({
      command,
      ok,
      reply: Buffer.from(`${ok ? '+OK' : '-ERR'}${words}${lineEnd}${lines}`, 'latin1'),
    })),
  )

const dialogue = fc.array(exchange, { minLength: 1, maxLength: 6 })

/** Follows `chunks` and gives each reply's end (counted over all chunks), its judgement, the bytes passed and the tally. */
function followed(exchanges: Exchange[], chunks: Buffer[]) {
  const follower = createFollower()
  for (const { command } of exchanges) follower.expect(command)
  const ends: { verb: string; ok: boolean; end: number }[] = []
  const passed: Buffer[] = []
  let before = 0
  let tally = NOTHING_DONE
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const step = follower.advance(chunk, at)
      passed.push(chunk.subarray(at, step.end))
      at = step.end
      if (step.finished === null) continue
      ends.push({ verb: step.finished.command.verb, ok: step.finished.ok, end: before + at })
      tally = tallied(tally, step.finished)
    }
    before += chunk.length
  }
  return { ends, passed: Buffer.concat(passed), tally, pending: follower.pending(), between: follower.between() }
}

function truth(exchanges: Exchange[]) {
  let end = 0
  return exchanges.map(({ command, ok, reply }) => ({ verb: command.verb, ok, end: (end += reply.length) }))
}

function cutAt(whole: Buffer, places: number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b)
  const edges = [0, ...sorted, whole.length]
  return edges.slice(1).map((edge, i) => whole.subarray(edges[i], edge))
}

describe('the response follower', () => {
  test('cut anywhere, it finds the same ends and passes the same bytes', () => {
    fc.assert(
      fc.property(dialogue, fc.array(fc.nat(), { maxLength: 20 }), (exchanges, places) => {
        const whole = Buffer.concat(exchanges.map(({ reply }) => reply))
        const seen = followed(exchanges, cutAt(whole, places))
        expect(seen.ends).toEqual(truth(exchanges))
        expect(seen.passed.equals(whole)).toBe(true)
        expect(seen.pending).toBe(0)
        expect(seen.between).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  test('cut at every octet, it is the same', () => {
    fc.assert(
      fc.property(dialogue, (exchanges) => {
        const whole = Buffer.concat(exchanges.map(({ reply }) => reply))
        const octets = Array.from(whole, (_, i) => whole.subarray(i, i + 1))
        expect(followed(exchanges, octets)).toEqual(followed(exchanges, [whole]))
      }),
      { numRuns: 1000 },
    )
  })

  test('pipelined, it counts what the server confirmed', () => {
    fc.assert(
      fc.property(dialogue, fc.array(fc.nat(), { maxLength: 20 }), (exchanges, places) => {
        let marked = 0
        let deleted = 0
        for (const { command, ok } of exchanges) {
          if (ok && command.verb === 'DELE') marked++
          if (ok && command.verb === 'RSET') marked = 0
          if (ok && command.verb === 'QUIT') deleted = marked
        }
        const retrieved = exchanges.filter(({ command, ok }) => ok && command.verb === 'RETR').length
        const whole = Buffer.concat(exchanges.map(({ reply }) => reply))
        expect(followed(exchanges, cutAt(whole, places)).tally).toEqual({ retrieved, marked, deleted })
      }),
    )
  })

  test('a reply cut short never counts as finished', () => {
    fc.assert(
      fc.property(exchange, fc.nat(), (one, place) => {
        const short = one.reply.subarray(0, place % one.reply.length)
        expect(followed([one], [short]).ends).toEqual([])
      }),
    )
  })
})
