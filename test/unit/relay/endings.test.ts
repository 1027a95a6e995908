import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { relay, type Relayed, type RelayOptions } from '../../../src/relay/pump.ts'
import { streamSource } from '../../../src/relay/source.ts'
import { answering, fakeServer, type FakeServer } from './fake-server.ts'
import { stand, TRANSPORTS, type Stand, type StandSetup } from './stand.ts'

const open: Stand[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

async function made(setup?: StandSetup): Promise<Stand> {
  const one = await stand(setup)
  open.push(one)
  return one
}

const text = ({ received }: Stand) => received().toString('latin1')
const peer = ({ old }: Stand) => old.sockets[0] as Socket
const simple = answering({ STAT: '+OK 1 9\r\n', DELE: '+OK\r\n', NOOP: '+OK\r\n', RETR: '+OK\r\nmail\r\n.\r\n' })
const proper = (line: string, socket: Socket) => {
  if (line === 'QUIT') socket.end('+OK bye\r\n')
  else simple(line, socket)
}

/** A client that takes `ms` over each write, and never has room for more. */
function slowClient(ms: number): { client: Duplex; taken(): string } {
  const chunks: Buffer[] = []
  const client = new Duplex({
    writableHighWaterMark: 1,
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk)
      setTimeout(done, ms)
    },
  })
  return { client, taken: () => Buffer.concat(chunks).toString('latin1') }
}

