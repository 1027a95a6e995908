import { expect, test } from 'vitest'
import { createRanges } from '../../../src/base/ranges.ts'
import { mailReport } from '../../../src/front/mail-report.ts'
import { createDialogue } from '../../../src/relay/dialogue.ts'
import type { FromFront } from '../../../src/keeper/messages.ts'

type Told = Extract<FromFront, { kind: 'messages' }>

/** A dialogue, both sides of it in the test's hands, and what is told of its messages. */
function session() {
  const told: Told[] = []
  let due = () => undefined as void
  const mail = mailReport(
    '0'.repeat(24),
    (news) => void told.push(news),
    (_, run) => {
      due = run
      return () => undefined
    },
  )
  const dialogue = createDialogue({
    pipelining: true,
    toClient: () => undefined,
    toServer: () => undefined,
    hasRoom: () => true,
    counted: () => undefined,
    unasked: () => undefined,
    mail,
  })
  const say = (...lines: string[]) => {
    dialogue.fromClient(Buffer.from(lines.map((line) => `${line}\r\n`).join('')))
  }
  const answer = (text: string) => {
    dialogue.fromServer(Buffer.from(text))
  }
  const last = (what: Told['what']) => told.findLast((one) => one.what === what)
  return { say, answer, dialogue, told, last, second: () => { due() }, flush: mail.flush } // prettier-ignore
}

test('what was retrieved is told once a second, with its numbers and its octets, cut at every octet of the replies', () => {
  const here = session()
  here.say('RETR 1', 'RETR 2', 'RETR 9', 'TOP 3 0', 'RETR 4')
  const replies = '+OK\r\nabc\r\n.\r\n+OK\r\n.\r\n+OK bare\nx\n.\n+OK\r\nlong header\r\n.\r\n-ERR no such message\r\n'
  for (const octet of replies) here.answer(octet)
  expect(here.told).toEqual([])
  here.second()
  expect(here.told).toMatchObject([
    { what: 'retrieved', count: 3, numbers: '1-2 9', octets: 'abc\r\n'.length + 'x\n'.length },
  ])
  here.second()
  here.flush()
  expect(here.told).toHaveLength(1)
})

test('what is deleted is told when QUIT was answered with +OK, and not before', () => {
  const here = session()
  here.say('DELE 5', 'DELE 3', 'DELE 4', 'DELE 99')
  here.answer('+OK\r\n+OK\r\n+OK\r\n-ERR\r\n')
  expect(here.told).toEqual([])
  here.say('QUIT')
  here.answer('-ERR not now\r\n')
  expect(here.told).toEqual([])
  here.say('QUIT')
  here.answer('+OK\r\n')
  expect(here.told).toMatchObject([{ what: 'deleted', count: 3, numbers: '3-5' }])
  expect(here.told[0]).not.toHaveProperty('octets')
})

test('what RSET took back is not deleted', () => {
  const here = session()
  here.say('DELE 1', 'RSET', 'DELE 2', 'QUIT')
  here.answer('+OK\r\n+OK\r\n+OK\r\n+OK\r\n')
  expect(here.told).toMatchObject([{ what: 'deleted', count: 1, numbers: '2' }])
})

test('a message that the client is not there to take is not retrieved', () => {
  const here = session()
  here.say('RETR 1')
  here.dialogue.forget()
  here.answer('+OK\r\nabc\r\n.\r\n')
  here.flush()
  expect(here.told).toEqual([])
})

test('a loop of RETR, or 100,000 messages, make one short line a second', () => {
  const here = session()
  for (let i = 1; i <= 100_000; i++) {
    here.say(`RETR ${i % 2 === 0 ? String(i) : '1'}`)
    here.answer('+OK\r\n.\r\n')
  }
  here.second()
  expect(here.told).toHaveLength(1)
  expect(here.told[0]).toMatchObject({ count: 100_000 })
  expect(here.told[0]?.numbers).toMatch(/^1-2 4 1 6 .* …$/)
  expect(here.told[0]?.numbers.length).toBeLessThanOrEqual(255)
})

test('ranges say in few words which numbers they hold', () => {
  const ranges = createRanges(3)
  for (const number of [1, 2, 3, 3, 7, 5]) ranges.add(number)
  expect(ranges.text(100)).toBe('1-3 7 5')
  ranges.add(9)
  expect(ranges.text(100)).toBe('1-3 7 5 …')
  expect(ranges.text(8)).toBe('1-3 7 …')
})
