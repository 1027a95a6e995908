import { afterEach, describe, expect, test } from 'vitest'
import type { Socket } from 'node:net'
import { answering } from './fake-server.ts'
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

/** Dots at line starts doubled, as every server does behind CRLF and most behind any LF. */
const stuffed = (message: string) => `+OK\r\n${message.replace(/(^|\n)\./g, '$1..')}`

const MESSAGES: Record<string, string> = {
  'an empty message': '.\r\n',
  'dots at line starts': stuffed('a\r\n.\r\n..\r\n...b\r\n') + '.\r\n',
  'bare CR': stuffed('a\rb\r\r\nc\r') + '\r\n.\r\n',
  'bare LF': stuffed('a\nb\n\nc\n') + '.\r\n',
  'NUL and control bytes': stuffed('a\0b\x1b[2J\x07\r\n') + '.\r\n',
  '8-bit bytes': stuffed(Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('') + '\r\n') + '.\r\n',
  'lines of 10,000 characters': stuffed(`${'x'.repeat(10_000)}\r\n`.repeat(20)) + '.\r\n',
  'status lines inside': stuffed('+OK\r\n-ERR\r\n+OK bye\r\n') + '.\r\n',
}
MESSAGES['an empty message'] = `+OK\r\n${MESSAGES['an empty message']}`

describe.each(TRANSPORTS)('messages over %s arrive byte for byte', (transport) => {
  test.each(Object.entries(MESSAGES))('%s', async (_, reply) => {
    const here = await made({
      transport,
      script: { on: answering({ RETR: Buffer.from(reply, 'latin1'), QUIT: '+OK\r\n' }) },
    })
    here.client.write('RETR 1\r\nQUIT\r\n')
    await here.arrived(reply.length + 5)
    here.client.end()
    here.old.sockets[0]?.end()
    expect(text(here)).toBe(`${reply}+OK\r\n`)
    expect(await here.result).toMatchObject({
      reason: 'quit',
      counts: { retrieved: 1, bytesToClient: reply.length + 5 },
    })
  })
})

test('a reply cut at every octet arrives the same', async () => {
  const reply = stuffed('a\r\n.\r\n\n.b\n') + '.\r\n'
  const here = await made({
    script: {
      on: (_, socket) => {
        void (async () => {
          for (const octet of reply) {
            socket.write(octet)
            await new Promise((resolve) => setImmediate(resolve))
          }
        })()
      },
    },
  })
  here.client.write('RETR 1\r\nDELE 1\r\n')
  await here.old.heard(2)
  expect(text(here)).toBe(reply)
})

