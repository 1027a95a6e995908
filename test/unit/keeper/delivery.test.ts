import { expect, test } from 'vitest'
import { PART_PIECE_MAX } from '../../../src/base/gate-limits.ts'
import { parseListFile } from '../../../src/compiler/list-file.ts'
import { compileLists } from '../../../src/compiler/prefixes.ts'
import { createParts } from '../../../src/front/parts.ts'
import type { CompiledGate } from '../../../src/gate/verdict.ts'
import { createDelivery } from '../../../src/keeper/delivery.ts'
import type { FromKeeper, Snapshot } from '../../../src/keeper/messages.ts'
import type { Front } from '../../../src/keeper/supervise.ts'
import { OPEN } from '../gate/lists.ts'

const list = (count: number, seed = 0) =>
  compileLists([
    {
      name: 'l',
      entries: parseListFile(Array.from({ length: count }, (_, i) => `10.${i >> 8}.${i & 255}.${seed}`).join('\n'))
        .entries,
    },
  ])
const gateOf = (allow: number, deny: ReturnType<typeof list>): CompiledGate => ({
  ...OPEN,
  networks: { mode: 'enforce', allow: list(allow), deny },
})

/** A front that takes one piece at a time, when the test lets it. */
function fakeFront() {
  const heard: FromKeeper[] = []
  const parts = createParts()
  let got: Snapshot | null = null
  const all: Snapshot[] = []
  const take = (message: FromKeeper) => {
    heard.push(structuredClone(message))
    if (message.kind === 'part') parts.take(structuredClone(message))
    if (message.kind !== 'snapshot') return
    got = parts.whole(structuredClone(message.snapshot))
    all.push(got)
  }
  const held: (() => void)[] = []
  const front: Front = {
    id: 1,
    pid: 1,
    say: take,
    pass: (message) => {
      take(message)
      return new Promise((resolve) => held.push(resolve))
    },
    kill: () => undefined,
  }
  const settle = async () => {
    for (let i = 0; i < 200; i++) {
      held.shift()?.()
      await Promise.resolve()
    }
  }
  return { front, all, heard, settle, snapshot: () => got, kinds: () => heard.map(({ kind }) => kind) }
}

const snapshot = (gate: CompiledGate, generation = 1) => ({ generation, gate }) as Snapshot

test('a small gate goes in one message, at once', () => {
  const small = snapshot(gateOf(3, list(3)))
  const { front, kinds, snapshot: got } = fakeFront()
  createDelivery(() => small).to(front)
  expect(kinds()).toEqual(['snapshot'])
  expect(got()).toEqual(small)
})

test('large lists go ahead, in pieces, each when the line has taken the one before', async () => {
  const large = snapshot(gateOf(3, list(60_000)))
  const { front, heard, kinds, settle, snapshot: got } = fakeFront()
  createDelivery(() => large).to(front)
  expect(kinds()).toEqual(['part'])
  await settle()
  expect(got()).toEqual(large)
  const pieces = heard.flatMap((message) => (message.kind === 'part' ? [message.bytes.length] : []))
  expect(Math.max(...pieces)).toBe(PART_PIECE_MAX)
  expect(pieces.length).toBeGreaterThan(8)
  const said = heard.at(-1)
  expect(said?.kind === 'snapshot' && JSON.stringify(said.snapshot).length).toBeLessThan(5_000)
})

test('what did not change is not sent again; what did is', async () => {
  const deny = list(20_000)
  let now = snapshot(gateOf(3, deny))
  const { front, heard, kinds, settle, snapshot: got } = fakeFront()
  const delivery = createDelivery(() => now)
  delivery.to(front)
  await settle()
  heard.length = 0
  now = snapshot({ ...gateOf(5, deny) }, 2)
  delivery.to(front)
  await settle()
  expect(kinds()).toEqual(['snapshot'])
  expect(got()).toEqual(now)
  now = snapshot(gateOf(5, list(20_000, 7)), 3)
  delivery.to(front)
  await settle()
  expect(kinds().filter((kind) => kind === 'part').length).toBeGreaterThan(4)
  expect(got()).toEqual(now)
})

test('a database goes the same way: in pieces, and once', async () => {
  const v4Value = Uint32Array.from({ length: 200_000 }, (_, i) => i)
  const country = { v4From: v4Value.slice(), v4Value, v6From: new Uint32Array(0), v6Value: new Uint32Array(0) }
  let now = snapshot({ ...OPEN, data: { ...OPEN.data, country } })
  const { front, heard, kinds, settle, snapshot: got } = fakeFront()
  const delivery = createDelivery(() => now)
  delivery.to(front)
  await settle()
  expect(got()?.gate.data.country?.v4Value[4_711]).toBe(4_711)
  expect(kinds().filter((kind) => kind === 'part')).toHaveLength(8)
  heard.length = 0
  now = snapshot({ ...now.gate, networks: gateOf(3, list(3)).networks }, 2)
  delivery.to(front)
  await settle()
  expect(kinds()).toEqual(['snapshot'])
  expect(got()?.gate.data.country?.v4Value[4_711]).toBe(4_711)
})

test('what was taken out of the gate is forgotten by both, and sent anew when it comes back', async () => {
  const deny = list(20_000)
  let now = snapshot(gateOf(3, deny))
  const { front, heard, kinds, settle, snapshot: got } = fakeFront()
  const delivery = createDelivery(() => now)
  for (const gate of [gateOf(3, deny), gateOf(3, list(1)), gateOf(3, deny)]) {
    heard.length = 0
    now = snapshot(gate)
    delivery.to(front)
    await settle()
    expect(got()).toEqual(now)
  }
  expect(kinds()).toContain('part')
})

test('a gate that changes on the way is overtaken: the front never gets a mixture, and gets the newest', async () => {
  const first = gateOf(3, list(20_000))
  const second = gateOf(3, list(20_000, 9))
  let now = snapshot(first)
  const { front, all, settle } = fakeFront()
  const delivery = createDelivery(() => now)
  delivery.to(front)
  now = snapshot(second, 2)
  delivery.to(front)
  delivery.to(front)
  await settle()
  await settle()
  expect(all.length).toBeGreaterThan(0)
  for (const one of all) expect(one).toEqual(now)
})

test('a front whose line breaks on the way throws nowhere', async () => {
  const { front } = fakeFront()
  front.pass = () => Promise.reject(new Error('the line is broken'))
  createDelivery(() => snapshot(gateOf(3, list(20_000)))).to(front)
  await new Promise((resolve) => setImmediate(resolve))
})
