import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { parseAddress, type Endpoint } from '../../../src/base/ip.ts'
import type { BackendAddress, BackendPlan } from '../../../src/keeper/messages.ts'
import { loginBackend, type BackendLogin, type LoginDeadlines } from '../../../src/relay/backend.ts'
import { probeBackend } from '../../../src/relay/probe.ts'
import { answering, fakeServer, type FakeServer, type Script } from './fake-server.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close()
})

async function server(script?: Script): Promise<FakeServer> {
  const made = await fakeServer(script)
  open.push(made)
  return made
}

const willing = answering({ USER: '+OK\r\n', PASS: '+OK mailbox open\r\n', APOP: '+OK hello\r\n' })

function end(ip: string, port: number): Endpoint {
  const address = parseAddress(ip)
  if (address === null) throw new Error(ip)
  return { address, port }
}
const CLIENT = { session: 'abc123', source: end('192.0.2.7', 4711), destination: end('198.51.100.1', 995) }

type Setup = {
  plan?: Partial<BackendPlan>
  username?: string
  password?: string | Buffer
  signal?: AbortSignal
  deadlines?: Partial<LoginDeadlines>
  noisy?: (...where: unknown[]) => void
}

async function login(servers: { address: BackendAddress }[], setup: Setup = {}): Promise<BackendLogin> {
  const result = await loginBackend({
    plan: {
      name: 'old',
      addresses: servers.map(({ address }) => address),
      tls: null,
      auth: 'auto',
      loginTimeMs: 5_000,
      busyErrors: [],
      capabilities: null,
      proxyProtocol: 'off',
      xclient: false,
      ...setup.plan,
    },
    username: Buffer.from(setup.username ?? 'ann', 'latin1'),
    password: Buffer.from(setup.password ?? 'secret'),
    client: CLIENT,
    signal: setup.signal ?? new AbortController().signal,
    noisy: setup.noisy ?? (() => undefined),
    deadlines: setup.deadlines ?? {},
  })
  if (result.at === 'proven') open.push({ close: () => result.source.socket.destroy() })
  return result
}

/** A port where nobody listens. */
async function deadAddress() {
  const made = await fakeServer()
  await made.close()
  return { address: made.address }
}

describe('a login', () => {
  test('says USER and PASS and gives what the server welcomes with', async () => {
    const old = await server({ on: willing })
    const result = await login([old])
    expect(result).toMatchObject({ at: 'proven', words: 'mailbox open', address: `127.0.0.1:${old.port}` })
    expect(old.raw()).toBe('USER ann\r\nPASS secret\r\nSTAT\r\n')
  })

  test('sends PASS only after USER was answered', async () => {
    const before: string[][] = []
    const old: FakeServer = await server({
      on: (_, socket) => {
        setTimeout(() => {
          before.push([...old.lines])
          socket.write('+OK 1 2\r\n')
        }, 20)
      },
    })
    expect((await login([old])).at).toBe('proven')
    expect(before).toEqual([['USER ann'], ['USER ann', 'PASS secret'], ['USER ann', 'PASS secret', 'STAT']])
  })

  test('keeps spaces and 8-bit bytes of a password', async () => {
    const old = await server({ on: willing })
    await login([old], { password: Buffer.from(' p\xe4ss  word ', 'latin1') })
    expect(old.lines[1]).toBe('PASS  p\xe4ss  word ')
  })

  test('understands lines that end in a bare LF, cut at every octet', async () => {
    const slowly = (text: string, socket: { write(chunk: string): void }) => {
      for (const [i, octet] of [...text].entries())
        setTimeout(() => {
          socket.write(octet)
        }, i)
    }
    const old = await server({
      greeting: '+OK hi\n',
      on: (line, socket) => {
        slowly(line.startsWith('USER') ? '+OK go on\n' : line === 'STAT' ? '+OK 1 2\n' : '+OK in\n', socket)
      },
    })
    expect(await login([old])).toMatchObject({ at: 'proven', words: 'in' })
  })

  test('leaves a socket that outlives an error before the relay listens', async () => {
    const old = await server({ on: willing })
    const result = await login([old])
    if (result.at !== 'proven') throw new Error('not proven')
    const closed = new Promise((resolve) => result.source.socket.once('close', resolve))
    result.source.socket.destroy(new Error('planted'))
    await closed
    expect(result.source.socket.destroyed).toBe(true)
  })
})

