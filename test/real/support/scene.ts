import { mkdir, rm } from 'node:fs/promises'
import { expect } from 'vitest'
import { CA } from '../clients/client.ts'
import type { Listed, Seat } from '../clients/client.ts'
import { PORT } from '../servers/awake.ts'
import type { OldServer } from '../servers/old-server.ts'
import { same } from './compare.ts'
import { openFront } from './front.ts'
import type { Front } from './front.ts'
import { PASSWORD, makeHouse } from './house.ts'
import type { House } from './house.ts'
import { messages } from './messages.ts'
import type { Message } from './messages.ts'
import { login, readAll, rows, unstuff } from './raw.ts'
import type { Address } from './raw.ts'
import { startTap } from './tap.ts'
import type { Heard, Tap } from './tap.ts'
import { until } from './until.ts'

export const FREE_MS = 20_000

/** An old server in its house with filled mailboxes, and before it the tap and the front. */
export type Scene = { house: House; server: OldServer; set: Message[]; behind: Address; tap: Tap; front: Front }

/**
 * Sets all of it up for these people: who reads has the whole set, who deletes has all but the largest message.
 * `closers` gets what tears it down, last first, also when this throws.
 */
export async function open(server: OldServer, names: string[], closers: (() => Promise<void>)[]): Promise<Scene> {
  const set = await messages()
  const house = await makeHouse(server.name.replaceAll(' ', '-'), names)
  closers.push(house.demolish)
  for (const person of house.people) {
    await server.fill(house, person, person.name.endsWith('-reads') ? set : set.slice(0, -1))
  }
  closers.push(await server.start(house))
  const behind = { host: house.address, port: PORT }
  const tap = await startTap(behind)
  closers.push(tap.close)
  const front = await openFront(tap.port, names)
  closers.push(front.close)
  await house.put(CA, front.ca)
  return { house, server, set, behind, tap, front }
}

/** Every status line and every byte of every RETR is the same before the front as behind it. */
export async function answers(scene: Scene): Promise<void> {
  const user = 'raw-reads'
  const direct = await readAll(scene.behind, user, PASSWORD)
  const through = await readAll(outside(scene), user, scene.front.passwordFor(user))
  expect(through.map(({ status }) => status)).toEqual(direct.map(({ status }) => status))
  same(
    direct.map(({ wire }, at) => ({
      what: name(scene, at),
      expected: steady(scene, wire),
      got: through[at] && steady(scene, through[at].wire),
    })),
  )
}

/** The unique ids in order, read past the front, once nobody has the mailbox any more: popa3d locks it as long as a session lasts. */
export async function identities(scene: Scene, user: string): Promise<string[]> {
  let found: string[] = []
  await until('the mailbox is free', FREE_MS, async () => {
    const raw = await login(scene.behind, user, PASSWORD).catch(() => null)
    if (raw === null) return false
    found = rows(await raw.ask('UIDL')).map(([, id]) => id)
    await raw.quit()
    return true
  })
  return found
}

export async function list(scene: Scene, user: string): Promise<Listed[]> {
  const read = await readAll(scene.behind, user, PASSWORD)
  return read.map(({ wire, size }, at) => ({ number: at + 1, size, message: unstuff(wire) }))
}

export async function freshDir(scene: Scene, user: string): Promise<string> {
  const dir = `/out/${user}`
  await rm(scene.house.path(dir), { recursive: true, force: true })
  await mkdir(scene.house.path(dir), { recursive: true })
  return dir
}

export function outside(scene: Scene): Address {
  return { host: scene.front.host, port: scene.front.port, ca: scene.front.ca }
}

export function seat(scene: Scene, user: string): Seat {
  return { house: scene.house, port: scene.front.port, user, password: scene.front.passwordFor(user) }
}

export function steady(scene: Scene, bytes: Buffer): Buffer {
  return scene.server.steady?.(bytes) ?? bytes
}

export function sent(heard: Heard[], verb: string): string[] {
  return heard.flatMap(({ commands }) => commands.filter((line) => line.startsWith(verb)))
}

export function name(scene: Scene, at: number): string {
  return `message ${String(at + 1)}, ${scene.set[at]?.name ?? '?'}`
}
