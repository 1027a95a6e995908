import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../clients/client.ts'
import { curl } from '../clients/curl.ts'
import { fetchmail } from '../clients/fetchmail.ts'
import { mpop } from '../clients/mpop.ts'
import { poplib } from '../clients/poplib.ts'
import type { OldServer } from '../servers/old-server.ts'
import { files, same } from './compare.ts'
import { PASSWORD } from './house.ts'
import type { Message } from './messages.ts'
import { login, readAll, unstuff } from './raw.ts'
import { FREE_MS, answers, freshDir, identities, list, name, open, outside, seat, sent, steady } from './scene.ts'
import type { Scene } from './scene.ts'
import type { Heard } from './tap.ts'
import { until } from './until.ts'

const CLIENTS: Client[] = [curl, fetchmail, mpop, poplib]
const PEOPLE = ['raw', ...CLIENTS.map(({ name }) => name)].flatMap((name) => [`${name}-reads`, `${name}-deletes`])
const CLIENT_MS = 120_000

/** Every client before one old server. Each has two mailboxes: one with the whole set to read, one without the largest to delete in. */
export function matrix(server: OldServer): void {
  describe(server.name, () => {
    let scene: Scene
    const closers: (() => Promise<void>)[] = []
    beforeAll(async () => {
      scene = await open(server, PEOPLE, closers)
    })
    afterAll(async () => {
      for (const close of closers.toReversed()) await close()
    })

    test('holds at least 40 messages, each as it was delivered', async () => {
      await holds(scene)
    })

    test('gives every answer through the front byte for byte', async () => {
      await answers(scene)
    })

    test.each(['an end of the stream', 'a TCP reset'])(
      'keeps every message when a client deletes and is gone by %s',
      async (how) => {
        const user = 'raw-deletes'
        await nothingDeleted(scene, user, async () => {
          const raw = await login(outside(scene), user, scene.front.passwordFor(user))
          for (const number of [1, 2, 3]) await raw.say(`DELE ${String(number)}`)
          raw.vanish(how === 'a TCP reset')
        })
      },
    )

    describe.each(CLIENTS)('$name', (client) => {
      test('retrieves every message byte for byte as the old server gives it', async () => {
        await retrieves(scene, client)
      })

      test('deletes nothing when it is killed after DELE', async () => {
        await killed(scene, client)
      })

      test('deletes what it was told to and nothing else', async () => {
        await deletes(scene, client)
      })
    })
  })
}

/** The old server has what was laid into it, and the raw reading that all is measured by reads all of it. */
async function holds(scene: Scene): Promise<void> {
  const read = await readAll(scene.behind, 'raw-reads', PASSWORD)
  expect(read.length).toBeGreaterThanOrEqual(40)
  expect(read.length).toBe(scene.set.length)
  // The form of these on the wire leaves a server no choice: no CR, no NUL, no line that an mbox quotes, a whole header in ASCII.
  const plain = ({ bytes }: Message): boolean =>
    !/[\r\0]|^>*From /m.test(bytes.toString('latin1')) && wholeHeader(bytes)
  const wire = ({ bytes }: Message): Buffer => {
    const text = bytes.toString('latin1')
    return Buffer.from((text.endsWith('\n') ? text : `${text}\n`).replaceAll('\n', '\r\n'), 'latin1')
  }
  const pairs = read.flatMap(({ wire: got }, at) => {
    const message = scene.set[at]
    return message && plain(message) ? [{ what: message.name, expected: wire(message), got: unstuff(got) }] : []
  })
  expect(pairs.length).toBeGreaterThanOrEqual(40)
  same(pairs)
}

/** A header in ASCII with its empty line. */
function wholeHeader(bytes: Buffer): boolean {
  const end = bytes.indexOf('\n\n')
  return end > 0 && bytes.subarray(0, end).every((byte) => byte < 128)
}

