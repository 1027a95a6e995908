import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { reveal } from '../../../src/base/secret.ts'
import { isPassword, isUserName, parse, readSessionLine } from '../../../src/pop3/command.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const read = (text: string) => parse(bytes(text))
const FAULT = (fault: string) => ({ got: 'fault', fault })

function commandOf(text: string) {
  const parsed = read(text)
  if (parsed.got !== 'command') throw new Error(`${text}: ${parsed.fault}`)
  return parsed.command
}
function passwordOf(text: string): string {
  const command = commandOf(text)
  if (command.verb !== 'PASS') throw new Error(command.verb)
  return reveal(command.password).toString('latin1')
}

test.each(['CAPA', 'NOOP', 'QUIT', 'STLS', 'APOP'])('%s is read in any case', (verb) => {
  expect(commandOf(verb)).toEqual({ verb })
  expect(commandOf(verb.toLowerCase())).toEqual({ verb })
})

test('a trailing space does not spoil a command without arguments, an argument does', () => {
  expect(commandOf('quit ')).toEqual({ verb: 'QUIT' })
  expect(read('QUIT now')).toEqual(FAULT('bad-argument'))
  expect(read('STLS x')).toEqual(FAULT('bad-argument'))
})

test('USER keeps the name as it was typed, in memory of its own', () => {
  const line = bytes('USER bob')
  const parsed = parse(line)
  line.fill(0)
  expect(parsed).toEqual({ got: 'command', command: { verb: 'USER', name: bytes('bob') } })
  expect(commandOf('user Ann.O\xf6@Example.com')).toEqual({ verb: 'USER', name: bytes('Ann.O\xf6@Example.com') })
})

test.each(['USER', 'USER ', 'USER  bob', 'USER bob ', 'USER bob x', `USER ${'x'.repeat(249)}`])(
  'a name that an old server could take for another is refused: %j',
  (line) => {
    expect(read(line)).toEqual(FAULT('bad-argument'))
  },
)

test('a password keeps every space, and control bytes that end no line', () => {
  expect(passwordOf('PASS secret')).toBe('secret')
  expect(passwordOf('pass  two  words ')).toBe(' two  words ')
  expect(passwordOf('PASS \ttab\x01\x7f\xff')).toBe('\ttab\x01\x7f\xff')
  expect(passwordOf('PASS GET / HTTP/1.1')).toBe('GET / HTTP/1.1')
})

test('an empty password is no command', () => {
  expect(read('PASS')).toEqual(FAULT('bad-argument'))
  expect(read('PASS ')).toEqual(FAULT('bad-argument'))
})

test('a parsed PASS and AUTH hold neither their raw line nor a view of it', () => {
  for (const text of ['PASS hunter2-123456', 'AUTH PLAIN aHVudGVyMg==']) {
    const line = bytes(text)
    const parsed = parse(line)
    const word = text.split(' ').at(-1) ?? ''
    expect(inspect(parsed, { depth: 10, showHidden: true })).not.toContain(word)
    expect(JSON.stringify(parsed)).not.toContain(word)
    line.fill(0)
    if (parsed.got !== 'command') throw new Error(parsed.fault)
    if (parsed.command.verb === 'PASS') expect(reveal(parsed.command.password)).toEqual(bytes(word))
    else if (parsed.command.verb === 'AUTH' && parsed.command.initial !== null) {
      expect(reveal(parsed.command.initial)).toEqual(bytes(word))
    } else throw new Error(parsed.command.verb)
  }
})

test.each([
  'NOOP\rSTLS',
  'PASS a\rb',
  'PASS a\0b',
  'PASS a\nb',
  'USER b\0b',
  'RETR 1\rDELE 1',
  '\0',
  'USER b\tb',
  'NO\x7fOP',
])('a byte that could end a line somewhere behind us goes no further: %j', (line) => {
  expect(read(line)).toEqual(FAULT('control-byte'))
})

test('a line without a keyword is a fault', () => {
  expect(read('')).toEqual(FAULT('empty-line'))
  expect(read(' ')).toEqual(FAULT('empty-line'))
  expect(read(' USER bob')).toEqual(FAULT('empty-line'))
})

test.each(['GET / HTTP/1.1', 'post /x', 'HEAD / HTTP/1.0', 'PRI * HTTP/2.0', 'CONNECT a:25 HTTP/1.1', 'GET /\0'])(
  'a browser that was made to speak to us is known at once: %j',
  (line) => {
    expect(read(line)).toEqual(FAULT('http'))
    expect(readSessionLine(bytes(line))).toEqual({ say: 'fault', fault: 'http' })
  },
)

