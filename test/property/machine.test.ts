import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LINES_BEFORE_LOGIN_MAX, LOGIN_FAILURES_MAX, PROTOCOL_FAULTS_MAX } from '../../src/base/limits.ts'
import { Secret } from '../../src/base/secret.ts'
import { begin, expects, inputOf, step, type Effect, type Input, type LoginVerdict } from '../../src/login/machine.ts'
import { lineReader } from '../../src/pop3/line-reader.ts'
import { busy } from '../../src/pop3/reply.ts'

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64')

const verdict = fc.oneof<fc.Arbitrary<LoginVerdict>[]>(
  fc.record({ say: fc.constant('welcome' as const), words: fc.string() }),
  fc.record({ say: fc.constant('refuse' as const) }),
  fc.record({ say: fc.constant('trouble' as const), line: fc.string({ unit: 'binary' }).map(busy) }),
)

/** Lines a client may send: good ones, so that deep states are reached, and rubbish. */
const line = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      'USER bob',
      'USER ann',
      'PASS secret',
      'PASS secret',
      'AUTH PLAIN',
      'AUTH LOGIN',
      'AUTH',
      '*',
    ),
  },
  { weight: 4, arbitrary: fc.constantFrom(base64('\0bob\0x'), base64('bob'), `AUTH PLAIN ${base64('\0bob\0x')}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('CAPA', 'NOOP', 'STLS', 'STAT', 'APOP a b', 'LANG', 'x', `AUTH LOGIN ${base64('bob')}`),
  },
  { weight: 1, arbitrary: fc.constantFrom('QUIT', 'GET / HTTP/1.1', '', 'USER', 'PASS ', 'NOOP\0', 'x'.repeat(300)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 30 }) },
)

/** Inputs in any order, also such as no honest runner gives. */
const input: fc.Arbitrary<Input> = fc.oneof(
  { weight: 3, arbitrary: verdict.map((given): Input => ({ on: 'verdict', verdict: given })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Input>({ on: 'secured' }, { on: 'deadline' }, { on: 'stop', reason: 'evicted' }),
  },
  { weight: 1, arbitrary: line.map((text): Input => ({ on: 'sasl-line', line: Buffer.from(text, 'latin1') })) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Input>(
      { on: 'command', command: { verb: 'USER', name: Buffer.from('bob') } },
      { on: 'command', command: { verb: 'PASS', password: new Secret(Buffer.from('x')) } },
      { on: 'command', command: { verb: 'STLS' } },
      { on: 'fault', fault: 'too-long' },
      { on: 'fault', fault: 'http' },
    ),
  },
)

const move = fc.oneof(
  { weight: 30, arbitrary: line.map((text) => ({ typed: text })) },
  { weight: 15, arbitrary: verdict.map((given) => ({ judged: given })) },
  { weight: 1, arbitrary: input.map((raw) => ({ raw })) },
)
type Move = { typed: string } | { judged: LoginVerdict } | { raw: Input }

const tls = fc.constantFrom<'on' | 'none'>('on', 'none')

/** Plays moves as the runner does: lines only when they are asked for, a verdict only on a judgement; `raw` at any time. */
function play(start: 'on' | 'none', moves: readonly Move[]): { input: Input; effects: Effect[] }[] {
  let state = begin(start, null)
  const trace: { input: Input; effects: Effect[] }[] = []
  const put = (given: Input) => {
    const done = step(state, given)
    trace.push({ input: given, effects: done.effects })
    state = done.next
    if (done.effects.some((effect) => effect.do === 'start-tls')) put({ on: 'secured' })
  }
  for (const each of moves) {
    if ('raw' in each) put(each.raw)
    else if ('judged' in each) {
      if (state.at === 'judging') put({ on: 'verdict', verdict: each.judged })
    } else if (expects(state) !== null) put(inputOf(state, { got: 'line', line: Buffer.from(each.typed, 'latin1') }, 0))
  }
  return trace
}

const doing = (effects: readonly Effect[], what: Effect['do']) => effects.filter((effect) => effect.do === what)

test('nobody is relayed without a welcome that directly answers a judgement', () => {
  let relayed = 0
  fc.assert(
    fc.property(tls, fc.array(move, { maxLength: 150, size: 'max' }), (start, moves) => {
      const trace = play(start, moves)
      trace.forEach(({ input: given, effects }, index) => {
        if (doing(effects, 'relay').length === 0) return
        relayed++
        expect(given).toMatchObject({ on: 'verdict', verdict: { say: 'welcome' } })
        expect(doing(trace[index - 1]?.effects ?? [], 'judge')).toHaveLength(1)
        expect(doing(effects, 'close')).toHaveLength(0)
      })
      expect(trace.flatMap(({ effects }) => doing(effects, 'relay')).length).toBeLessThanOrEqual(1)
    }),
    { numRuns: 2000 },
  )
  expect(relayed).toBeGreaterThan(100)
})

test('nothing is judged without TLS, and only what USER, PASS or AUTH named', () => {
  let judged = 0
  fc.assert(
    fc.property(tls, fc.array(move, { maxLength: 150, size: 'max' }), (start, moves) => {
      let secure = start === 'on'
      for (const { input: given, effects } of play(start, moves)) {
        if (given.on === 'secured') secure = true
        for (const effect of effects) {
          if (effect.do !== 'judge') continue
          judged++
          expect(secure).toBe(true)
          expect(effect.user.toString('latin1')).toMatch(/^[\x21-\x7e\x80-\xff]+$/)
        }
      }
    }),
    { numRuns: 1000 },
  )
  expect(judged).toBeGreaterThan(100)
})

test('after relay or close nothing more is done', () => {
  fc.assert(
    fc.property(tls, fc.array(move, { maxLength: 150, size: 'max' }), (start, moves) => {
      const trace = play(start, moves)
      const end = trace.findIndex(({ effects }) => effects.some((each) => each.do === 'relay' || each.do === 'close'))
      if (end >= 0) expect(trace.slice(end + 1).flatMap(({ effects }) => effects)).toEqual([])
    }),
    { numRuns: 1000 },
  )
})

test('judgements, refusals, faults and lines of one connection are bounded', () => {
  let closed = 0
  fc.assert(
    fc.property(fc.array(move, { minLength: 400, maxLength: 600 }), (moves) => {
      const trace = play(
        'on',
        moves.filter((each) => !('raw' in each)),
      )
      const effects = trace.flatMap((each) => each.effects)
      const lines = trace.filter((each) => each.input.on !== 'verdict').length
      const refused = trace.filter((each) => each.input.on === 'verdict' && each.input.verdict.say === 'refuse').length
      const faults = trace.filter((each) => each.input.on === 'fault').length
      expect(lines).toBeLessThanOrEqual(LINES_BEFORE_LOGIN_MAX + 1)
      expect(doing(effects, 'judge').length).toBeLessThanOrEqual(LINES_BEFORE_LOGIN_MAX)
      expect(refused).toBeLessThanOrEqual(LOGIN_FAILURES_MAX)
      expect(faults).toBeLessThanOrEqual(PROTOCOL_FAULTS_MAX)
      closed += doing(effects, 'close').length
    }),
    { numRuns: 200 },
  )
  expect(closed).toBeGreaterThan(0)
})

test('trouble without end does not give judgements without end', () => {
  const trace = play(
    'on',
    Array.from({ length: 500 }, (_, i): Move =>
      i % 2 === 0 ? { typed: `AUTH PLAIN ${base64('\0bob\0x')}` } : { judged: { say: 'trouble', line: busy('') } },
    ),
  )
  const effects = trace.flatMap((each) => each.effects)
  expect(doing(effects, 'judge')).toHaveLength(LINES_BEFORE_LOGIN_MAX)
  expect(effects.at(-1)).toEqual({ do: 'close', reason: 'violation' })
})

test('every line gets exactly one reply, or waits for its verdict', () => {
  fc.assert(
    fc.property(tls, fc.array(move, { maxLength: 100, size: 'max' }), (start, moves) => {
      const trace = play(
        start,
        moves.filter((each) => !('raw' in each)),
      )
      let done = false
      for (const { input: given, effects } of trace) {
        const replies = doing(effects, 'reply').length
        if (!done && given.on !== 'secured') expect(replies + doing(effects, 'judge').length).toBe(1)
        if (effects.some((each) => each.do === 'relay' || each.do === 'close')) done = true
      }
    }),
    { numRuns: 1000 },
  )
})

test('every reply is whole lines of printable ASCII, whatever the old server said', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60, size: 'max' }), (moves) => {
      for (const effect of play('on', moves).flatMap((each) => each.effects)) {
        if (effect.do === 'reply')
          expect(effect.text).toMatch(/^((\+OK|-ERR)[\x20-\x7e]*|\+ [\x20-\x7e]*)\r\n([\x20-\x7e]+\r\n)*$/)
      }
    }),
    { numRuns: 1000 },
  )
})

test('cut anywhere on its way, the same bytes lead to the same judgements', () => {
  const effectsOf = (bytes: Buffer, sizes: readonly number[]): unknown[] => {
    const reader = lineReader()
    let state = begin('on', null)
    const all: unknown[] = []
    let at = 0
    for (const size of [...sizes, bytes.length]) {
      reader.push(bytes.subarray(at, at + size))
      at = Math.min(bytes.length, at + size)
      for (let kind = expects(state); kind !== null; kind = expects(state)) {
        const next = reader.next(kind)
        if (next.got === 'none') break
        const done = step(state, inputOf(state, next, reader.size()))
        state = done.next
        all.push(...done.effects.map((effect) => (effect.do === 'reply' ? effect.text : effect.do)))
        if (state.at === 'judging')
          state = step(state, { on: 'verdict', verdict: { say: 'trouble', line: busy('') } }).next
      }
    }
    return all
  }
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), fc.array(fc.nat({ max: 50 })), (lines, sizes) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\r\n`).join(''), 'latin1')
      expect(effectsOf(bytes, sizes)).toEqual(effectsOf(bytes, []))
    }),
    { numRuns: 500 },
  )
})