describe('APOP', () => {
  const greeting = '+OK POP3 <1896.697170952@dbc.mtview.ca.us>\r\n'

  test('is used when the greeting offers it, as in RFC 1939', async () => {
    const old = await server({ greeting, on: willing })
    await login([old], { username: 'mrose', password: 'tanstaaf' })
    expect(old.raw()).toBe('APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\nSTAT\r\n')
  })
  test('is not used with auth: user', async () => {
    const old = await server({ greeting, on: willing })
    await login([old], { plan: { auth: 'user' } })
    expect(old.lines).toEqual(['USER ann', 'PASS secret', 'STAT'])
  })
  test('that the policy wants and the server lacks is trouble, and no password is sent', async () => {
    const old = await server({ on: willing })
    expect(await login([old], { plan: { auth: 'apop' } })).toMatchObject({ at: 'unavailable', level: 'error' })
    expect(old.lines).toEqual([])
  })
  test('is not computed over a challenge that is no msg-id', async () => {
    const old = await server({ greeting: '+OK <a\x80b@c>\r\n', on: willing })
    await login([old])
    expect(old.lines[0]).toBe('USER ann')
  })
  test('refused is a refused login', async () => {
    const old = await server({ greeting, on: answering({ APOP: '-ERR wrong\r\n' }) })
    expect((await login([old])).at).toBe('refuted')
    expect(old.lines[0]).toContain(createHash('md5').update('<1896.697170952@dbc.mtview.ca.us>secret').digest('hex'))
  })
})

describe('SASL PLAIN', () => {
  test('sends its response behind the challenge', async () => {
    const old = await server({
      on: (line, socket) => {
        socket.write(line === 'AUTH PLAIN' ? '+ \r\n' : '+OK 1 2\r\n')
      },
    })
    expect((await login([old], { plan: { auth: 'plain' } })).at).toBe('proven')
    expect(Buffer.from(old.lines[1] ?? '', 'base64').toString()).toBe('\0ann\0secret')
  })
  test('carries a password that no PASS line holds', async () => {
    const old = await server({
      on: (line, socket) => {
        socket.write(line === 'AUTH PLAIN' ? '+\r\n' : '+OK 1 2\r\n')
      },
    })
    const password = 'x'.repeat(5_000)
    expect((await login([old], { plan: { auth: 'plain' }, password })).at).toBe('proven')
    expect(Buffer.from(old.lines[1] ?? '', 'base64').toString()).toBe(`\0ann\0${password}`)
    expect((await login([old], { plan: { auth: 'plain' }, password: password.repeat(2) })).at).toBe('refuted')
    expect(old.sockets).toHaveLength(1)
  })
  test.each(['-ERR unknown command\r\n', '-ERR [AUTH] no\r\n'])(
    'that is not offered (%j) is trouble and blames nobody: the password was not sent',
    async (answer) => {
      const old = await server({ on: answering({ AUTH: answer }) })
      expect(await login([old], { plan: { auth: 'plain' } })).toMatchObject({
        at: 'unavailable',
        level: 'error',
        detail: 'user: AUTH PLAIN is not offered',
      })
      expect(old.lines).toEqual(['AUTH PLAIN'])
    },
  )
  test('keeps the response back when the server does not ask for it', async () => {
    const old = await server({ on: answering({ AUTH: '+OK\r\n' }) })
    expect((await login([old], { plan: { auth: 'plain' } })).at).toBe('unavailable')
    expect(old.lines).toEqual(['AUTH PLAIN'])
  })
})

