import type { Socket } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CRUMBS, dice, LARGEST, mailboxOf, ODD, writeInPieces, type Mailbox } from '../support/mailboxes.ts'
import { differsAt, readAs, type Manner } from '../support/mail-reader.ts'
import { stand, type Stand } from '../unit/relay/stand.ts'

/** One session. `late`: reads nothing until others are done. `breaks`: who goes away in the midst, and behind how many octets. */
type Session = {
  manner: Manner | 'late'
  numbers: number[]
  isPipelined: boolean
  transport: 'TLSv1.2' | 'TLSv1.3'
  isSecured: boolean
  pieces: 'odd' | 'crumbs'
  breaks: { who: 'nobody' | 'client' | 'server'; behind: number }
}

const number = fc.integer({ min: 1, max: LARGEST })
const sessionOf = (manner: fc.Arbitrary<Session['manner']>, numbers: fc.Arbitrary<number[]>): fc.Arbitrary<Session> =>
  fc.record({
    manner,
    numbers,
    isPipelined: fc.boolean(),
    transport: fc.constantFrom('TLSv1.2', 'TLSv1.3'),
    isSecured: fc.boolean(),
    pieces: fc.constantFrom('odd', 'crumbs'),
    breaks: fc.record({
      who: fc.constantFrom('nobody', 'nobody', 'nobody', 'client', 'server'),
      behind: fc.integer({ min: 1, max: 150_000 }),
    }),
  })

const quick = sessionOf(fc.constantFrom('fast', 'halting', 'sipping'), fc.array(number, { minLength: 1, maxLength: 4 }))
/** More than the system holds for a client that does not read: the relay has to hold back. */
const late = sessionOf(
  fc.constant('late'),
  fc.array(number, { maxLength: 2 }).map((numbers) => [LARGEST, LARGEST, ...numbers]),
)
const sessions = fc
  .tuple(fc.array(late, { minLength: 1, maxLength: 2 }), fc.array(quick, { minLength: 3, maxLength: 5 }))
  .map((both) => both.flat())

/** Answers one command after the other, and breaks the connection behind so many octets where the session says so. */
function serving(mailbox: Mailbox, { breaks, pieces }: Session, seed: string): (line: string, socket: Socket) => void {
  const roll = dice(seed)
  let said = Promise.resolve()
  let left = breaks.who === 'server' ? breaks.behind : Infinity
  return (line, socket) => {
    said = said.then(async () => {
      const reply = line === 'QUIT' ? Buffer.from('+OK bye\r\n') : mailbox.reply(line)
      await writeInPieces(socket, reply.subarray(0, left), pieces === 'odd' ? ODD : CRUMBS, roll)
      left = Math.max(0, left - reply.length)
      if (line === 'QUIT') socket.end()
      if (left === 0) socket.resetAndDestroy()
    })
  }
}

/** Plays a session to its end. Gives what came and what had to come. */
async function play(session: Session, mailbox: Mailbox, here: Stand, others: Promise<unknown>) {
  const { manner, numbers, breaks } = session
  const wanted = Buffer.concat([...numbers.map((n) => mailbox.reply(`RETR ${n}`)), Buffer.from('+OK bye\r\n')])
  const commands = [...numbers.map((n) => `RETR ${n}\r\n`), 'QUIT\r\n']
  if (manner === 'late') {
    here.client.write(commands.join(''))
    await others
    if (breaks.who === 'client') here.client.destroy()
    else readAs(here.client, 'fast', dice(''))
  } else {
    readAs(here.client, manner, dice(`${manner} ${breaks.behind}`))
    here.client.write(commands.join(''))
    if (breaks.who === 'client') {
      await here.arrived(breaks.behind)
      here.client.destroy()
    }
  }
  await here.arrived(wanted.length)
  here.client.end()
  await here.result
  return { session, came: here.received(), wanted }
}

async function playAll(all: Session[]) {
  const mailboxes = all.map((_, index) => mailboxOf(`user ${index}`))
  const stands = await Promise.all(
    all.map((session, index) => {
      const on = serving(mailboxes[index] as Mailbox, session, `server ${index}`)
      const { transport, isSecured, isPipelined: pipelining, manner } = session
      return stand({ transport, isSecured, script: { on }, options: { pipelining }, unread: manner === 'late' })
    }),
  )
  try {
    const { promise: others, resolve } = Promise.withResolvers<unknown>()
    const played = all.map((session, index) =>
      play(session, mailboxes[index] as Mailbox, stands[index] as Stand, others),
    )
    resolve(Promise.all(played.filter((_, index) => all[index]?.manner !== 'late')))
    return await Promise.all(played)
  } finally {
    for (const here of stands) await here.close()
  }
}

test('relays side by side give each client what its own server said, whoever reads slowly or goes away', async () => {
  await fc.assert(
    fc.asyncProperty(sessions, async (all) => {
      for (const { session, came, wanted } of await playAll(all)) {
        expect({ session, differsAt: differsAt(came, wanted) }).toEqual({ session, differsAt: -1 })
        if (session.breaks.who === 'nobody') expect(came).toHaveLength(wanted.length)
      }
    }),
    // Each of them starts a dozen servers; the smallest that fails is not worth the time to find it.
    { numRuns: 6, endOnFailure: true },
  )
})
