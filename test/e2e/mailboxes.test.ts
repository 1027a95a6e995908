/** No octet of one mailbox reaches another: users with large, different mailboxes retrieve at once, each in their own way. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dice, LARGEST, ODD, SIZES, TRICKLE } from '../support/mailboxes.ts'
import { readAs, visit, type Visit } from '../support/mail-reader.ts'
import { startPiecemealServer, type PiecemealServer } from '../support/piecemeal-server.ts'
import { startPostern, until, type Running } from '../support/running.ts'

/** How somebody retrieves. `quick`: resolves when all who do not wait for others are done. */
type Way = (guest: Guest, quick: Promise<unknown>) => Promise<void>
type Guest = { index: number; come(): Promise<Visit> }

const NUMBERS = SIZES.map((_, index) => index + 1)
const HUGE = `RETR ${LARGEST}`

/** All messages, from another one on for each user: the largest are under way at different moments. */
const everything = (index: number) =>
  [...NUMBERS.slice(index % LARGEST), ...NUMBERS.slice(0, index % LARGEST)].map((number) => `RETR ${number}`)

const quit = async (one: Visit) => {
  one.say('QUIT')
  await one.heard()
}

const oneByOne = async (one: Visit, commands: string[]) => {
  for (const command of commands) {
    one.say(command)
    await one.heard()
  }
  await quit(one)
}

const atOnce = async (one: Visit, commands: string[]) => {
  one.say(...commands)
  await one.heard()
  await quit(one)
}

/** They need nobody to be done before them. */
const QUICK: Record<string, Way> = {
  'one message after the other': async ({ index, come }) => oneByOne(await come(), everything(index)),
  'all messages at once': async ({ index, come }) => atOnce(await come(), everything(index)),
  'beginnings of messages between whole ones, and what Postern answers itself': async ({ index, come }) => {
    const top = (retr: string) => `${retr.replace('RETR', 'TOP')} ${index * 40}`
    const commands = everything(index).flatMap((retr) => [top(retr), 'NOTHING', retr, 'NOTHING', 'NOTHING'])
    await atOnce(await come(), commands)
  },
  'hanging up in the midst, and coming back': async ({ index, come }) => {
    const one = await come()
    one.say(HUGE, ...everything(index))
    await one.heard(500_000 + index * 60_000)
    one.socket.destroy()
    await atOnce(await come(), everything(index))
  },
}

const SLOW: Record<string, Way> = {
  'standing still behind each piece': async ({ index, come }) => {
    const one = await come()
    readAs(one.socket, 'halting', dice(`halting ${index}`))
    await atOnce(one, everything(index))
  },
  'in sips': async ({ index, come }) => {
    const one = await come()
    readAs(one.socket, 'sipping', dice(`sipping ${index}`))
    await oneByOne(one, everything(index))
  },
}

/** They do not read for a while: the relay holds octets of theirs meanwhile. */
const IDLE: Record<string, Way> = {
  'nothing until others are done': async ({ index, come }, quick) => {
    const one = await come()
    one.socket.pause()
    one.say(HUGE, ...everything(index), HUGE)
    await quick
    readAs(one.socket, 'fast', dice(''))
    await one.heard()
    await quit(one)
  },
  'hanging up with much unread, and coming back': async ({ index, come }, quick) => {
    const one = await come()
    one.say(HUGE, HUGE, HUGE)
    await one.heard(100_000 + index)
    one.socket.pause()
    await quick
    one.socket.destroy()
    await oneByOne(await come(), everything(index))
  },
}

const WAYS = { ...QUICK, ...SLOW, ...IDLE }
const USERS_A_WAY = 3
const users = Object.keys(WAYS).flatMap((way) => Array.from({ length: USERS_A_WAY }, () => way))
const nameOf = (index: number) => `user${index}@example.com`
/** Of those who do not read for a while, all but the first get their mail from a slow server. */
const trickling = new Set(users.flatMap((way, i) => (way in IDLE && i % USERS_A_WAY > 0 ? [nameOf(i)] : [])))

let server: PiecemealServer
let postern: Running
/** By way. */
const visits = new Map<string, Visit[]>(Object.keys(WAYS).map((way) => [way, []]))

const asking = () => [...visits.values()].flat().filter(({ wanted }) => wanted.length > 0)

beforeAll(async () => {
  server = await startPiecemealServer((name) => (trickling.has(name) ? TRICKLE : ODD))
  postern = await startPostern({ backendPort: server.port, fronts: 2 })
  await Promise.all(users.map((_, index) => postern.enroll(nameOf(index))))
  const guests = users.map((way, index) => {
    const name = nameOf(index)
    const come = async () => {
      const one = await visit(postern.port, name, `secret${postern.code(name)}`, server.mailbox(name))
      visits.get(way)?.push(one)
      return one
    }
    return { way, index, come }
  })
  const { promise: quick, resolve } = Promise.withResolvers<unknown>()
  const start = (ways: Record<string, Way>) =>
    guests.filter(({ way }) => way in ways).map(async (guest) => ways[guest.way]?.(guest, quick))
  // First of all the relay holds octets of these, and others come and go meanwhile.
  const idle = start(IDLE)
  await until('all of them have asked', () => asking().length === idle.length)
  await server.stuck()
  const slow = start(SLOW)
  resolve(Promise.all(start(QUICK)))
  await Promise.all([quick, ...idle, ...slow])
}, 60_000)

afterAll(async () => {
  for (const { socket } of [...visits.values()].flat()) socket.destroy()
  await postern.close()
  server.close()
})

describe('users who retrieve at once get what is theirs, octet for octet', () => {
  test.each(Object.keys(WAYS))('%s', (way) => {
    const comings = way.startsWith('hanging up') ? 2 : 1
    const all = visits.get(way) ?? []
    expect(all).toHaveLength(USERS_A_WAY * comings)
    for (const { got, wanted, rest } of all) {
      expect(got).toEqual(wanted.slice(0, got.length))
      expect(rest().differsAt).toBe(-1)
    }
    const stayed = all.filter(({ wanted }) => wanted.at(-1)?.command === 'QUIT')
    expect(stayed).toHaveLength(USERS_A_WAY)
    for (const { got, wanted } of stayed) expect(got).toHaveLength(wanted.length)
    // The others left in the midst of a message.
    for (const one of all.filter((each) => !stayed.includes(each))) expect(one.rest().octets).toBeGreaterThan(0)
  })
})