function relayed(
  client: Duplex,
  { address }: FakeServer,
  fromClient: string,
  { far = connect({ ...address, allowHalfOpen: true }), ...options }: Partial<RelayOptions> & { far?: Socket } = {},
): Promise<Relayed> {
  return relay(client, streamSource(far), {
    fromClient: Buffer.from(fromClient),
    fromServer: Buffer.alloc(0),
    pipelining: false,
    idleMs: 5_000,
    stop: new AbortController().signal,
    progress: () => undefined,
    deadlines: { linger: 10 },
    ...options,
  })
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  test('a session that ends in QUIT counts what was deleted', async () => {
    const here = await made({ transport, script: { on: proper } })
    here.client.write('RETR 1\r\nDELE 1\r\nQUIT\r\n')
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(text(here)).toBe('+OK\r\nmail\r\n.\r\n+OK\r\n+OK bye\r\n')
    expect(await here.result).toMatchObject({ reason: 'quit', counts: { retrieved: 1, marked: 1, deleted: 1 } })
    expect(here.progress).toEqual({ toClient: text(here).length, fromClient: 22, retrieved: 1, deleted: 1 })
  })

  test('a client that closes its side behind QUIT still gets the answer', async () => {
    const here = await made({
      transport,
      script: {
        on: (line, socket) => {
          if (line === 'QUIT') setTimeout(() => socket.end('+OK bye\r\n'), 50)
          else simple(line, socket)
        },
      },
    })
    here.client.end('DELE 1\r\nQUIT\r\n')
    expect(await here.ending()).toBe('end')
    expect(text(here)).toBe('+OK\r\n+OK bye\r\n')
    expect(await here.result).toMatchObject({ reason: 'quit', counts: { deleted: 1 } })
  })

  test('a client that closes its side behind other commands still gets their answers, and the server no QUIT', async () => {
    const here = await made({ transport, script: { on: proper } })
    here.client.end('DELE 1\r\nRETR 1\r\nFOO\r\nSTAT\r\nQUIT')
    expect(await here.ending()).toBe('end')
    expect(text(here)).toMatch(/^\+OK\r\n\+OK\r\nmail\r\n\.\r\n-ERR [^\r]*\r\n\+OK 1 9\r\n$/)
    expect(await here.result).toMatchObject({
      reason: 'client-closed',
      counts: { retrieved: 1, marked: 1, deleted: 0 },
    })
    await here.old.ended()
    expect(here.old.lines).toEqual(['DELE 1', 'RETR 1', 'STAT'])
  })

  test('a client that has closed its side and waits for a server that says nothing is not waited for as long as one that is there', async () => {
    const here = await made({ transport, options: { idleMs: 60_000, deadlines: { ended: 300 } } })
    here.client.end('RETR 1\r\n')
    expect(await here.result).toMatchObject({ reason: 'client-closed' })
    await here.old.ended()
    expect(here.old.lines).toEqual(['RETR 1'])
  })

  test('a client that vanishes after DELE leaves the server closed without QUIT', async () => {
    const here = await made({ transport, script: { on: proper } })
    here.client.write('DELE 1\r\n')
    await here.arrived('+OK\r\n')
    here.clientTcp.resetAndDestroy()
    expect(await here.result).toMatchObject({ reason: 'client-reset', counts: { marked: 1, deleted: 0 } })
    await here.old.ended()
    expect(here.old.raw()).toBe('DELE 1\r\n')
  })

  test('a client whose connection ends below TLS, as a cut line does, leaves the server closed without QUIT', async () => {
    const here = await made({ transport, script: { on: proper } })
    here.client.write('DELE 1\r\nQUI')
    await here.arrived('+OK\r\n')
    here.clientTcp.end()
    expect(await here.result).toMatchObject({ counts: { marked: 1, deleted: 0 } })
    await here.old.ended()
    expect(here.old.raw()).toBe('DELE 1\r\n')
  })

  test('a server that dies in mid-RETR breaks the client off, without an octet more', async () => {
    const here = await made({ transport })
    here.client.write('RETR 1\r\n')
    await here.old.heard(1)
    peer(here).end('+OK\r\nhalf a mess')
    expect(await here.ending()).toBe('broken')
    expect('+OK\r\nhalf a mess'.startsWith(text(here))).toBe(true)
    expect(await here.result).toMatchObject({ reason: 'server-closed', counts: { retrieved: 0 } })
  })

  test('what the server says together with its close reaches the client, and an orderly end', async () => {
    const here = await made({ transport })
    here.client.write('STAT\r\n')
    await here.old.heard(1)
    peer(here).end('+OK 1 9\r\n-ERR autologout\r\n')
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(text(here)).toBe('+OK 1 9\r\n-ERR autologout\r\n')
    expect(await here.result).toMatchObject({ reason: 'server-closed' })
  })

  test('a session stopped between replies ends for both, without QUIT', async () => {
    const here = await made({ transport, script: { on: proper } })
    here.client.write('DELE 1\r\n')
    await here.arrived('+OK\r\n')
    here.stop.abort('killed')
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(await here.result).toMatchObject({ reason: 'killed', counts: { marked: 1, deleted: 0 } })
    await here.old.ended()
    expect(here.old.lines).toEqual(['DELE 1'])
  })

  test('a session stopped in mid-reply is broken off', async () => {
    const here = await made({ transport })
    here.client.write('RETR 1\r\n')
    await here.old.heard(1)
    peer(here).write('+OK\r\nhalf')
    await here.arrived('half')
    here.stop.abort('draining')
    expect(await here.ending()).toBe('broken')
    expect(await here.result).toMatchObject({ reason: 'draining' })
  })

  test('25 MiB reach a slow client whole, and little of them is held on the way', async () => {
    const mail = Buffer.concat([
      Buffer.from('+OK\r\n'),
      Buffer.alloc(25 * 1024 * 1024, `${'x'.repeat(74)}\r\n..\r\n`),
      Buffer.from('\r\n.\r\n'),
    ])
    let most = 0
    const here: Stand = await made({
      transport,
      unread: true,
      script: { on: answering({ RETR: mail, QUIT: '+OK\r\n' }) },
      options: {
        progress: (delta) => {
          here.progress.toClient += delta.toClient
          most = Math.max(most, here.near.writableLength + here.far.readableLength)
        },
      },
    })
    here.client.write('RETR 1\r\nQUIT\r\n')
    await here.old.heard(1)
    await delay(200)
    expect(here.progress.toClient).toBeLessThan(mail.length)
    here.client.resume()
    await here.arrived(mail.length + 5)
    here.client.end()
    peer(here).end()
    expect(await here.result).toMatchObject({ reason: 'quit', counts: { retrieved: 1 } })
    const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(sha(here.received())).toBe(sha(Buffer.concat([mail, Buffer.from('+OK\r\n')])))
    expect(most).toBeLessThanOrEqual(256 * 1024)
  })
})

