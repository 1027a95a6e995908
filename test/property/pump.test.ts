import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDialogue } from '../../src/relay/dialogue.ts'
import { NOTHING_DONE, tallied } from '../../src/relay/tally.ts'

type Line = { text: string; carried: string | null; reply: string; verb: string; ok: boolean }

const LINE_END = fc.constantFrom('\r\n', '\n')

const message = fc
  .array(fc.constantFrom('\r\n', '\n', '\r', '.', '..', '+OK', '-ERR no', 'text', '\0', '\xff'), { maxLength: 8 })
  .map((pieces) => {
    const stuffed = pieces.join('').replace(/(^|\n)\./g, '$1..')
    return stuffed === '' || stuffed.endsWith('\n') ? stuffed : `${stuffed}\r\n`
  })

const single = (text: string, verb: string) =>
  fc.boolean().map((ok): Line => ({ text, carried: text, verb, ok, reply: ok ? '+OK yes\r\n' : '-ERR no\r\n' }))

const carried = fc.oneof(
  fc.tuple(message, fc.boolean()).map(([lines, ok]): Line => {
    return { text: 'RETR 1', carried: 'RETR 1', verb: 'RETR', ok, reply: ok ? `+OK\r\n${lines}.\r\n` : '-ERR no\r\n' }
  }),
  single('DELE 1', 'DELE'),
  single('RSET', 'RSET'),
  single('STAT', 'STAT'),
)
const refused = fc
  .constantFrom('FOO', 'USER x', 'STLS', '', 'DELE\x001', 'DELE 1\rQUIT', 'x'.repeat(300))
  .map((text): Line => ({ text, carried: null, verb: '?', ok: false, reply: '' }))

const session = fc.array(fc.tuple(fc.oneof({ weight: 3, arbitrary: carried }, refused), LINE_END), { maxLength: 12 })
const cuts = fc.array(fc.nat({ max: 40 }), { maxLength: 30 })

/** Cuts a text into pieces of these sizes; the rest is one piece. */
function pieces(text: string, sizes: number[]): Buffer[] {
  const out: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    out.push(Buffer.from(text.slice(at, at + size), 'latin1'))
    at += size
  }
  return [...out, Buffer.from(text.slice(at), 'latin1')].filter((piece) => piece.length > 0)
}

/** Plays a session: the client's octets cut one way, the server's replies another, in turns. */
function play(lines: [Line, string][], pipelining: boolean, clientCuts: number[], serverCuts: number[]) {
  const toClient: Buffer[] = []
  let toServer = ''
  let answeredLines = 0
  let mostUnanswered = 0
  const script = lines.flatMap(([line]) => (line.carried === null ? [] : [line]))
  const dialogue = createDialogue({
    pipelining,
    toClient: (bytes) => toClient.push(Buffer.from(bytes)),
    toServer: (bytes) => (toServer += bytes.toString('latin1')),
    hasRoom: () => true,
    counted: () => undefined,
    unasked: () => {
      throw new Error('nothing is unasked here')
    },
  })
  const fromClient = pieces(lines.map(([{ text }, end]) => text + end).join(''), clientCuts)
  let sizes = serverCuts
  while (fromClient.length > 0 || answeredLines < toServer.split('\r\n').length - 1) {
    const next = fromClient.shift()
    if (next !== undefined) dialogue.fromClient(next)
    const received = toServer.split('\r\n').length - 1
    mostUnanswered = Math.max(mostUnanswered, received - answeredLines)
    // The server answers every second turn, so that pipelined commands pile up.
    if (fromClient.length % 2 === 1) continue
    const replies = script.slice(answeredLines, received).map(({ reply }) => reply)
    answeredLines = received
    for (const piece of pieces(replies.join(''), sizes)) dialogue.fromServer(piece)
    sizes = sizes.slice(1)
  }
  return { toClient: Buffer.concat(toClient).toString('latin1'), toServer, mostUnanswered, dialogue, script }
}

describe('the dialogue after login, cut anywhere', () => {
  test('carries each line whole and once, and every reply as it came, refusals in their place', () => {
    fc.assert(
      fc.property(session, fc.boolean(), cuts, cuts, (lines, pipelining, clientCuts, serverCuts) => {
        const played = play(lines, pipelining, clientCuts, serverCuts)
        expect(played.toServer).toBe(played.script.map(({ carried: line }) => `${line}\r\n`).join(''))
        let rest = played.toClient
        for (const [{ reply }] of lines) {
          const expected = reply === '' ? (/^-ERR [A-Z][a-z ]+\.\r\n/.exec(rest)?.[0] ?? 'a refusal') : reply
          expect(rest.slice(0, expected.length)).toBe(expected)
          rest = rest.slice(expected.length)
        }
        expect(rest).toBe('')
        expect(played.dialogue.isAnswered()).toBe(true)
        expect(played.dialogue.isMidReply()).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  test('counts what the server confirmed', () => {
    fc.assert(
      fc.property(session, fc.boolean(), cuts, cuts, (lines, pipelining, clientCuts, serverCuts) => {
        const { dialogue, script } = play(lines, pipelining, clientCuts, serverCuts)
        const truth = script.reduce((tally, { verb, ok }) => {
          return tallied(tally, { command: { verb, multiLine: false }, ok })
        }, NOTHING_DONE)
        expect(dialogue.tally()).toEqual(truth)
      }),
    )
  })

  test('gives a server without PIPELINING one command at a time', () => {
    fc.assert(
      fc.property(session, cuts, cuts, (lines, clientCuts, serverCuts) => {
        expect(play(lines, false, clientCuts, serverCuts).mostUnanswered).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('says nothing to the server that the client did not say, whatever octets come', () => {
    const octets = fc.array(fc.constantFrom(...'QUIT DELE 1RSET\r\n\n.+OK-ERR\0'), { maxLength: 200 })
    fc.assert(
      fc.property(octets, octets, fc.boolean(), (client, server, pipelining) => {
        let toServer = ''
        const dialogue = createDialogue({
          pipelining,
          toClient: () => undefined,
          toServer: (bytes) => (toServer += bytes.toString('latin1')),
          hasRoom: () => true,
          counted: () => undefined,
          unasked: () => undefined,
        })
        for (let i = 0; i < 200; i += 7) {
          dialogue.fromClient(Buffer.from(client.slice(i, i + 7).join(''), 'latin1'))
          dialogue.fromServer(Buffer.from(server.slice(i, i + 7).join(''), 'latin1'))
        }
        const said = client
          .join('')
          .split('\n')
          .map((line) => line.replace(/\r$/, '').replace(/ +/g, ' ').trim().toUpperCase())
        for (const line of toServer.split('\r\n').slice(0, -1)) expect(said).toContain(line.toUpperCase())
      }),
    )
  })
})
