import { beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import type { CompiledRates } from '../../../src/gate/verdict.ts'
import { createAdmission, type Admission } from '../../../src/keeper/admission.ts'
import { createKnown, type Known } from '../../../src/keeper/known.ts'
import type { Session, SessionTable } from '../../../src/keeper/sessions.ts'
import { sessionTable } from '../../../src/keeper/sessions.ts'

const OPENED = { user: 'ann', backend: 'old', factor: 'none', device: null } as const
const BY = { file: 'rates.yaml', line: 2, rule: 'rates.per_address' }
const RATES: CompiledRates = {
  mode: 'enforce',
  perAddress: { connections: { count: 5, per: 60_000 }, concurrent: 4, by: BY },
  perNetwork: {
    connections: { count: 50, per: 60_000 },
    concurrent: 40,
    by: { ...BY, line: 3, rule: 'rates.per_network' },
  },
  network: { ipv4: 24, ipv6: 56 },
  knownFactor: 10,
}

let now: number
let events: AuditEvent[]
let evicted: Session[]
let noted: string[]
let rates: CompiledRates | null
let ceilings: { connections: number; perAddress: number }
let sessions: SessionTable
let known: Known
let admission: Admission

beforeEach(() => {
  now = 0
  events = []
  evicted = []
  noted = []
  rates = RATES
  ceilings = { connections: 1_000, perAddress: 100 }
  const emit = (event: AuditEvent) => void events.push(event)
  sessions = sessionTable(emit)
  known = createKnown()
  admission = createAdmission({
    clock: { now: () => now, monotonic: () => now },
    sessions,
    known,
    concentration: { note: (ip, count) => void noted.push(...Array<string>(count).fill(ip)) },
    rates: () => rates,
    ceilings: () => ceilings,
    emit,
    evicted: (session) => void evicted.push(session),
  })
})

function admit(ip: string, front = 1) {
  return admission.admit(front, { kind: 'admit', call: 1, listener: 'outside', ip, port: 4711 })
}
/** Admits, and gives the session. */
function enter(ip: string, front = 1): Session {
  const given = admit(ip, front)
  if (given.say !== 'admitted') throw new Error(`${ip}: ${given.say}`)
  const session = sessions.of(front, given.session)
  if (typeof session === 'string') throw new Error(session)
  return session
}
function leave(session: Session): void {
  sessions.close(session, 'quit', null)
}
const rules = () => events.flatMap((event) => ('by' in event ? [`${event.action} ${event.by?.rule ?? ''}`] : []))

describe('rates', () => {
  test('two fronts that race for the same places get no more than one would', () => {
    const says = Array.from({ length: 20 }, (_, i) => admit('192.0.2.1', 1 + (i % 2)).say)
    expect(says.filter((say) => say === 'admitted')).toHaveLength(4)
    expect(rules()).toEqual(Array(16).fill('connection-denied rates.per_address'))
  })

  test('a connection that logs in, or ends, no longer counts as waiting', () => {
    const [one, two] = [enter('192.0.2.1'), enter('192.0.2.1'), enter('192.0.2.1'), enter('192.0.2.1')]
    expect(admit('192.0.2.1').say).toBe('denied')
    sessions.loggedIn(one.id, OPENED)
    leave(two)
    expect(enter('192.0.2.1').id).toHaveLength(24)
    now = 12_000
    expect(enter('192.0.2.1').id).toHaveLength(24)
  })

  test('are written as one address whatever form the front sends it in', () => {
    for (let i = 0; i < 4; i++) enter('192.0.2.1')
    expect(admit('not an address')).toEqual({ say: 'trouble' })
    expect(noted).toEqual(Array(4).fill('192.0.2.1'))
  })

  test('those that a front turned away count for where connections come from', () => {
    admission.turnedAway('10.0.0.9', 3)
    expect(noted).toEqual(Array(3).fill('10.0.0.9'))
  })

  test('in monitor mode are written down and let in', () => {
    rates = { ...RATES, mode: 'monitor' }
    const says = Array.from({ length: 7 }, () => admit('192.0.2.1').say)
    expect(says).toEqual(Array(7).fill('admitted'))
    expect(rules()).toEqual(Array(3).fill('connection-would-deny rates.per_address'))
  })

  test('that are off deny nobody', () => {
    rates = null
    for (let i = 0; i < 50; i++) enter('192.0.2.1')
    expect(events).toEqual([])
  })

  test('give ten times the room where a login was proven, apart from the neighbours', () => {
    for (let host = 2; host < 42; host++) enter(`192.0.2.${host}`)
    expect(admit('192.0.2.1').say).toBe('denied')
    known.proven('192.0.2.1', now)
    for (let i = 0; i < 40; i++) enter('192.0.2.1')
    expect(admit('192.0.2.1').say).toBe('denied')
  })

  test('of a known address use up nothing of its neighbours’ room', () => {
    known.proven('192.0.2.1', now)
    for (let i = 0; i < 40; i++) enter('192.0.2.1')
    for (let host = 2; host < 42; host++) enter(`192.0.2.${host}`)
    expect(admit('192.0.2.42').say).toBe('denied')
  })

  test('tell the front for how long it may answer by itself, a second at most', () => {
    for (let i = 0; i < 4; i++) enter('192.0.2.1')
    expect(admit('192.0.2.1')).toEqual({ say: 'denied', mayHear: true, by: BY, afterMs: 0 })
    const [one] = [...'1234'].map((host) => enter(`198.51.100.${host}`))
    if (one !== undefined) sessions.loggedIn(one.id, OPENED)
    for (let i = 0; i < 4; i++) leave(enter('198.51.100.1'))
    expect(admit('198.51.100.1')).toMatchObject({ say: 'denied', afterMs: 1_000 })
    now = 11_700
    expect(admit('198.51.100.1')).toMatchObject({ say: 'denied', afterMs: 300 })
  })

  test('denials may be spoken as long as there is room', () => {
    ceilings = { connections: 9, perAddress: 9 }
    for (let i = 0; i < 4; i++) enter('192.0.2.1')
    expect(admit('192.0.2.1')).toMatchObject({ say: 'denied', mayHear: true })
    enter('198.51.100.1')
    expect(admit('192.0.2.1')).toMatchObject({ say: 'denied', mayHear: false })
  })
})

describe('under pressure', () => {
  beforeEach(() => {
    rates = null
    ceilings = { connections: 10, perAddress: 100 }
  })

  test('the oldest connection of the busiest network goes first', () => {
    const first = enter('198.51.100.1')
    const flood = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map((ip) => enter(ip))
    for (const ip of ['203.0.113.1', '203.0.113.2', '203.0.114.1', '203.0.115.1']) enter(ip)
    expect(evicted).toEqual([])
    enter('203.0.116.1')
    enter('203.0.117.1')
    expect(evicted.map(({ id }) => id)).toEqual([flood[0]?.id, flood[1]?.id])
    expect(sessions.of(1, first.id)).not.toBe('gone')
  })

  test('a flood pushes out itself, and a single one that waits stays', () => {
    const single = enter('198.51.100.1')
    for (let i = 0; i < 500; i++) enter(`192.0.2.${i % 250}`)
    expect(evicted).toHaveLength(492)
    expect(evicted.map(({ facts }) => facts.ip)).not.toContain('198.51.100.1')
    expect(sessions.size()).toBeLessThanOrEqual(10)
    expect(single.leaving).toBe(false)
  })

  test('whoever is logged in is never sent away: then the house is full', () => {
    for (let i = 0; i < 10; i++) sessions.loggedIn(enter(`192.0.${i}.1`).id, OPENED)
    expect(admit('198.51.100.1')).toMatchObject({ say: 'denied', mayHear: false, afterMs: 0 })
    expect([evicted, rules()]).toEqual([[], ['connection-denied limits.connections']])
  })

  test('among singles the last place goes to the newcomer, and the place before it is left alone', () => {
    for (let i = 0; i < 10; i++) enter(`192.0.${i}.1`)
    expect(evicted).toEqual([])
    enter('198.51.100.1')
    expect(evicted).toHaveLength(1)
    expect(sessions.size()).toBe(10)
  })

  test('one that was told to leave gives its place at once, and once only', () => {
    const all = Array.from({ length: 10 }, (_, i) => enter(`192.0.2.${i}`))
    expect(sessions.size()).toBe(9)
    const [gone] = evicted
    if (gone === undefined) throw new Error('nobody was evicted')
    leave(gone)
    leave(gone)
    expect([sessions.size(), sessions.waiting.within('192.0.2.0/24')]).toEqual([9, 9])
    for (const session of all) leave(session)
    expect([sessions.size(), sessions.waiting.busiest()]).toEqual([0, null])
  })

  test('an address that is over its own share sends nobody away', () => {
    ceilings = { connections: 10, perAddress: 3 }
    for (let i = 0; i < 7; i++) enter(`192.0.2.${i}`)
    for (let i = 0; i < 3; i++) enter('198.51.100.1')
    const before = evicted.length
    expect(admit('198.51.100.1').say).toBe('denied')
    expect(evicted).toHaveLength(before)
  })
})
