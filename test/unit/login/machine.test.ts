import { expect, test } from 'vitest'
import { LINES_BEFORE_LOGIN_MAX } from '../../../src/base/limits.ts'
import { reveal } from '../../../src/base/secret.ts'
import {
  begin,
  expects,
  inputOf,
  step,
  type Effect,
  type Input,
  type LoginState,
  type LoginVerdict,
} from '../../../src/login/machine.ts'
import * as say from '../../../src/pop3/reply.ts'

/** A connection as a test sees it: what is put in, and the effects of the last input in plain words. */
function dialogue(tls: 'on' | 'none' = 'on', server: readonly string[] | null = null) {
  let state: LoginState = begin(tls, server)
  const put = (input: Input): unknown[] => {
    const done = step(state, input)
    state = done.next
    return done.effects.map(shown)
  }
  const type = (text: string) => put(inputOf(state, { got: 'line', line: Buffer.from(text, 'latin1') }, 0))
  return {
    put,
    type,
    verdict: (verdict: LoginVerdict) => put({ on: 'verdict', verdict }),
    at: () => state.at,
    state: () => state,
    expects: () => expects(state),
    fail: () => {
      type('USER bob')
      type('PASS wrong')
      return put({ on: 'verdict', verdict: { say: 'refuse' } })
    },
  }
}

function shown(effect: Effect): unknown {
  switch (effect.do) {
    case 'reply':
      return effect.text
    case 'judge':
      return ['judge', effect.user.toString('latin1'), reveal(effect.password).toString('latin1'), effect.via]
    case 'violation':
      return ['violation', effect.reason]
    case 'close':
      return ['close', effect.reason]
    case 'relay':
    case 'start-tls':
      return effect.do
  }
}

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64')

test('USER and PASS are judged, and a welcome opens the mailbox with the words of the old server', () => {
  const client = dialogue()
  expect(client.type('USER bob')).toEqual([say.USER_OK])
  expect(client.type('PASS  se cret 123456 ')).toEqual([['judge', 'bob', ' se cret 123456 ', 'USER']])
  expect(client.expects()).toBeNull()
  expect(client.verdict({ say: 'welcome', words: '3 messages' })).toEqual(['+OK 3 messages\r\n', 'relay'])
  expect(client.at()).toBe('done')
})

test('AUTH PLAIN is judged with the response on the line and on a line of its own', () => {
  const response = base64('\0bob\0secret')
  expect(dialogue().type(`AUTH PLAIN ${response}`)).toEqual([['judge', 'bob', 'secret', 'PLAIN']])
  const client = dialogue()
  expect(client.type('AUTH PLAIN')).toEqual([say.CHALLENGE_PLAIN])
  expect(client.expects()).toBe('sasl')
  expect(client.type(response)).toEqual([['judge', 'bob', 'secret', 'PLAIN']])
})

test('AUTH LOGIN is judged after name and password, the name also on the first line', () => {
  for (const first of [['AUTH LOGIN', base64('bob')], [`AUTH LOGIN ${base64('bob')}`]]) {
    const client = dialogue()
    const replies = first.flatMap((line) => client.type(line))
    expect(replies.at(-1)).toBe(say.CHALLENGE_PASSWORD)
    expect(client.type(base64('se cret'))).toEqual([['judge', 'bob', 'se cret', 'LOGIN']])
  }
  expect(dialogue().type('AUTH LOGIN')).toEqual([say.CHALLENGE_USER])
})

test('a bare AUTH lists what is offered', () => {
  expect(dialogue().type('AUTH')).toEqual(['+OK Mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n'])
})

test('a PASS without USER is not judged', () => {
  const client = dialogue()
  expect(client.type('PASS secret')).toEqual([say.USER_FIRST])
  expect(client.at()).toBe('open')
})

test('the last USER counts', () => {
  const client = dialogue()
  client.type('USER bob')
  expect(client.type('USER ann')).toEqual([say.USER_OK])
  expect(client.type('PASS x')).toEqual([['judge', 'ann', 'x', 'USER']])
})

test('a name given to USER does not serve a later AUTH or the PASS behind a refused login', () => {
  const client = dialogue()
  client.type('USER bob')
  client.type('AUTH PLAIN')
  client.type('*')
  expect(client.type('PASS x')).toEqual([say.USER_FIRST])
  expect(client.fail()).toEqual([say.REFUSED])
  expect(client.type('PASS again')).toEqual([say.USER_FIRST])
})

test('the third refused login ends the connection', () => {
  const client = dialogue()
  expect(client.fail()).toEqual([say.REFUSED])
  expect(client.fail()).toEqual([say.REFUSED])
  expect(client.fail()).toEqual([say.REFUSED, ['close', 'too-many-failures']])
  expect(client.at()).toBe('done')
})