describe('a wrong password', () => {
  test('is refuted, and no other server is asked', async () => {
    const first = await server({ on: answering({ USER: '+OK\r\n', PASS: '-ERR wrong\r\n' }) })
    const second = await server({ on: willing })
    expect((await login([first, second])).at).toBe('refuted')
    expect(second.sockets).toHaveLength(0)
  })

  test('is not told apart from a refused USER', async () => {
    const old = await server({ on: answering({ USER: '-ERR no such user\r\n' }) })
    const result = await login([old])
    expect(result.at).toBe('refuted')
    expect(old.lines).toEqual(['USER ann'])
  })

  test.each([
    ['greets with two lines', '+OK hi\r\n+OK second\r\n', { USER: '+OK\r\n', PASS: '-ERR wrong\r\n' }],
    ['answers USER twice', '+OK hi\r\n', { USER: '+OK\r\n+OK\r\n', PASS: '-ERR wrong\r\n' }],
    ['takes its +OK back at once', '+OK hi\r\n', { USER: '+OK\r\n', PASS: '+OK\r\n-ERR wrong\r\n' }],
    ['says a word more behind its +OK', '+OK hi\r\n', { USER: '+OK\r\n', PASS: '+OK\r\n* early\r\n' }],
    ['refuses STAT', '+OK hi\r\n', { USER: '+OK\r\n', PASS: '+OK\r\n', STAT: '-ERR [AUTH] wrong\r\n' }],
    ['has no numbers for STAT', '+OK hi\r\n', { USER: '+OK\r\n', PASS: '+OK\r\n', STAT: '+OK logged in\r\n' }],
  ])('does not pass because the server %s', async (_, greeting, table) => {
    const old = await server({ greeting, on: answering(table) })
    expect((await login([old])).at).toBe('unavailable')
  })

  test.each([
    ['USER', '+OK hi\r\n'],
    ['APOP', '+OK hi <1.2@old>\r\n'],
  ])('does not pass because the second line of a greeting comes late, behind it %s', async (_, greeting) => {
    const second = (socket: Socket) => void setTimeout(() => socket.write('+OK second\r\n'), 10)
    const old = await server({ greeting, connected: second, on: answering({ USER: '+OK\r\n' }) })
    const told: unknown[] = []
    expect((await login([old], { noisy: (...where: unknown[]) => void told.push(where) })).at).toBe('unavailable')
    expect(old.lines).toEqual([])
    expect(told).toEqual([['old', old.address]])
  })

  const known = ({ address }: FakeServer) => [{ address: { ...address, quiet: true } }]

  test('is refused by a server known to greet with one line, without a wait', async () => {
    const old = await server({ on: answering({ USER: '+OK\r\n', PASS: '-ERR wrong\r\n' }) })
    expect((await login(known(old))).at).toBe('refuted')
  })

  // Whatever line comes unasked, and before whichever answer: all that come after it are one late.
  test.each(['USER', 'PASS', 'STAT'])(
    'does not pass because a line comes unasked before the answer to %s',
    async (verb) => {
      const table: Record<string, string> = { USER: '+OK\r\n', PASS: '-ERR wrong\r\n', STAT: '-ERR log in first\r\n' }
      let early = ''
      const old = await server({
        on: (line, socket) => {
          const word = line.split(' ', 1)[0] ?? ''
          if (word === verb) {
            early = table[word] ?? ''
            socket.write('+OK second line of the greeting\r\n')
            return
          }
          // The answer that was due before comes when the next command does, as if it had been on its way all the time.
          socket.write(early === '' ? (table[word] ?? '') : early)
          early = early === '' ? '' : (table[word] ?? '')
        },
      })
      const result = await login(known(old))
      expect(result.at).toBe(verb === 'STAT' ? 'refuted' : 'unavailable')
    },
  )

  test.each([1, 2, 3])('does not pass with %i lines too many, sent one at each command', async (count) => {
    const table: Record<string, string> = { USER: '+OK\r\n', PASS: '-ERR wrong\r\n', STAT: '-ERR log in first\r\n' }
    const queue = Array<string>(count).fill('+OK and welcome\r\n')
    const old = await server({
      on: (line, socket) => {
        queue.push(table[line.split(' ', 1)[0] ?? ''] ?? '')
        socket.write(queue.shift() ?? '')
      },
    })
    expect(await login(known(old))).toMatchObject({ at: 'unavailable', retry: false })
  })

  test('and a right one do not pass with answers one late: what follows would be garbled', async () => {
    const late: string[] = ['+OK second line\r\n']
    const table: Record<string, string> = { USER: '+OK\r\n', PASS: '+OK welcome\r\n', STAT: '+OK 0 0\r\n' }
    const old = await server({
      on: (line, socket) => {
        late.push(table[line.split(' ', 1)[0] ?? ''] ?? '')
        socket.write(late.shift() ?? '')
      },
    })
    expect(await login(known(old))).toMatchObject({ at: 'unavailable', retry: false })
    expect(old.lines).toEqual(['USER ann', 'PASS secret', 'STAT'])
  })

  test.each(['+OKAY\r\n', '+ok\r\n', 'OK\r\n', '+\r\n', ' +OK\r\n', '\r\n', '\x00+OK\r\n'])(
    'does not pass with the answer %j',
    async (answer) => {
      const old = await server({ on: answering({ USER: '+OK\r\n', PASS: answer }) })
      expect((await login([old])).at).toBe('unavailable')
    },
  )
})

