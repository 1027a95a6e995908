import { describe, expect, test } from 'vitest'
import { createFollower, type Expected, type Finished, type Follower } from '../../../src/relay/follower.ts'

const single = (verb: string): Expected => ({ verb, multiLine: false })
const multi = (verb: string): Expected => ({ verb, multiLine: true })

/** Feeds a text whole and gives what ended, and the runs as pairs of owner and text. */
function feed(follower: Follower, text: string): { finished: Finished[]; runs: [string | null, string][] } {
  const chunk = Buffer.from(text, 'latin1')
  const finished: Finished[] = []
  const runs: [string | null, string][] = []
  for (let at = 0; at < chunk.length;) {
    const step = follower.advance(chunk, at)
    runs.push([step.command?.verb ?? null, chunk.toString('latin1', at, step.end)])
    if (step.finished !== null) finished.push(step.finished)
    at = step.end
  }
  return { finished, runs }
}

function following(...commands: Expected[]): Follower {
  const follower = createFollower()
  for (const command of commands) follower.expect(command)
  return follower
}

describe('a reply of one line', () => {
  test('ends with its line, with +OK or without', () => {
    const follower = following(single('STAT'), single('DELE'))
    const { finished } = feed(follower, '+OK 2 320\r\n-ERR no such message\r\n')
    expect(finished.map(({ command, ok }) => [command.verb, ok])).toEqual([
      ['STAT', true],
      ['DELE', false],
    ])
    expect(follower.pending()).toBe(0)
    expect(follower.between()).toBe(true)
  })

  test('is open until its LF came', () => {
    const follower = following(single('STAT'))
    feed(follower, '+OK 2')
    expect(follower.between()).toBe(false)
    feed(follower, ' 320\r')
    expect(follower.between()).toBe(false)
    feed(follower, '\n')
    expect(follower.between()).toBe(true)
  })

  test('that is neither +OK nor -ERR counts as refused', () => {
    const { finished } = feed(following(multi('RETR')), 'hello\r\n')
    expect(finished).toEqual([{ command: multi('RETR'), ok: false }])
  })

  test('of an empty line counts as refused', () => {
    expect(feed(following(single('NOOP')), '\r\n').finished[0]?.ok).toBe(false)
  })
})

describe('a reply of many lines', () => {
  const ends = (body: string, status = '+OK\r\n') => feed(following(multi('RETR')), status + body).finished.length === 1

  test('ends at a dot alone on a line', () => {
    expect(ends('text\r\n.\r\n')).toBe(true)
  })
  test('may be empty', () => {
    expect(ends('.\r\n')).toBe(true)
  })
  test('that was refused has no lines', () => {
    expect(feed(following(multi('RETR')), '-ERR gone\r\n').finished).toEqual([{ command: multi('RETR'), ok: false }])
  })
  test('does not end at a stuffed dot', () => {
    expect(ends('..\r\n')).toBe(false)
  })
  test('does not end at a dot behind other text', () => {
    expect(ends('a.\r\n')).toBe(false)
  })
  test('does not end at a dot behind a bare CR', () => {
    expect(ends('a\r.\r\n')).toBe(false)
  })
  test('ends at a dot line behind a line that ended in a bare LF', () => {
    expect(ends('a\n.\r\n')).toBe(true)
  })
  test('does not end at dot LF when the server ends its lines in CRLF', () => {
    expect(ends('a\r\n.\n')).toBe(false)
  })
  test('ends at dot LF when the server ended its status line in a bare LF', () => {
    expect(ends('a\n.\n', '+OK\n')).toBe(true)
    expect(ends('.\n', '+OK\n')).toBe(true)
  })
  test('ends at dot CRLF also when the status line ended in a bare LF', () => {
    expect(ends('a\n..\nb\n.\r\n', '+OK\n')).toBe(true)
  })
  test('does not end in dot CR alone', () => {
    expect(ends('a\r\n.\r\r\n')).toBe(false)
  })
  test('a message that imitates a status line belongs to the message', () => {
    const follower = following(multi('RETR'), single('QUIT'))
    const { finished } = feed(follower, '+OK\r\n+OK bye\r\n-ERR\r\n')
    expect(finished).toEqual([])
    expect(follower.pending()).toBe(2)
  })
  test('is followed by the next reply in the same chunk', () => {
    const { runs } = feed(following(multi('LIST'), single('QUIT')), '+OK\r\n1 9\r\n.\r\n+OK bye\r\n')
    expect(runs.map(([verb]) => verb)).toEqual(['LIST', 'LIST', 'QUIT'])
    expect(runs[2]?.[1]).toBe('+OK bye\r\n')
  })
})

describe('bytes nobody asked for', () => {
  test('belong to no command', () => {
    const follower = createFollower()
    expect(feed(follower, '-ERR autologout\r\n').runs).toEqual([[null, '-ERR autologout\r\n']])
    expect(follower.between()).toBe(true)
  })

  test('end with their line, even when a command went out in its middle', () => {
    const follower = createFollower()
    feed(follower, '-ERR auto')
    expect(follower.between()).toBe(false)
    follower.expect(single('STAT'))
    const { runs, finished } = feed(follower, 'logout\r\n+OK 0 0\r\n')
    expect(runs).toEqual([
      [null, 'logout\r\n'],
      ['STAT', '+OK 0 0\r\n'],
    ])
    expect(finished).toHaveLength(1)
  })
})