describe('a forwarded QUIT', () => {
  const retrThenQuit = 'RETR 1\r\nDELE 1\r\nQUIT\r\n'

  test('is waited for when the client is reset in mid-RETR, and the rest of the message is discarded', async () => {
    const here = await made({ options: { pipelining: true } })
    here.client.write(retrThenQuit)
    await here.old.heard(3)
    peer(here).write('+OK\r\nhalf')
    await here.arrived('half')
    here.clientTcp.resetAndDestroy()
    await new Promise((resolve) => here.near.once('close', resolve))
    peer(here).write(`${'x'.repeat(300_000)}\r\n.\r\n`)
    await delay(50)
    expect(here.old.ends).toEqual([])
    peer(here).end('+OK deleted\r\n+OK bye\r\n')
    expect(await here.result).toMatchObject({ reason: 'quit', counts: { retrieved: 0, marked: 1, deleted: 1 } })
  })

  test('is waited for when the session is stopped, while the client is let go at once', async () => {
    const here = await made()
    here.client.write('QUIT\r\n')
    await here.old.heard(1)
    here.stop.abort('draining')
    expect(await here.ending()).toBe('end')
    here.client.end()
    await delay(50)
    expect(here.old.ends).toEqual([])
    peer(here).end('+OK bye\r\n')
    expect(await here.result).toMatchObject({ reason: 'draining' })
  })

  test('that is never answered ends at its deadline', async () => {
    const here = await made({ options: { deadlines: { quit: 50 } } })
    here.client.write('QUIT\r\n')
    await here.ending()
    here.client.end()
    expect(await here.result).toMatchObject({ reason: 'quit-timeout', counts: { deleted: 0 } })
    expect(here.old.lines).toEqual(['QUIT'])
  })

  test('that is never answered ends at its deadline when the client is gone too', async () => {
    const here = await made({ options: { deadlines: { quit: 100 } } })
    here.client.write('QUIT\r\n')
    await here.old.heard(1)
    here.clientTcp.resetAndDestroy()
    expect(await here.result).toMatchObject({ reason: 'client-reset', counts: { deleted: 0 } })
  })

  test('that the server refuses lets the session go on', async () => {
    const here = await made({ script: { on: simple } })
    here.client.write('QUIT\r\nNOOP\r\n')
    await here.arrived('+OK\r\n')
    expect(text(here)).toBe('-ERR what?\r\n+OK\r\n')
    here.client.end()
    expect(await here.result).toMatchObject({ reason: 'client-closed' })
  })

  test('that the server refuses when the client is gone is the end: the rest of what it typed is not sent', async () => {
    const here = await made({ options: { pipelining: true } })
    here.client.write('DELE 1\r\nQUIT\r\nDELE 2\r\nQUIT\r\n')
    await here.old.heard(2)
    here.clientTcp.resetAndDestroy()
    await new Promise((resolve) => here.near.once('close', resolve))
    peer(here).write('+OK\r\n-ERR not now\r\n')
    expect(await here.result).toMatchObject({ reason: 'client-reset', counts: { marked: 1, deleted: 0 } })
    await here.old.ended()
    expect(here.old.lines).toEqual(['DELE 1', 'QUIT'])
  })

  test('is the last thing the server hears, whatever the client sends behind it', async () => {
    const here = await made({ options: { pipelining: true } })
    here.client.write('QUIT\r\nDELE 1\r\nRSET\r\n')
    await here.old.heard(1)
    await delay(30)
    peer(here).end('+OK bye\r\n')
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(await here.result).toMatchObject({ reason: 'quit' })
    expect(here.old.lines).toEqual(['QUIT'])
  })

  test('does not wait for ever behind a client that takes nothing', async () => {
    const mail = `+OK\r\n${'x'.repeat(8_000_000)}\r\n.\r\n`
    const here = await made({
      unread: true,
      options: { pipelining: true, deadlines: { quit: 200, afterQuit: 50 } },
      script: { on: answering({ RETR: mail, DELE: '+OK\r\n', QUIT: '+OK\r\n' }) },
    })
    here.client.write(retrThenQuit)
    expect(await here.result).toMatchObject({ reason: 'idle-timeout', counts: { retrieved: 0, deleted: 1 } })
  })

  test('answered by a server that is slow to close is left to finish, though the client is gone', async () => {
    const here = await made()
    here.client.write('QUIT\r\n')
    await here.old.heard(1)
    here.clientTcp.resetAndDestroy()
    await new Promise((resolve) => here.near.once('close', resolve))
    peer(here).write('+OK bye\r\n')
    await here.old.ended()
    expect(here.old.ends).toEqual(['end'])
    expect(here.far.destroyed).toBe(false)
    peer(here).end()
    expect(await here.result).toMatchObject({ reason: 'quit' })
  })

  test('answered by a server that does not close ends all the same', async () => {
    const here = await made({
      script: { on: answering({ QUIT: '+OK\r\n' }) },
      options: { deadlines: { afterQuit: 50 } },
    })
    here.client.write('QUIT\r\n')
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(await here.result).toMatchObject({ reason: 'quit' })
  })
})