describe('lines of the client', () => {
  test('go on with CRLF, whether they came with LF or CRLF', async () => {
    const here = await made({ options: { pipelining: true } })
    here.client.write('stat\nLIST  2 \r\ntop 1 0\n')
    await here.old.heard(3)
    expect(here.old.raw()).toBe('STAT\r\nLIST 2\r\nTOP 1 0\r\n')
  })

  test('cut at every octet go on whole', async () => {
    const chunks: string[] = []
    const here = await made({
      options: { pipelining: true },
      script: { connected: (socket) => socket.on('data', (chunk) => chunks.push(String(chunk))) },
    })
    for (const octet of 'DELE 1\r\nRETR 12\n') {
      here.client.write(octet)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await here.old.heard(2)
    expect(chunks.join('')).toBe('DELE 1\r\nRETR 12\r\n')
    expect(chunks.every((chunk) => chunk.endsWith('\r\n'))).toBe(true)
  })

  test('sent behind the login are the first to go on, and what the server said meanwhile comes first', async () => {
    const here = await made({
      script: { on: answering({ STAT: '+OK 0 0\r\n' }) },
      options: { fromClient: Buffer.from('STAT\r\nST'), fromServer: Buffer.from('* news\r\n') },
    })
    here.client.write('AT\r\n')
    await here.arrived('+OK 0 0\r\n+OK 0 0\r\n')
    expect(text(here)).toBe('* news\r\n+OK 0 0\r\n+OK 0 0\r\n')
  })

  test.each([
    'USER ann',
    'PASS secret',
    'APOP ann 0123',
    'AUTH PLAIN',
    'STLS',
    'UTF8',
    'XCLIENT ADDR=1.2.3.4',
    'XTND XMIT',
    'FOO',
    '',
    ' STAT',
    'STAT\x01',
    'STAT\0',
    'DELE 1\rDELE 2',
    'DELE\t1',
    `DELE ${'1'.repeat(260)}`,
    `AUTH ${'1'.repeat(13_000)}`,
  ])('that are not carried end here with -ERR: %j', async (line) => {
    const here = await made({ script: { on: answering({ NOOP: '+OK\r\n' }) } })
    here.client.write(`${line}\r\nNOOP\r\n`, 'latin1')
    await here.arrived('+OK\r\n')
    expect(text(here)).toMatch(/^-ERR [^\r\n]+\r\n\+OK\r\n$/)
    expect(here.old.lines).toEqual(['NOOP'])
  })

  test('that are refused are answered in order with those that went on', async () => {
    const reply = stuffed('one\r\ntwo\r\n') + '.\r\n'
    const here = await made({ options: { pipelining: true } })
    here.client.write('FOO\r\nRETR 1\r\nSTLS\r\nUSER x\r\nDELE 1\r\nFOO\r\n')
    await here.old.heard(2)
    const socket = here.old.sockets[0] as Socket
    socket.write(reply.slice(0, 8))
    await here.arrived(reply.slice(0, 8))
    socket.write(`${reply.slice(8)}+OK deleted\r\n`)
    await here.arrived('+OK deleted\r\n-ERR This command is not available here.\r\n')
    const no = '-ERR This command is not available here.\r\n'
    expect(text(here)).toBe(`${no}${reply}${no}${no}+OK deleted\r\n${no}`)
    expect(here.old.lines).toEqual(['RETR 1', 'DELE 1'])
  })
})

describe('a server without PIPELINING', () => {
  test('gets one command at a time', async () => {
    const here = await made()
    here.client.write('STAT\r\nDELE 1\r\nFOO\r\nNOOP\r\n')
    await here.old.heard(1)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(here.old.lines).toEqual(['STAT'])
    here.old.sockets[0]?.write('+OK 1 1\r\n')
    await here.old.heard(2)
    here.old.sockets[0]?.write('+OK deleted\r\n')
    await here.old.heard(3)
    expect(here.old.lines).toEqual(['STAT', 'DELE 1', 'NOOP'])
    expect(text(here)).toMatch(/^\+OK 1 1\r\n\+OK deleted\r\n-ERR .*\r\n$/)
  })
})

describe('a server with PIPELINING', () => {
  test('gets commands at once, but no more than a hundred unanswered', async () => {
    const here = await made({ options: { pipelining: true } })
    here.client.write('DELE 1\r\n'.repeat(150))
    await here.old.heard(100)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(here.old.lines).toHaveLength(100)
    here.old.sockets[0]?.write('+OK\r\n'.repeat(100))
    await here.old.heard(150)
    here.old.sockets[0]?.write('+OK\r\n'.repeat(50))
    await here.arrived(150 * 5)
    here.client.end('QUIT\r\n')
    await here.old.heard(151)
    here.old.sockets[0]?.end('+OK\r\n')
    expect(await here.result).toMatchObject({ reason: 'quit', counts: { marked: 150, deleted: 150 } })
    expect(here.progress).toMatchObject({ deleted: 150 })
  })
})

describe('CAPA after login', () => {
  const capa = async (reply: string) => {
    const here = await made({
      options: { pipelining: true },
      script: { on: answering({ CAPA: reply, STAT: '+OK 0 0\r\n' }) },
    })
    here.client.write('STAT\r\nCAPA\r\nSTAT\r\n')
    await here.arrived('.\r\n+OK 0 0\r\n')
    const [, body] = /^\+OK 0 0\r\n\+OK [^\r\n]*\r\n([^]*)\.\r\n\+OK 0 0\r\n$/.exec(text(here)) ?? []
    return body?.split('\r\n').slice(0, -1)
  }

  test('lists what the server can, less what is not carried', async () => {
    expect(
      await capa('+OK list\r\nTOP\r\nSTLS\r\nSASL PLAIN\r\nUSER\r\nUIDL\r\nUTF8\r\nXTND\r\nPIPELINING\r\n.\r\n'),
    ).toEqual(['TOP', 'UIDL', 'PIPELINING'])
  })
  test('of a server without it lists what every server can', async () => {
    expect(await capa('-ERR unknown\r\n')).toEqual(['RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'TOP', 'UIDL'])
  })
  test('that never ends in reason is not held for ever', async () => {
    expect(await capa(`+OK\r\n${'X-FILLER\r\n'.repeat(10_000)}.\r\n`)).toContain('UIDL')
  })
})