test('trouble and a busy maildrop are no failed logins', () => {
  const client = dialogue()
  for (let i = 0; i < 5; i++) {
    client.type('USER bob')
    client.type('PASS x')
    expect(client.verdict({ say: 'trouble', line: say.TROUBLE })).toEqual([say.TROUBLE])
    client.type('USER bob')
    client.type('PASS x')
    expect(client.verdict({ say: 'trouble', line: say.busy('locked') })).toEqual(['-ERR [IN-USE] locked\r\n'])
  }
  expect(client.state().facts.failures).toBe(0)
})

test('an address that the gate shuts out after all hears so and is closed, at the first login', () => {
  const client = dialogue()
  client.type('USER bob')
  client.type('PASS x')
  expect(client.verdict({ say: 'deny' })).toEqual([say.DENIED, ['close', 'denied']])
  expect(client.at()).toBe('done')
  expect(say.DENIED).toMatch(/^-ERR \[SYS\/PERM\] /)
})

test('the third fault of protocol is a violation, and the audit hears our words only', () => {
  const client = dialogue()
  expect(client.type('')).toEqual([say.NOT_UNDERSTOOD])
  expect(client.put({ on: 'fault', fault: 'too-long' })).toEqual([say.TOO_LONG])
  expect(client.type('USER hunter2\0')).toEqual([
    say.TOO_MANY_FAULTS,
    ['violation', 'too-many-faults control-byte'],
    ['close', 'violation'],
  ])
})

test('a fault between USER and PASS does not lose the name', () => {
  const client = dialogue()
  client.type('USER bob')
  expect(client.type('PASS ')).toEqual([say.NOT_UNDERSTOOD])
  expect(client.type('PASS x')).toEqual([['judge', 'bob', 'x', 'USER']])
})

test('a browser is shown the door at its first line', () => {
  expect(dialogue().type('POST / HTTP/1.1')).toEqual([
    say.NOT_UNDERSTOOD,
    ['violation', 'http'],
    ['close', 'violation'],
  ])
})

test.each(['====', 'QUIT', 'AGJvYgB4\rQUIT', base64('bob'), base64('\0bob\0a\r\nDELE 1'), base64('eve\0bob\0x'), ''])(
  'a broken PLAIN response ends the exchange, not the connection: %j',
  (response) => {
    const client = dialogue()
    client.type('AUTH PLAIN')
    expect(client.type(response)).toEqual([say.BAD_SASL])
    expect(client.at()).toBe('open')
  },
)

test('broken base64 three times is a violation', () => {
  const client = dialogue()
  client.type('AUTH PLAIN !')
  client.type('AUTH LOGIN =')
  expect(client.type('AUTH PLAIN =')).toEqual([
    say.TOO_MANY_FAULTS,
    ['violation', 'too-many-faults bad-sasl'],
    ['close', 'violation'],
  ])
})

test('a line too long for SASL ends the exchange', () => {
  const client = dialogue()
  client.type('AUTH LOGIN')
  expect(client.put(inputOf(client.state(), { got: 'too-long' }, 0))).toEqual([say.TOO_LONG])
  expect(client.expects()).toBe('command')
})

test('an AUTH taken back is no fault, but nobody loops for ever', () => {
  const client = dialogue()
  for (let i = 0; i < LINES_BEFORE_LOGIN_MAX / 2; i++) {
    expect(client.type('AUTH LOGIN')).toEqual([say.CHALLENGE_USER])
    expect(client.type('*')).toEqual([say.CANCELLED])
  }
  expect(client.type('NOOP')).toEqual([say.TOO_MANY_LINES, ['violation', 'too-many-commands'], ['close', 'violation']])
})

test.each([
  ['NOOP', say.NOOP_OK],
  ['APOP bob 0123456789abcdef0123456789abcdef', say.NO_APOP],
  ['AUTH CRAM-MD5', say.NO_MECHANISM],
  ['AUTH XOAUTH2 dGVzdA==', say.NO_MECHANISM],
  ['STLS', say.TLS_ALREADY],
  ['STAT', say.LOGIN_FIRST],
  ['DELE 1', say.LOGIN_FIRST],
  ['LANG', say.LOGIN_FIRST],
  ['UTF8', say.UNKNOWN],
  ['EHLO me', say.UNKNOWN],
  ['XCLIENT ADDR=127.0.0.1', say.UNKNOWN],
])('before login %s is answered %j', (line, text) => {
  const client = dialogue()
  expect(client.type(line)).toEqual([text])
  expect(client.at()).toBe('open')
})

test('CAPA lists what the old server has', () => {
  const [text] = dialogue('on', ['TOP', 'STLS']).type('CAPA')
  expect(text).toBe(
    '+OK Capability list follows\r\nUSER\r\nSASL PLAIN LOGIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nTOP\r\n.\r\n',
  )
})

test('QUIT says good-bye and closes', () => {
  const client = dialogue()
  client.type('USER bob')
  expect(client.type('QUIT')).toEqual([say.BYE, ['close', 'quit']])
})