describe('credentials that would start a command of their own at the old server', () => {
  test.each([
    ['ann\r\nUSER bob', 'secret'],
    ['ann\nUSER bob', 'secret'],
    ['ann\0', 'secret'],
    ['ann bob', 'secret'],
    ['', 'secret'],
    ['a'.repeat(249), 'secret'],
    ['ann', 'x\r\nDELE 1'],
    ['ann', 'x\nDELE 1'],
    ['ann', 'x\rDELE 1'],
    ['ann', 'x\0'],
    ['ann', ''],
    ['ann', 'x'.repeat(249)],
  ])('are refused before anything is connected: %j %j', async (username, password) => {
    const old = await server({ on: willing })
    const result = await login([old], { username, password })
    expect(result.at).toBe('refuted')
    expect(old.sockets).toHaveLength(0)
  })

  test('of the longest kind still fit', async () => {
    const old = await server({ on: willing })
    expect((await login([old], { username: 'a'.repeat(248), password: 'x'.repeat(248) })).at).toBe('proven')
    expect(old.lines.map((line) => line.length)).toEqual([253, 253, 4])
  })

  test('are refused when they do not fit an APOP line', async () => {
    const old = await server({ greeting: '+OK <1@x>\r\n', on: willing })
    expect((await login([old], { username: 'a'.repeat(216) })).at).toBe('refuted')
    expect(old.lines).toEqual([])
  })
})

describe('another address is tried', () => {
  test('when nobody listens at the first', async () => {
    const second = await server({ on: willing })
    expect(await login([await deadAddress(), second])).toMatchObject({
      at: 'proven',
      address: `127.0.0.1:${second.port}`,
    })
  })
  test.each([
    ['refuses at the greeting', { greeting: '-ERR too many\r\n' }],
    ['closes at once', { greeting: null, connected: (socket: Socket) => void socket.destroy() }],
    ['speaks something else', { greeting: '220 smtp\r\n' }],
    ['never ends its line', { greeting: 'x'.repeat(3000) }],
    ['says nothing to USER', { on: () => undefined }],
  ])('when the first %s', async (_, script) => {
    const first = await server(script)
    const second = await server({ on: willing })
    const result = await login([first, second], { deadlines: { greeting: 400, user: 400 } })
    expect(result.at).toBe('proven')
    expect(first.raw()).not.toContain('PASS')
    expect(first.raw()).not.toContain('QUIT')
  })

  test.each([
    ['resets behind its greeting', (line: string) => line.startsWith('USER')],
    ['closes behind its greeting', (line: string) => line.startsWith('USER')],
  ])('when the first %s', async (what, dies) => {
    const first = await server({
      on: (line, socket) => {
        if (dies(line)) what.startsWith('resets') ? socket.resetAndDestroy() : socket.end()
      },
    })
    const second = await server({ on: willing })
    expect((await login([first, second])).at).toBe('proven')
  })

  test.each([
    ['PASS', '+OK hi\r\n'],
    ['APOP', '+OK hi <1.2@old>\r\n'],
    ['STAT', '+OK hi\r\n'],
  ])('never once the password was sent, when the first dies at %s', async (verb, greeting) => {
    const first = await server({
      greeting,
      on: (line, socket) => {
        if (line.startsWith(verb)) socket.destroy()
        else socket.write('+OK\r\n')
      },
    })
    const second = await server({ on: willing })
    expect((await login([first, second])).at).toBe('unavailable')
    expect(second.sockets).toHaveLength(0)
  })

  test('until there is none left', async () => {
    expect(await login([await deadAddress(), await deadAddress()])).toMatchObject({
      at: 'unavailable',
      detail: expect.stringContaining('ECONNREFUSED') as string,
    })
    expect((await login([])).at).toBe('unavailable')
  })
})

describe('an old server that is slow', () => {
  test('to greet is given up at its deadline', async () => {
    const old = await server({ greeting: null })
    expect(await login([old], { deadlines: { greeting: 30 } })).toMatchObject({
      at: 'unavailable',
      detail: 'greeting: no answer in time',
    })
  })
  test('to open the mailbox has login_time', async () => {
    const old = await server({
      on: (line, socket) => {
        if (line.startsWith('USER')) socket.write('+OK\r\n')
      },
    })
    expect(await login([old], { plan: { loginTimeMs: 30 } })).toMatchObject({
      at: 'unavailable',
      detail: 'password: no answer in time',
    })
  })
  test('is given up over all addresses together, and each has its share of the time', async () => {
    const slow = await server({ greeting: null })
    const other = await server({ on: willing })
    expect((await login([slow, slow, slow], { deadlines: { beforePassword: 30 } })).at).toBe('unavailable')
    expect((await login([slow, other], { deadlines: { beforePassword: 1_000 } })).at).toBe('proven')
  })
})