async function retrieves(scene: Scene, client: Client): Promise<void> {
  const user = `${client.name}-reads`
  const before = await identities(scene, user)
  const direct = (await readAll(scene.behind, user, PASSWORD)).map(({ wire }) => unstuff(wire))
  const dir = await freshDir(scene, user)
  const heard = await finish(scene, await client.retrieve(seat(scene, user), dir, direct.length))
  const kept = await files(scene.house.path(dir), direct.length)
  const plain = (bytes: Buffer): Buffer => steady(scene, client.steady?.(bytes) ?? bytes)
  same(
    direct.map((message, at) => ({
      what: name(scene, at),
      expected: plain(client.keeps(message)),
      got: kept[at] && plain(kept[at]),
    })),
  )
  expect(sent(heard, 'DELE')).toEqual([])
  expect(await identities(scene, user)).toEqual(before)
}

async function killed(scene: Scene, client: Client): Promise<void> {
  const user = `${client.name}-deletes`
  const listed = await list(scene, user)
  const { argv } = await client.remove(seat(scene, user), await freshDir(scene, user), listed)
  await nothingDeleted(scene, user, async (heard) => {
    scene.tap.holdAtDele(3)
    const running = scene.house.start(argv)
    try {
      await until(`${client.name} sends DELE`, CLIENT_MS, () => sent(heard(), 'DELE').length >= 3)
    } catch (error) {
      throw new Error(running.said(), { cause: error })
    } finally {
      await running.stop()
      scene.tap.holdAtDele(0)
    }
  })
}

/** While `act` goes on, the old server hears a DELE but no QUIT; afterwards it is left alone and has every message. */
async function nothingDeleted(scene: Scene, user: string, act: (heard: () => Heard[]) => Promise<void>): Promise<void> {
  const before = await identities(scene, user)
  const first = scene.tap.heard.length
  const heard = (): Heard[] => scene.tap.heard.slice(first)
  await act(heard)
  await until('the old server is left', FREE_MS, () => heard().every((each) => !each.open))
  // Others come by as well: Postern asks the old server now and then what it can, and says QUIT to that.
  const deleting = heard().filter((each) => sent([each], 'DELE').length > 0)
  expect(sent(deleting, 'DELE').length).toBeGreaterThanOrEqual(3)
  expect(sent(deleting, 'QUIT')).toEqual([])
  expect(await identities(scene, user)).toEqual(before)
}

async function deletes(scene: Scene, client: Client): Promise<void> {
  const user = `${client.name}-deletes`
  const before = await identities(scene, user)
  const listed = await list(scene, user)
  const { argv, told } = await client.remove(seat(scene, user), await freshDir(scene, user), listed)
  const dele = sent(await finish(scene, argv), 'DELE').map((line) => Number(line.split(' ')[1]))
  expect(told.length).toBeGreaterThanOrEqual(10)
  expect(told.length).toBeLessThan(listed.length - 10)
  expect(dele.toSorted((a, b) => a - b)).toEqual(told)
  expect(await identities(scene, user)).toEqual(before.filter((_, at) => !told.includes(at + 1)))
  const left = listed.filter(({ number }) => !told.includes(number))
  const after = await readAll(scene.behind, user, PASSWORD)
  same(
    left.map(({ number, message }, at) => ({
      what: name(scene, number - 1),
      expected: steady(scene, message),
      got: after[at] && steady(scene, unstuff(after[at].wire)),
    })),
  )
}

/** Runs a client to its end and gives what the old server heard, once that has closed the sessions: courier-pop deletes behind its answer to QUIT. */
async function finish(scene: Scene, argv: string[]): Promise<Heard[]> {
  const first = scene.tap.heard.length
  const done = await scene.house.run(argv, { ms: CLIENT_MS })
  if (done.code !== 0)
    throw new Error(`${argv[0] ?? ''} ended with ${String(done.code)}: ${done.err}${done.out.slice(-2000)}`)
  const heard = scene.tap.heard.slice(first)
  await until('the old server is left', FREE_MS, () => heard.every(({ open: still }) => !still))
  return heard
}
