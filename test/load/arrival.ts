/** The way of 200,000 networks into the fronts, step by step: how long each holds the loop of its process. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type Made, type ParseJob, work } from '../../src/compiler/job.ts'
import { NO_DATA, type CompiledList } from '../../src/gate/verdict.ts'
import { compileApart } from '../../src/keeper/compiler.ts'
import { createDelivery } from '../../src/keeper/delivery.ts'
import type { FromKeeper, Snapshot } from '../../src/keeper/messages.ts'
import { networks } from './structures.ts'
import { printTable } from './table.ts'
import { watchTurns } from './turns.ts'

const COUNT = 200_000

type Front = {
  pass(message: FromKeeper): Promise<void>
  got(): Promise<{ ranges: number; longest: number }>
  end(): void
}

/** Needs a longest turn each; prints them beside what they replace. */
export async function turns(): Promise<void> {
  const job: ParseJob = {
    do: 'lists',
    sources: [{ name: 'lists/denied.txt', bytes: Buffer.from(networks(COUNT).join('\n')), digest: '' }],
  }
  const parsed = await held(() => Promise.resolve(work(job)))
  const fetched = await held(async () => (await compileApart([job], { identity: null }))[0])
  const list = listOf(fetched.value)
  const pieces = await sent(list, true)
  const whole = await sent(list, false)
  const row = (what: string, here: number, there?: number) => [what, here.toFixed(1), there?.toFixed(1) ?? '']
  printTable(
    `Longest turn of the loop, processor time in ms, for ${COUNT} networks`,
    ['', 'keeper', 'front'],
    [
      row('parsed and compiled in the keeper (as it was)', parsed.longest),
      row('parsed by the compiler, taken from it and checked', fetched.longest),
      row('sent to a front inside the snapshot (as it was)', whole.keeper, whole.front),
      row('sent to a front ahead of it, in pieces', pieces.keeper, pieces.front),
    ],
  )
}

async function held<T>(act: () => Promise<T>): Promise<{ value: T; longest: number }> {
  await new Promise((resolve) => setTimeout(resolve, 200))
  const meter = watchTurns()
  await new Promise(setImmediate)
  const value = await act()
  await new Promise(setImmediate)
  return { value, longest: meter.longest() }
}

function listOf(made: Made | undefined): CompiledList {
  if (made?.at !== 'lists') throw new Error(JSON.stringify(made))
  return made.list
}

async function sent(list: CompiledList, inPieces: boolean): Promise<{ keeper: number; front: number }> {
  const networks = { mode: 'enforce', allow: list, deny: list } as const
  const gate: Snapshot['gate'] = { networks, reputation: null, geofence: null, data: NO_DATA }
  const snapshot = { generation: 1, gate } as Snapshot
  const front = await frontEnd()
  const delivery = createDelivery(() => snapshot)
  const { value, longest } = await held(async () => {
    const got = front.got()
    const say = (message: FromKeeper) => void front.pass(message)
    if (inPieces) delivery.to({ id: 1, pid: 0, say, pass: (message) => front.pass(message), kill: () => undefined })
    else await front.pass({ kind: 'snapshot', snapshot })
    return got
  })
  front.end()
  if (value.ranges !== list.v4From.length) throw new Error('the list did not arrive')
  return { keeper: longest, front: value.longest }
}

async function frontEnd(): Promise<Front> {
  const child = fork(new URL('receiver.ts', import.meta.url).pathname, { serialization: 'advanced' })
  await once(child, 'message')
  return {
    pass: (message) =>
      new Promise((resolve, reject) => {
        child.send(message, (error) => {
          if (error === null) resolve()
          else reject(error)
        })
      }),
    got: async () => {
      const [got] = (await once(child, 'message')) as [{ ranges: number; longest: number }]
      return got
    },
    end: () => {
      child.kill()
    },
  }
}