describe('a client that goes away during the login', () => {
  test('closes the connection to the old server without QUIT', async () => {
    const leave = new AbortController()
    const old = await server({
      on: (line, socket) => {
        if (line.startsWith('USER')) socket.write('+OK\r\n')
        else leave.abort()
      },
    })
    expect(await login([old], { signal: leave.signal })).toMatchObject({
      at: 'unavailable',
      level: 'debug',
      retry: false,
    })
    await old.ended()
    expect(old.lines).toEqual(['USER ann', 'PASS secret'])
  })
  test('before it began connects nowhere', async () => {
    const old = await server({ on: willing })
    expect((await login([old], { signal: AbortSignal.abort() })).at).toBe('unavailable')
    expect(old.lines).toEqual([])
  })
})

test('a password that the server repeats gets into neither words nor detail', async () => {
  const old = await server({
    on: (line, socket) => {
      socket.write(line.startsWith('USER') ? '+OK\r\n' : `-ERR [SYS/TEMP] cannot do ${line.toUpperCase()}\r\n`)
    },
  })
  const result = await login([old], { password: 'Hunter2!' })
  expect(result.at).toBe('unavailable')
  expect(JSON.stringify(result).toLowerCase()).not.toContain('hunter2!')
})

describe('an old server that is to know the client', () => {
  const xclient = 'XCLIENT ADDR=192.0.2.7 PORT=4711 SESSION=abc123 TTL=4 CLIENT-TRANSPORT=TLS'
  const dovecot = '+OK [XCLIENT] Dovecot ready.\r\n'

  test('gets a PROXY header before it has said a word, and all else behind its greeting', async () => {
    const first: string[] = []
    const old = await server({
      greeting: null,
      connected: (socket) => {
        socket.once('data', (bytes: Buffer) => {
          first.push(bytes.toString('latin1'))
          socket.write('+OK ready\r\n')
        })
      },
      on: (line, socket) => void (line.startsWith('PROXY') || willing(line, socket)),
    })
    const result = await login([old], { plan: { proxyProtocol: 'v1' } })
    expect(result.at).toBe('proven')
    expect(first).toEqual(['PROXY TCP4 192.0.2.7 198.51.100.1 4711 995\r\n'])
    expect(old.lines).toEqual(['PROXY TCP4 192.0.2.7 198.51.100.1 4711 995', 'USER ann', 'PASS secret', 'STAT'])
  })

  test('gets one at each address that is tried', async () => {
    const one = await server({ greeting: '-ERR [SYS/TEMP] full\r\n' })
    const other = await server({ on: (line, socket) => void (line.startsWith('PROXY') || willing(line, socket)) })
    expect((await login([one, other], { plan: { proxyProtocol: 'v1' } })).at).toBe('proven')
    expect([one.lines[0], other.lines[0]]).toEqual(Array(2).fill('PROXY TCP4 192.0.2.7 198.51.100.1 4711 995'))
  })

  test('is told by XCLIENT before USER, when it offers that', async () => {
    const old = await server({
      greeting: dovecot,
      on: answering({ XCLIENT: '+OK Updated\r\n', USER: '+OK\r\n', PASS: '+OK\r\n' }),
    })
    expect((await login([old], { plan: { xclient: true } })).at).toBe('proven')
    expect(old.lines).toEqual([xclient, 'USER ann', 'PASS secret', 'STAT'])
  })

  test('is not told when it does not offer that, or the policy does not ask for it', async () => {
    const plain = await server({ on: willing })
    const unasked = await server({ greeting: dovecot, on: willing })
    expect((await login([plain], { plan: { xclient: true } })).at).toBe('proven')
    expect((await login([unasked])).at).toBe('proven')
    expect([...plain.lines, ...unasked.lines].filter((line) => line.startsWith('XCLIENT'))).toEqual([])
  })

  test('that offers XCLIENT and refuses it hears no password, and the user is not blamed', async () => {
    const old = await server({ greeting: dovecot, on: answering({ USER: '+OK\r\n', PASS: '+OK\r\n' }) })
    const result = await login([old], { plan: { xclient: true } })
    expect(result).toMatchObject({ at: 'unavailable', detail: 'XCLIENT: offered, and then refused' })
    expect(old.lines).toEqual([xclient])
  })

  test('that answers XCLIENT twice is not believed', async () => {
    const old = await server({ greeting: dovecot, on: answering({ XCLIENT: '+OK\r\n+OK\r\n', USER: '+OK\r\n' }) })
    expect((await login([old], { plan: { xclient: true } })).at).toBe('unavailable')
    expect(old.lines).toEqual([xclient])
  })
})

