import { beforeEach, describe, expect, test } from 'vitest'
import { createLog, type Level, type Log } from '../../../src/base/log.ts'
import { Secret } from '../../../src/base/secret.ts'

let written: string
beforeEach(() => (written = ''))

function log(level: Level, format: 'json' | 'text'): Log {
  return createLog(level, format, { write: (line) => (written += line) })
}

describe('as text', () => {
  test('a record is one line: time, level, words, facts', () => {
    log('info', 'text').warn({ name: 'mail', days: 12 }, 'certificate is close to its end')
    expect(written).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warn {2}certificate is close to its end name=mail days=12\n$/,
    )
  })

  test('a value cannot pose as another fact or another record', () => {
    log('info', 'text').info({ user: 'ann ip=192.0.2.1 "x"\n2027 error' }, 'login\n\u001b[2Jfaked')
    expect(written.split('\n')).toHaveLength(2)
    expect(written).toContain('login\\u{a}\\u{1b}[2Jfaked user="ann ip=192.0.2.1 \\"x\\"\\\\u{a}2027 error"')
  })
})

describe('as JSON', () => {
  test('a record is one object with time, level and words', () => {
    log('info', 'json').error({ front: 3 }, 'front killed')
    expect(JSON.parse(written)).toMatchObject({ level: 'error', msg: 'front killed', front: 3 })
  })

  test('is cleaned as well', () => {
    log('info', 'json').info({ user: 'a\u202eb' }, 'x\u2028y')
    expect(JSON.parse(written)).toMatchObject({ msg: 'x\\u{2028}y', user: 'a\\u{202e}b' })
  })
})

test('what is below the level is not written', () => {
  const quiet = log('warn', 'text')
  quiet.debug('a')
  quiet.info('b')
  quiet.warn('c')
  expect(written).toMatch(/warn {2}c\n$/)
})

test('a secret that got into the facts is not readable', () => {
  log('info', 'json').info({ password: new Secret(Buffer.from('geheim')) as unknown as string }, 'x')
  expect(written).toContain('[secret]')
  expect(written).not.toContain('geheim')
})