test('AUTH is read with and without mechanism and first response', () => {
  expect(commandOf('AUTH')).toEqual({ verb: 'AUTH', mechanism: null, initial: null })
  expect(commandOf('auth plain')).toEqual({ verb: 'AUTH', mechanism: 'PLAIN', initial: null })
  const command = commandOf('AUTH SCRAM-SHA-256 dGVz')
  expect(command).toMatchObject({ verb: 'AUTH', mechanism: 'SCRAM-SHA-256' })
})

test.each(['AUTH ', 'AUTH PLAIN ', 'AUTH  PLAIN', 'AUTH PLAIN a b', 'AUTH PL\xdfIN', `AUTH ${'A'.repeat(21)}`])(
  'AUTH of another shape is a fault: %j',
  (line) => {
    expect(read(line)).toEqual(FAULT('bad-argument'))
  },
)

test('mailbox commands are read whatever their arguments', () => {
  expect(commandOf('RETR x y z')).toEqual({ verb: 'mailbox', word: 'RETR' })
  expect(commandOf('lang')).toEqual({ verb: 'mailbox', word: 'LANG' })
})

test('of an unknown line nothing is kept but a word of a fixed list: it may be a password that went astray', () => {
  expect(commandOf('hunter2')).toEqual({ verb: 'unknown', word: '?' })
  expect(commandOf('AGJvYgBodW50ZXIy')).toEqual({ verb: 'unknown', word: '?' })
  expect(commandOf('ehlo me')).toEqual({ verb: 'unknown', word: 'EHLO' })
  expect(commandOf('XTND XMIT')).toEqual({ verb: 'unknown', word: 'XTND' })
})

test('a letter that upper-cases to two does not spell a keyword', () => {
  expect(commandOf('PA\xdf hunter2')).toEqual({ verb: 'unknown', word: '?' })
})

test('what is a user name and what is a password', () => {
  expect(isUserName(bytes('CORP\\bob'))).toBe(true)
  expect(isUserName(bytes('x'.repeat(248)))).toBe(true)
  for (const bad of ['', ' ', 'a b', 'a\0', 'a\r\n', '\x1b[2J', 'x'.repeat(249)])
    expect(isUserName(bytes(bad))).toBe(false)
  expect(isPassword(bytes(' '))).toBe(true)
  for (const bad of ['', 'a\0b', 'a\rb', 'a\nb']) expect(isPassword(bytes(bad))).toBe(false)
})

test.each([
  ['STAT', 'single'],
  ['LIST', 'multi'],
  ['LIST 1', 'single'],
  ['UIDL', 'multi'],
  ['UIDL 1', 'single'],
  ['RETR 1', 'multi'],
  ['TOP 1 0', 'multi'],
  ['DELE 1', 'single'],
  ['NOOP', 'single'],
  ['RSET', 'single'],
  ['LAST', 'single'],
  ['CAPA', 'multi'],
  ['LANG', 'multi'],
  ['LANG fr', 'single'],
  ['QUIT', 'single'],
])('after login %s is carried and answered %s-line', (line, reply) => {
  expect(readSessionLine(bytes(line))).toEqual({
    say: 'carry',
    verb: line.split(' ')[0],
    argument: line.includes(' '),
    reply,
    line: bytes(line),
  })
})

test('after login a line goes on in one spelling, so that both sides count the same replies', () => {
  const multi = { say: 'carry', verb: 'LIST', argument: false, reply: 'multi', line: bytes('LIST') }
  expect(readSessionLine(bytes('list '))).toEqual(multi)
  expect(readSessionLine(bytes('LIST   '))).toEqual(multi)
  expect(readSessionLine(bytes('tOP  1   0 '))).toMatchObject({ argument: true, line: bytes('TOP 1 0') })
})

test.each([
  'STLS',
  'AUTH PLAIN x',
  'AUTH',
  'UTF8',
  'USER bob',
  'PASS x',
  'APOP a b',
  'XTND XMIT',
  'XCLIENT ADDR=1',
  'foo',
])('after login %s ends at us', (line) => {
  expect(readSessionLine(bytes(line))).toEqual({ say: 'refuse' })
})

test.each(['RETR 1\rDELE 1', 'RETR 1\0', 'DELE\t1', 'PASS a\rb', '\x16\x03\x01'])(
  'after login no control byte reaches the old server: %j',
  (line) => {
    expect(readSessionLine(bytes(line))).toEqual({ say: 'fault', fault: 'control-byte' })
  },
)

test('after login an empty line is a fault', () => {
  expect(readSessionLine(bytes(''))).toEqual({ say: 'fault', fault: 'empty-line' })
})