test('the deadline closes in every state, also while a login is judged, and a late welcome opens nothing', () => {
  const client = dialogue()
  client.type('USER bob')
  client.type('PASS x')
  expect(client.put({ on: 'deadline' })).toEqual([say.TOO_SLOW, ['close', 'login-timeout']])
  expect(client.verdict({ say: 'welcome', words: '' })).toEqual([])
  expect(client.type('STAT')).toEqual([])
  expect(client.at()).toBe('done')
})

test('a client that is gone hears nothing, one that is turned away does', () => {
  expect(dialogue().put({ on: 'stop', reason: 'client-reset' })).toEqual([['close', 'client-reset']])
  expect(dialogue().put({ on: 'stop', reason: 'draining' })).toEqual([say.DRAINING, ['close', 'draining']])
  expect(dialogue().put({ on: 'stop', reason: 'evicted' })).toEqual([say.TROUBLE, ['close', 'evicted']])
})

test('a welcome that nobody asked for closes instead of opening', () => {
  for (const lines of [[], ['USER bob'], ['AUTH LOGIN'], ['AUTH LOGIN', base64('bob')]]) {
    const client = dialogue()
    for (const line of lines) client.type(line)
    expect(client.verdict({ say: 'welcome', words: '' })).toEqual([say.TROUBLE, ['close', 'internal-error']])
    expect(client.at()).toBe('done')
  }
})

test('one judgement opens one session: a second welcome does nothing', () => {
  const client = dialogue()
  client.type('USER bob')
  client.type('PASS x')
  client.verdict({ say: 'welcome', words: '' })
  expect(client.verdict({ say: 'welcome', words: '' })).toEqual([])
})

test('a line fed while a login is judged, or a command fed as SASL, is our bug and closes', () => {
  const judging = dialogue()
  judging.type('USER bob')
  judging.type('PASS x')
  expect(judging.put({ on: 'command', command: { verb: 'NOOP' } })).toEqual([say.TROUBLE, ['close', 'internal-error']])
  const challenged = dialogue()
  challenged.type('AUTH PLAIN')
  expect(challenged.put({ on: 'command', command: { verb: 'NOOP' } }).at(-1)).toEqual(['close', 'internal-error'])
  const open = dialogue()
  expect(open.put({ on: 'sasl-line', line: Buffer.from('AA==') }).at(-1)).toEqual(['close', 'internal-error'])
})

test.each(['USER bob', 'PASS x', 'AUTH PLAIN', `AUTH PLAIN ${base64('\0bob\0x')}`])(
  'without TLS nobody logs in, and the audit hears of it without what was typed: %s',
  (line) => {
    const client = dialogue('none')
    const verb = line.split(' ', 1)[0] ?? ''
    expect(client.type(line)).toEqual([say.TLS_FIRST, ['violation', `${verb.toLowerCase()}-before-stls`]])
    expect(client.at()).toBe('open')
  },
)

test('without TLS the mechanisms are not listed either', () => {
  expect(dialogue('none').type('AUTH')).toEqual([say.TLS_FIRST])
})

test('STLS with anything behind it closes; where TLS stands it is a command like any other', () => {
  const stls = { got: 'line', line: Buffer.from('stls') } as const
  const client = dialogue('none')
  expect(client.put(inputOf(client.state(), stls, 1))).toEqual([
    say.NOT_UNDERSTOOD,
    ['violation', 'behind-stls'],
    ['close', 'violation'],
  ])
  const secured = dialogue('on')
  expect(secured.put(inputOf(secured.state(), stls, 1))).toEqual([say.TLS_ALREADY])
})

test('STLS starts TLS once; nothing typed before it is left, and the tallies stay', () => {
  const client = dialogue('none')
  expect(client.type('CAPA')[0]).toContain('\r\nSTLS\r\n')
  client.type('')
  client.type('USER bob')
  expect(client.type('STLS')).toEqual([say.STLS_OK, 'start-tls'])
  expect(client.expects()).toBeNull()
  expect(client.put({ on: 'secured' })).toEqual([])
  expect(client.type('PASS x')).toEqual([say.USER_FIRST])
  expect(client.type('CAPA')[0]).not.toContain('STLS')
  expect(client.type('STLS')).toEqual([say.TLS_ALREADY])
  expect(client.state().facts).toMatchObject({ tls: 'on', faults: 1, lines: 7 })
})

test('a command injected behind STLS and fed all the same closes the connection without a word', () => {
  const client = dialogue('none')
  client.type('STLS')
  expect(client.put({ on: 'command', command: { verb: 'USER', name: Buffer.from('eve') } })).toEqual([
    ['close', 'internal-error'],
  ])
})

test('TLS that nobody asked for is our bug and closes', () => {
  expect(dialogue('on').put({ on: 'secured' }).at(-1)).toEqual(['close', 'internal-error'])
  expect(dialogue('none').put({ on: 'secured' }).at(-1)).toEqual(['close', 'internal-error'])
})