describe('a QUIT that is not yet forwarded', () => {
  test('is not sent when the client was reset in mid-RETR', async () => {
    const here = await made()
    here.client.write('RETR 1\r\nQUIT\r\n')
    await here.old.heard(1)
    peer(here).write('+OK\r\nhalf')
    await here.arrived('half')
    here.clientTcp.resetAndDestroy()
    expect(await here.result).toMatchObject({ reason: 'client-reset' })
    await here.old.ended()
    expect(here.old.lines).toEqual(['RETR 1'])
  })

  test('is not sent when the session is stopped', async () => {
    const here = await made()
    here.client.write('DELE 1\r\nQUIT\r\n')
    await here.old.heard(1)
    here.stop.abort('killed')
    expect(await here.result).toMatchObject({ reason: 'killed' })
    await here.old.ended()
    expect(here.old.lines).toEqual(['DELE 1'])
  })

  test('is not made up of a line without its end', async () => {
    const here = await made({ script: { on: simple } })
    here.client.end('DELE 1\r\nQUIT')
    expect(await here.result).toMatchObject({ reason: 'client-closed', counts: { marked: 1, deleted: 0 } })
    await here.old.ended()
    expect(here.old.lines).toEqual(['DELE 1'])
  })
})

describe('a server that goes away', () => {
  test('before it answered: nothing is invented', async () => {
    const here = await made({ options: { pipelining: true } })
    here.client.write('STAT\r\nFOO\r\nDELE 1\r\n')
    await here.old.heard(2)
    peer(here).end('+OK 1 9\r\n')
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(text(here)).toMatch(/^\+OK 1 9\r\n-ERR [^\r]*\r\n$/)
    expect(await here.result).toMatchObject({ reason: 'server-closed' })
  })

  test('while the client talks on: the last words still arrive', async () => {
    const here = await made()
    const chatter = setInterval(() => here.client.write('NOOP\r\n'.repeat(100)), 1)
    await here.old.heard(1)
    peer(here).end(`+OK ${'x'.repeat(200_000)} end\r\n`)
    const how = await here.ending()
    clearInterval(chatter)
    here.client.end()
    expect(how).toBe('end')
    expect(text(here)).toMatch(/ end\r\n$/)
  })

  test('by a reset while the client is slow: what had come before still arrives', async () => {
    const mail = `+OK\r\n${'x'.repeat(100_000)}\r\n.\r\n`
    const { client, taken } = slowClient(100)
    const old = await fakeServer({
      greeting: null,
      on: (_, socket) => {
        socket.write(mail, () => setTimeout(() => socket.resetAndDestroy(), 50))
      },
    })
    const result = relayed(client, old, 'RETR 1\r\n')
    expect(await result).toMatchObject({ reason: 'server-reset', counts: { retrieved: 1, bytesToClient: mail.length } })
    expect(taken() === mail).toBe(true)
    await old.close()
  })

  test('in the middle of a status line breaks the client off', async () => {
    const here = await made()
    here.client.write('STAT\r\n')
    await here.old.heard(1)
    peer(here).end('+OK 1')
    expect(await here.ending()).toBe('broken')
    expect(await here.result).toMatchObject({ reason: 'server-closed' })
  })

  test('by a reset ends the session as one', async () => {
    const here = await made()
    here.client.write('STAT\r\n')
    await here.old.heard(1)
    peer(here).resetAndDestroy()
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(await here.result).toMatchObject({ reason: 'server-reset' })
  })

  test('while a client is slow: all that it had said still arrives', async () => {
    const mail = `+OK\r\n${'x'.repeat(4_000_000)}\r\n.\r\n`
    const here = await made({
      unread: true,
      script: {
        on: (line, socket) => {
          if (line.startsWith('RETR')) socket.end(mail)
        },
      },
    })
    here.client.write('RETR 1\r\n')
    await here.old.heard(1)
    await delay(100)
    here.client.resume()
    await here.arrived(mail.length)
    here.client.end()
    expect(text(here) === mail).toBe(true)
    expect(await here.result).toMatchObject({ reason: 'server-closed', counts: { retrieved: 1 } })
  })

  test('by its autologout: the words arrive, and are noted once a run', async () => {
    let noted = 0
    const here = await made({
      options: {
        unasked: () => {
          noted++
        },
      },
    })
    peer(here).end('-ERR autologout\r\n')
    await here.ending()
    here.client.end()
    expect(text(here)).toBe('-ERR autologout\r\n')
    await here.result
    expect(noted).toBe(1)
  })
})

