import { beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../../src/audit/events.ts'
import type { LateVerdict } from '../../../src/keeper/late-gate.ts'
import { hear, type LineContext } from '../../../src/keeper/line-to-fronts.ts'
import type { FromFront, FromKeeper } from '../../../src/keeper/messages.ts'
import { sessionTable } from '../../../src/keeper/sessions.ts'
import type { Front } from '../../../src/keeper/supervise.ts'

const IP = '203.0.113.7'
const BY = { file: 'reputation.yaml', line: 2, rule: 'dnsbl.zone.example' }
const TLS = { version: 'TLSv1.3', cipher: 'x', ja4: 'x', resumed: false }

let events: AuditEvent[]
let said: FromKeeper[]
let judged: string[]
let warned: string[]
let verdict: Promise<LateVerdict>
let began: string[]
let context: LineContext
let front: Front

beforeEach(() => {
  events = []
  said = []
  judged = []
  warned = []
  began = []
  verdict = Promise.resolve({ say: 'pass' })
  const sessions = sessionTable((event) => events.push(event))
  context = {
    sessions,
    admission: {
      admit: (held, message) => {
        const given = sessions.admit(held, message, '203.0.113.0/24', { connections: 10, perAddress: 10 })
        return 'id' in given ? { say: 'admitted', session: given.id } : { say: 'trouble' }
      },
      turnedAway: () => undefined,
    },
    judge: {
      authenticate: ({ user }) => {
        judged.push(user.toString())
        return Promise.resolve({ say: 'refuse', holdMs: 5 })
      },
      settle: () => Promise.resolve({ say: 'trouble' }),
      release: () => undefined,
      void: () => undefined,
    },
    lateGate: {
      begin: ({ facts }) => began.push(facts.ip),
      judge: async () => ({ verdict: await verdict, would: [] }),
      fenced: () => null,
    },
    backends: {} as LineContext['backends'],
    metrics: { login: () => undefined, tlsHandshake: () => undefined } as unknown as LineContext['metrics'],
    log: { warn: (text: string) => warned.push(text) } as unknown as LineContext['log'],
    emit: (event) => events.push(event),
    isOpen: () => true,
    listening: () => undefined,
  }
  front = { id: 1, pid: 1, say: (message) => said.push(message), pass: () => Promise.resolve(), kill: () => undefined }
})

const tell = (message: FromFront) => {
  hear(context, front, message)
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A connection as far as its TLS. */
function connect(): string {
  tell({ kind: 'admit', call: 1, listener: 'outside', ip: IP, port: 40_000 })
  const [answer] = said.splice(0) as { answer: { session: string } }[]
  const session = answer?.answer.session ?? ''
  tell({ kind: 'secured', session, tls: TLS, client: 'x', handshakeMs: 1 })
  return session
}

async function logIn(session: string): Promise<unknown> {
  tell({ kind: 'authenticate', call: 2, session, user: Buffer.from('ann'), secret: Buffer.from('hunter2') })
  await turn()
  return (said.splice(0) as { answer: unknown }[])[0]?.answer
}

const heard = () => events.splice(0).map((event) => `${event.stream} ${event.action} ${'reason' in event ? event.reason : ''}`.trim()) // prettier-ignore

describe('a DNS list', () => {
  test('is asked as soon as a connection has its place', () => {
    connect()
    expect(began).toEqual([IP])
  })

  test('that has nothing against an address leaves the login to be judged', async () => {
    expect(await logIn(connect())).toEqual({ say: 'refuse', holdMs: 5 })
    expect(judged).toEqual(['ann'])
  })

  test('that lists an address refuses before anything of the login is judged, with one line in each stream', async () => {
    verdict = Promise.resolve({ say: 'deny', by: BY, answer: '127.0.0.2' })
    const session = connect()
    expect(await logIn(session)).toEqual({ say: 'deny' })
    expect(judged).toEqual([])
    expect(events[0]).toMatchObject({ action: 'connection-denied', by: BY, answer: '127.0.0.2', connection: { session, ip: IP } }) // prettier-ignore
    expect(events[1]).toMatchObject({ action: 'login-failed', user: 'ann', reason: 'rule', by: BY })
    expect(JSON.stringify(events)).not.toContain('hunter2')
    tell({ kind: 'closed', session, reason: 'denied' })
    expect(heard()).toEqual(['access connection-denied', 'auth login-failed rule'])
  })

  test('that must answer and does not is our own trouble: nobody gets in, nobody is told to stay away', async () => {
    verdict = Promise.resolve({ say: 'unsure', by: BY, answer: 'silent' })
    expect(await logIn(connect())).toEqual({ say: 'trouble' })
    expect(judged).toEqual([])
    expect(heard()).toEqual(['auth login-failed rule'])
    expect(warned).toEqual(['dnsbl.zone.example: silent; `on_error: deny` refuses the login'])
  })

  test('that answers when the connection is gone changes nothing', async () => {
    const { promise, resolve } = Promise.withResolvers<LateVerdict>()
    verdict = promise
    const session = connect()
    await logIn(session)
    tell({ kind: 'closed', session, reason: 'client-closed' })
    resolve({ say: 'pass' })
    await turn()
    expect(judged).toEqual([])
    expect((said[0] as { answer: unknown }).answer).toEqual({ say: 'trouble' })
    expect(heard()).toEqual(['access connection-closed client-closed'])
  })
})