describe('a health check', () => {
  const PLAIN = { tls: null, proxyProtocol: 'off' as const, busyErrors: [] }
  const QUICK = { quietMs: 5 }

  test.each([
    ['v1', 'PROXY UNKNOWN\r\n'],
    ['v2', '\r\n\r\n\0\r\nQUIT\n \0\0\0'],
  ] as const)('with a PROXY header %s says that there is no client', async (version, header) => {
    // The signature of version 2 holds a QUIT of its own: a server that knows the header answers only what comes behind it.
    let asked = false
    const old = await server({
      on: (line, socket) => {
        asked ||= line.endsWith('CAPA')
        if (asked && /(CAPA|QUIT)$/.test(line)) socket.write('-ERR\r\n')
      },
    })
    expect(await probeBackend(old.address, { ...PLAIN, proxyProtocol: version }, QUICK)).toMatchObject({ at: 'up' })
    expect(old.raw()).toBe(`${header}CAPA\r\nQUIT\r\n`)
  })

  test('sees whether XCLIENT is offered', async () => {
    const old = await server({ greeting: '+OK [XCLIENT] Dovecot ready.\r\n', on: answering({}) })
    expect(await probeBackend(old.address, PLAIN, QUICK)).toMatchObject({ at: 'up', xclient: true })
  })

  const probe = ({ address }: FakeServer, deadlineMs = 2_000) => probeBackend(address, PLAIN, { ...QUICK, deadlineMs })

  test('learns the capabilities, says QUIT and logs nobody in', async () => {
    const old = await server({ on: answering({ CAPA: '+OK\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n', QUIT: '+OK\r\n' }) })
    expect(await probe(old)).toEqual({ at: 'up', capabilities: ['TOP', 'UIDL', 'PIPELINING'], xclient: false })
    expect(old.lines).toEqual(['CAPA', 'QUIT'])
  })
  test('takes -ERR to CAPA for a server without it', async () => {
    const old = await server({ on: answering({ QUIT: '+OK\r\n' }) })
    expect(await probe(old)).toEqual({ at: 'up', capabilities: null, xclient: false })
  })
  test('takes a close at CAPA for a server without it', async () => {
    const old = await server({
      on: (_, socket) => {
        socket.destroySoon()
      },
    })
    expect(await probe(old)).toEqual({ at: 'up', capabilities: null, xclient: false })
  })
  test('keeps no more lines than its messages hold', async () => {
    const old = await server({ on: answering({ CAPA: `+OK\r\n${'X\r\n'.repeat(500)}.\r\n` }) })
    expect(await probe(old)).toMatchObject({ at: 'up', capabilities: { length: 64 } })
  })
  test.each([
    ['refuses at the greeting', { greeting: '-ERR full\r\n' }],
    ['says nothing', { greeting: null }],
    ['speaks something else', { greeting: '220 smtp\r\n' }],
    ['answers one command late', { on: answering({ CAPA: '+OK\r\n+OK list\r\nTOP\r\n.\r\n' }) }],
    ['never ends its CAPA', { on: answering({ CAPA: '+OK\r\nTOP\r\n' }) }],
    ['lists capabilities without end', { on: answering({ CAPA: `+OK\r\n${'X\r\n'.repeat(2_000)}` }) }],
  ])('finds a server down that %s', async (_, script) => {
    expect((await probe(await server(script), 100)).at).toBe('down')
  })
  test('finds an address down where nobody listens', async () => {
    const { address } = await deadAddress()
    expect(await probeBackend(address, PLAIN)).toEqual({ at: 'down', detail: 'connect: ECONNREFUSED' })
  })
  test('sees a second line of greeting, also one that comes late', async () => {
    const second = (socket: Socket) => void setTimeout(() => socket.write('+OK second\r\n'), 100)
    const old = await server({ connected: second, on: answering({}) })
    expect(await probeBackend(old.address, PLAIN, { quietMs: 2_000 })).toEqual({ at: 'noisy' })
    expect(old.lines).toEqual([])
  })
})