test('a slow client that closed its side still has all its commands carried', async () => {
  const { client, taken } = slowClient(20)
  const old = await fakeServer({ greeting: null, on: proper })
  const result = relayed(client, old, 'STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n')
  client.push(null)
  expect(await result).toMatchObject({ reason: 'quit', counts: { deleted: 1 } })
  expect(taken()).toBe('+OK 1 9\r\n+OK\r\nmail\r\n.\r\n+OK\r\n+OK bye\r\n')
  await old.close()
})

describe('silence', () => {
  test('ends the session for both, without QUIT and without a word', async () => {
    const here = await made({ script: { on: simple }, options: { idleMs: 600 } })
    here.client.write('DELE 1\r\n')
    expect(await here.ending()).toBe('end')
    here.client.end()
    expect(text(here)).toBe('+OK\r\n')
    expect(await here.result).toMatchObject({ reason: 'idle-timeout', counts: { marked: 1, deleted: 0 } })
    await here.old.ended()
    expect(here.old.lines).toEqual(['DELE 1'])
  })

  test('of a server in mid-reply breaks the client off', async () => {
    const here = await made({ options: { idleMs: 600 } })
    here.client.write('RETR 1\r\n')
    await here.old.heard(1)
    peer(here).write('+OK\r\nhalf')
    expect(await here.ending()).toBe('broken')
    expect(await here.result).toMatchObject({ reason: 'idle-timeout' })
  })
})

describe('memory', () => {
  test('does not grow with a client that sends without waiting', async () => {
    const here = await made()
    const flood = Buffer.alloc(8 * 1024 * 1024, 'NOOP\r\n')
    here.client.write(flood)
    await here.old.heard(1)
    await delay(200)
    expect(here.old.lines).toHaveLength(1)
    expect(here.progress.fromClient).toBeLessThanOrEqual(256 * 1024)
    expect(here.near.readableLength).toBeLessThanOrEqual(256 * 1024)
  })

  test('does not grow with refusals that a client does not read', async () => {
    const here = await made({ unread: true, options: { pipelining: true } })
    here.client.write(Buffer.alloc(16 * 1024 * 1024, 'X\n'))
    let size = -1
    while (here.progress.toClient !== size) {
      size = here.progress.toClient
      await delay(150)
    }
    expect(here.near.writableLength).toBeLessThanOrEqual(256 * 1024)
    expect(here.near.readableLength).toBeLessThanOrEqual(256 * 1024)
    expect(here.progress.fromClient).toBeLessThan(16 * 1024 * 1024)
  })
})

