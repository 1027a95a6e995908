import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { main } from '../../src/main.ts'
import { askServer } from '../../src/keeper/control.ts'
import type { LiveSession } from '../../src/keeper/end-sessions.ts'
import { openClient, scriptedServer, type Client, type ScriptedServer } from '../dialog/peers.ts'
import { startPostern, until, type Line, type Running } from '../support/running.ts'

const ROSTER = 'ann@example.com annie@example.com # two names\nbob@example.com\ncarl@example.com\ndora@example.com\n'
let server: ScriptedServer
let postern: Running

beforeAll(async () => {
  server = await scriptedServer({})
  postern = await startPostern({
    backendPort: server.port,
    login: {
      users: { default_domain: 'example.com', roster: 'lists/users.txt' },
      second_factor: { required_for: 'enrolled' },
      failures: { reply_after: '50ms' },
    },
    files: { 'lists/users.txt': ROSTER },
  })
}, 60_000)
afterAll(async () => {
  await postern.close()
  server.close()
})

const ask = async (command: string, args: Record<string, unknown> = {}) =>
  (await askServer(join(postern.folder, 'state'), command, args))?.result

/** The command line, in this process. */
async function cli(...args: string[]) {
  const said = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += String(text)
      return true
    }),
  )
  try {
    const code = await main([...args, '-c', postern.config])
    return { code, ...said }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

/** A session that is open, with the old server's ear in the test's hand. */
async function logIn(user: string, secret: string): Promise<Client> {
  if (server.logins() > 0) server.next()
  const client = await openClient(postern.port)
  client.socket.write(`USER ${user}\r\nPASS ${secret}\r\n`)
  const ear = await server.ear()
  expect(await ear.line()).toMatch(/^USER/)
  await server.write(Buffer.from('+OK\r\n'))
  expect(await ear.line()).toMatch(/^PASS/)
  await server.write(Buffer.from('+OK\r\n'))
  for (const wanted of [/POP3 ready/, /Send PASS/, /^\+OK/]) expect(await client.ear.line()).toMatch(wanted)
  return client
}

/** What the session stream says of a user's last session. */
const ended = (user: string) =>
  until(`the end of ${user}`, () => {
    const lines = postern.audit('session').filter((line) => (line as { user?: { name: string } }).user?.name === user)
    return lines.at(-1)?.event.action === 'session-closed' && lines.slice(-2).map(({ event }) => event)
  })

describe('an open session', () => {
  test('is listed and killed: the old server sees its connection close without QUIT', async () => {
    const client = await logIn('bob', 'secret')
    const [session] = (await ask('session.list')) as LiveSession[]
    expect(session).toMatchObject({ user: 'bob@example.com', address: '127.0.0.1', listener: 'outside', factor: 'none', ending: false }) // prettier-ignore
    const listed = await cli('session', 'list')
    expect(listed.stdout).toMatch(
      new RegExp(`^${session?.id}  bob@example\\.com  127\\.0\\.0\\.1 .*outside -> old-mail`),
    )
    const killed = await cli('session', 'kill', session?.id ?? '', '--reason', 'looks wrong')
    expect([killed.code, killed.stdout]).toEqual([0, 'one session was told to end\n'])
    expect(await (await server.ear()).line()).toMatch(/^<(EOF|RESET)>$/)
    await client.ear.ended()
    expect(await ended('bob@example.com')).toMatchObject([
      { action: 'session-killed', reason: 'looks wrong' },
      { action: 'session-closed', reason: 'killed' },
    ])
    expect((await cli('session', 'kill', session?.id ?? '')).stderr).toMatch(/^postern: \w+ has no open session/)
  })

  test('killed behind its QUIT: the answer is waited for, and what it deletes is deleted', async () => {
    const client = await logIn('bob', 'secret')
    const ear = await server.ear()
    client.socket.write('DELE 1\r\n')
    expect(await ear.line()).toBe('DELE 1')
    await server.write(Buffer.from('+OK\r\n'))
    client.socket.write('QUIT\r\n')
    expect(await ear.line()).toBe('QUIT')
    await ask('session.kill', { user: 'Bob' })
    expect(await ask('session.list')).toMatchObject([{ user: 'bob@example.com', ending: true }])
    await expect(ask('session.kill', { user: 'bob' })).rejects.toThrow(/not ending already/)
    await server.write(Buffer.from('+OK bye\r\n'))
    await server.end('end')
    await ended('bob@example.com')
    const closed = postern.audit('session').at(-1) as Line & { postern: { messages: { deleted: number } } }
    expect(closed).toMatchObject({ event: { reason: 'killed' }, postern: { messages: { deleted: 1 } } })
    expect(await ask('session.list')).toEqual([])
  })

  test('ends with a freeze, and nobody gets in after it, though never enrolled', async () => {
    const client = await logIn('carl', 'secret')
    const froze = await cli('user', 'freeze', 'CARL', '--reason', 'left the house')
    expect(froze.stdout).toBe('carl@example.com is frozen, and one session was told to end\n')
    await client.ear.ended()
    const again = await openClient(postern.port)
    again.socket.write('USER carl\r\nPASS secret\r\n')
    for (const wanted of [/ready/, /Send PASS/, /^-ERR \[AUTH\]/]) expect(await again.ear.line()).toMatch(wanted)
    again.raw.destroy()
    const show = (await cli('user', 'show', 'carl')).stdout
    expect(show).toMatch(/^state {10}frozen\nfrozen .*: left the house$/m)
    expect(await ask('user.unfreeze', { user: 'carl' })).toEqual({ user: 'carl@example.com' })
    expect(postern.audit('auth').map(({ event }) => event.action)).toEqual(expect.arrayContaining(['user-frozen', 'user-unfrozen'])) // prettier-ignore
  })
})

describe('enrolling a file', () => {
  const file = (text: string | Buffer) => {
    const path = join(postern.folder, 'people.txt')
    writeFileSync(path, text)
    return path
  }
  const out = (name: string) => join(postern.folder, name)
  const enroll = (from: string, name: string, ...more: string[]) =>
    cli('user', 'enroll', '--from', from, '--out', out(name), ...more)
  const states = async () => Object.fromEntries(((await ask('user.list')) as { user: string; state: string }[]).map(({ user, state }) => [user.split('@')[0], state])) // prettier-ignore

  test('with bad lines names each of them, and does nothing at all', async () => {
    const from = file(Buffer.concat([Buffer.from('# staff\r\n\r\nann # first floor\r\nnobody\r\na@b@c\nANN@example.com\n'), Buffer.from([0x62, 0xe9, 0x0a]), Buffer.from('bob carl\n')])) // prettier-ignore
    const ran = await enroll(from, 'never')
    expect([ran.code, ran.stdout]).toEqual([1, ''])
    expect(ran.stderr.split('\n').map((line) => line.replace(`postern: ${from}:`, ''))).toEqual([
      '4: the roster does not name `nobody@example.com`',
      '5: `a@b@c` is no user name; see `users` in login.yaml',
      '6: ann@example.com stands in line 3 already',
      '7: is not UTF-8; save the file as UTF-8',
      '8: names more than one user: bob@example.com, carl@example.com',
      '',
    ])
    expect(existsSync(out('never'))).toBe(false)
    expect(await states()).toMatchObject({ ann: 'none', bob: 'none' })
  })

  test('leaves a private sheet for each, whose secret is the one that counts', async () => {
    expect((await enroll(file(ROSTER.replace(/carl.*\n/, '')), 'sheets')).stdout).toBe(
      `3 enrolled, 0 skipped; the sheets are in ${out('sheets')}\n`,
    )
    expect(readdirSync(out('sheets')).toSorted()).toEqual(
      ['ann', 'bob', 'dora'].map((user) => `${user}@example.com.html`),
    )
    const mode = (path: string) => statSync(path).mode & 0o777
    expect([mode(out('sheets')), mode(join(out('sheets'), 'ann@example.com.html'))]).toEqual([0o700, 0o600])
    expect(await states()).toEqual({ ann: 'pending', bob: 'pending', carl: 'none', dora: 'pending' })
    const sheet = readFileSync(join(out('sheets'), 'dora@example.com.html'), 'utf8')
    const [code = ''] = /[0-9a-z]{5}-[0-9a-z]{5}(?=<)/.exec(sheet) ?? []
    const client = await logIn('dora', `secret${code}`)
    const live = (await ask('session.list')) as LiveSession[]
    expect(live.at(-1)).toMatchObject({ user: 'dora@example.com', factor: 'recovery-code' })
    client.raw.destroy()
  })

  test('again skips who is enrolled; with --replace it overwrites no sheet, and enrols nobody then', async () => {
    const before = readFileSync(join(out('sheets'), 'ann@example.com.html'), 'utf8')
    expect((await enroll(file('ann\nbob'), 'sheets')).stdout).toMatch(
      /^ann@example\.com is enrolled already[^]*0 enrolled, 2 skipped\n$/,
    )
    const at = await ask('user.show', { user: 'ann' })
    expect((await enroll(file('carl\nann'), 'sheets', '--replace')).stderr).toMatch(
      /nobody was enrolled: .*exists already/,
    )
    expect(readFileSync(join(out('sheets'), 'ann@example.com.html'), 'utf8')).toBe(before)
    expect(existsSync(join(out('sheets'), 'carl@example.com.html'))).toBe(false)
    expect(await ask('user.show', { user: 'ann' })).toEqual(at)
    expect(await states()).toMatchObject({ carl: 'none' })
  })

  test('enrols nobody and leaves no sheet when the store cannot be written', async () => {
    const other = new DatabaseSync(join(postern.folder, 'state/postern.sqlite'))
    other.exec('BEGIN IMMEDIATE')
    const ran = await enroll(file('carl'), 'sheets')
    other.close()
    expect(ran.stderr).toMatch(/^postern: nobody was enrolled: another program holds the store/)
    expect(existsSync(join(out('sheets'), 'carl@example.com.html'))).toBe(false)
    expect(await states()).toMatchObject({ carl: 'none' })
  })

  test('needs a folder that nobody else reads', async () => {
    mkdirSync(out('open'), { mode: 0o755 })
    expect((await enroll(file('carl'), 'open')).stderr).toMatch(/can be read by others: chmod 700/)
    expect((await enroll(file('carl'), 'people.txt')).stderr).toMatch(/is no folder/)
    expect((await enroll(file('carl'), 'people.txt/such')).stderr).toMatch(/cannot be made \(ENOTDIR\)/)
    expect(await states()).toMatchObject({ carl: 'none' })
  })

  test('wants a file and a folder, or a user: anything else is bad usage', async () => {
    for (const args of [[], ['--from', 'x'], ['ann', '--out', 'x']]) {
      expect((await cli('user', 'enroll', ...args)).code).toBe(2)
    }
  })
})

test('a roster that gives an enrolled user another name is refused, and so is a removal while it names the user', async () => {
  const roster = join(postern.folder, 'policies/lists/users.txt')
  writeFileSync(roster, ROSTER.replace('ann@example.com annie@example.com', 'annie@example.com ann@example.com'))
  await expect(ask('reload')).rejects.toThrow(
    /login\.yaml:\d+:\d+: .*ann@example\.com as an alias of annie@example\.com/,
  )
  await expect(ask('user.remove', { user: 'annie' })).rejects.toThrow(/the roster still names ann@example\.com/)
  writeFileSync(roster, ROSTER.replace(/dora.*\n/, ''))
  await ask('reload')
  expect(await ask('user.remove', { user: 'dora' })).toBe('dora@example.com')
})
