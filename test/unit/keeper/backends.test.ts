import { afterEach, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import { watchBackends, type Backends } from '../../../src/keeper/backends.ts'
import type { BackendPlan, FromFront, FromKeeper } from '../../../src/keeper/messages.ts'
import type { Front } from '../../../src/keeper/supervise.ts'

type Result = Extract<FromFront, { kind: 'probed' }>['result']

const UP: Result = { at: 'up', capabilities: ['TOP'], xclient: false }
const PLAN: BackendPlan = {
  name: 'old',
  addresses: [
    { host: '10.0.0.5', port: 110 },
    { host: 'fd00::5', port: 110 },
  ],
  tls: null,
  auth: 'auto',
  loginTimeMs: 1_000,
  busyErrors: [],
  capabilities: null,
  proxyProtocol: 'off',
  xclient: false,
}

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function stage() {
  const answers = new Map<string, Result>()
  const events: AuditEvent[] = []
  const waits: number[] = []
  let changes = 0
  const front = {
    say(message: FromKeeper) {
      if (message.kind !== 'probe') return
      waits.push(message.quietMs)
      backends.probed({ kind: 'probed', call: message.call, result: answers.get(message.address.host) ?? UP })
    },
  } as Front
  const backends: Backends = watchBackends(
    () => front,
    () => {
      changes += 1
    },
    (event) => events.push(event),
    () => undefined,
  )
  stops.push(() => {
    backends.stop()
  })
  backends.use([PLAN])
  const rounds = async (count: number) => {
    for (let n = 0; n < count; n++) await backends.probeAll()
  }
  const addresses = () => backends.plans()[0]?.addresses.map(({ host, quiet }) => [host, quiet])
  return { answers, backends, rounds, addresses, events, waits, changes: () => changes }
}

test('logins wait behind a greeting until three checks in a row have found one line of it', async () => {
  const { rounds, addresses, changes, waits } = stage()
  const both = (quiet: boolean) => [
    ['10.0.0.5', quiet],
    ['fd00::5', quiet],
  ]
  expect(addresses()).toEqual(both(false))
  await rounds(2)
  expect(addresses()).toEqual(both(false))
  const before = changes()
  await rounds(1)
  expect(addresses()).toEqual(both(true))
  expect(changes()).toBe(before + 1)
  // The first check holds up the start; those after it can be sure.
  expect(waits).toEqual([50, 50, 1_000, 1_000, 1_000, 1_000])
})

test('an address that sends more than one line of greeting is left out, and says why, until it stops', async () => {
  const { answers, rounds, addresses, backends, events } = stage()
  await rounds(3)
  answers.set('10.0.0.5', { at: 'noisy' })
  await rounds(1)
  expect(addresses()).toEqual([['fd00::5', true]])
  expect(backends.states()[0]).toMatchObject({
    up: false,
    detail: expect.stringMatching(/more than one line/) as string,
  })
  expect(events.at(-1)).toMatchObject({ action: 'backend-down', address: '10.0.0.5:110' })
  answers.set('10.0.0.5', { at: 'down', detail: 'connect: ECONNREFUSED' })
  await rounds(1)
  answers.set('10.0.0.5', UP)
  await rounds(2)
  expect(addresses()).toEqual([['fd00::5', true]])
  await rounds(1)
  expect(addresses()).toEqual([
    ['10.0.0.5', true],
    ['fd00::5', true],
  ])
  expect(events.at(-1)).toMatchObject({ action: 'backend-up', address: '10.0.0.5:110' })
})

test('a login that sees it is believed at once, and only about an address of the policies', async () => {
  const { rounds, addresses, backends } = stage()
  await rounds(3)
  backends.noisy('old', { host: '10.9.9.9', port: 110 })
  backends.noisy('new', { host: '10.0.0.5', port: 110 })
  expect(addresses()).toHaveLength(2)
  backends.noisy('old', { host: 'fd00::5', port: 110 })
  expect(addresses()).toEqual([['10.0.0.5', true]])
  backends.noisy('old', { host: '10.0.0.5', port: 110 })
  expect(addresses()).toEqual([])
})

test('an address that is down goes last', async () => {
  const { answers, rounds, addresses } = stage()
  answers.set('10.0.0.5', { at: 'down', detail: 'tls: CERT_HAS_EXPIRED' })
  await rounds(1)
  expect(addresses()).toEqual([
    ['fd00::5', false],
    ['10.0.0.5', false],
  ])
})