test('a bug ends the session for both sides and comes out', async () => {
  const here = await made({
    options: {
      progress: () => {
        throw new Error('planted')
      },
    },
  })
  here.client.write('STAT\r\n')
  await expect(here.result).rejects.toThrow('planted')
  await here.old.ended()
  expect(here.old.lines).toEqual([])
})

test('a socket that is destroyed from elsewhere ends the session, without QUIT', async () => {
  const here = await made({ script: { on: proper } })
  here.near.destroy()
  expect(await here.result).toMatchObject({ reason: 'client-reset' })
  await here.old.ended()
  expect(here.old.lines).toEqual([])
  const there = await made({ script: { on: proper } })
  there.far.destroy()
  there.client.end()
  expect(await there.result).toMatchObject({ reason: 'server-reset' })
  expect(await there.ending()).toBe('end')
})

describe('what happened before the relay began', () => {
  const old = async () => {
    const server = await fakeServer({ greeting: null, on: proper })
    const far = connect({ ...server.address, allowHalfOpen: true })
    await once(far, 'connect')
    far.on('error', () => undefined)
    return { server, far }
  }

  test('a stop ends the session, and the server hears nothing', async () => {
    const { server, far } = await old()
    const { client } = slowClient(0)
    const result = relayed(client, server, 'DELE 1\r\n', { far, stop: AbortSignal.abort('killed') })
    expect(await result).toMatchObject({ reason: 'killed' })
    await server.ended()
    expect(server.lines).toEqual([])
    await server.close()
  })

  test('the client closed its side: what it had sent is answered', async () => {
    const { server, far } = await old()
    const { client, taken } = slowClient(0)
    client.push(null)
    client.resume()
    await once(client, 'end')
    expect(await relayed(client, server, 'STAT\r\n', { far })).toMatchObject({ reason: 'client-closed' })
    expect(taken()).toBe('+OK 1 9\r\n')
    await server.close()
  })

  test('the client was gone: the server is closed without QUIT', async () => {
    const { server, far } = await old()
    const { client } = slowClient(0)
    client.destroy()
    await once(client, 'close')
    expect(await relayed(client, server, '', { far })).toMatchObject({ reason: 'client-reset' })
    await server.ended()
    expect(server.lines).toEqual([])
    await server.close()
  })

  test('the server was gone', async () => {
    const { server, far } = await old()
    const { client } = slowClient(0)
    far.destroy()
    await once(far, 'close')
    expect(await relayed(client, server, '', { far })).toMatchObject({ reason: 'server-reset' })
    await server.close()
  })

  test('the server had said its last words', async () => {
    const { server, far } = await old()
    const { client, taken } = slowClient(0)
    far.resume()
    server.sockets[0]?.end()
    await once(far, 'end')
    const fromServer = Buffer.from('-ERR autologout\r\n')
    expect(await relayed(client, server, '', { far, fromServer })).toMatchObject({ reason: 'server-closed' })
    expect(taken()).toBe('-ERR autologout\r\n')
    await server.close()
  })
})

test('a stop does not wait for a client that does not take its last words', async () => {
  const server = await fakeServer({ greeting: null, on: (_, socket) => socket.end('+OK\r\n') })
  const { client } = slowClient(60_000)
  const stop = new AbortController()
  const far = connect({ ...server.address, allowHalfOpen: true })
  const result = relayed(client, server, 'STAT\r\n', { far, stop: stop.signal, idleMs: 60_000 })
  await once(far, 'close')
  stop.abort('draining')
  expect(await result).toMatchObject({ reason: 'server-closed' })
  await server.close()
})
