/** Plays a dialogue against a real Postern and holds every step against what happens. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { reply, startResolver, type Asked } from '../support/dns-server.ts'
import { askServer } from '../../src/keeper/control.ts'
import { startPostern, until, type Line, type Running } from '../support/running.ts'
import { openClient, scriptedServer, secureClient, type Client, type ScriptedServer } from './peers.ts'
import { bytesOf, type Dialogue, type Numbered } from './script.ts'

/** Where a dialogue is played: whose user and which old server are its own, and from which address its clients come. */
export type Place = { postern: Running; server: ScriptedServer; user: string; ip: string; alone?: boolean }

type Stage = Place & {
  clients: Map<number, Client>
  settings: Dialogue['settings']
  /** Codes by their distance in steps. */
  codes: Map<number, string>
  /** App passwords by their names. */
  apps: Map<string, string>
  /** How many lines of each stream have been looked at. */
  read: Map<string, number>
}

/** The user of every text; a dialogue that shares its Postern gets one of its own in that place. */
export const USER = 'ann@example.com'

/** Tells whether a dialogue changes nothing that others would notice. */
export function canShare({ settings, steps }: Dialogue): boolean {
  const own = ['postern', 'login', 'networks', 'reputation', 'rates', 'backend'].some(
    (name) => settings[name] !== undefined,
  )
  return !own && steps.every((step) => step.do !== 'postern' || step.act.startsWith('app-password '))
}

/** Plays a dialogue on a Postern of its own, and takes that down. */
export async function playAlone(dialogue: Dialogue): Promise<void> {
  const server = await scriptedServer(dialogue.settings['backend'] ?? {})
  const listed = dialogue.settings['zone'] ?? {}
  const resolver = await startResolver((asked) => [zoneAnswer(listed, asked)])
  const {
    postern: over,
    login,
    networks,
    reputation,
    rates,
  } = filled(dialogue.settings, {
    backend: `127.0.0.1:${server.port}`,
    resolver: `127.0.0.1:${resolver.port}`,
  })
  const postern = await startPostern({
    backendPort: server.port,
    ...(over && { postern: over }),
    ...(login && { login }),
    ...(networks && { networks }),
    ...(reputation && { reputation }),
    ...(rates && { rates }),
  })
  try {
    await postern.enroll(USER)
    await play(dialogue, { postern, server, user: USER, ip: '127.0.0.1', alone: true })
  } finally {
    await postern.close()
    server.close()
    resolver.close()
  }
}

/** `{backend}` and `{resolver}` stand for the addresses of the old server and of the resolver. */
function filled(settings: Dialogue['settings'], places: Record<string, string>): Dialogue['settings'] {
  const text = JSON.stringify(settings).replaceAll(
    /\{(backend|resolver)\}/g,
    (all, name: string) => places[name] ?? all,
  )
  return JSON.parse(text) as Dialogue['settings']
}

/** A name that is not listed does not exist: that is how a zone says no (RFC 5782). */
function zoneAnswer(listed: Record<string, unknown>, asked: Asked): Buffer {
  const addresses = listed[asked.name] as string[] | undefined
  return addresses === undefined ? reply(asked, { rcode: 3 }) : reply(asked, { addresses })
}

/** Throws at the first step that is not as the text has it. */
export async function play({ settings, steps }: Dialogue, place: Place): Promise<void> {
  const stage: Stage = { ...place, clients: new Map(), codes: new Map(), apps: new Map(), settings, read: new Map() }
  try {
    for (const step of steps) {
      try {
        await perform(stage, step)
      } catch (error) {
        const what = error instanceof Error ? error.message : String(error)
        throw new Error(`line ${step.line}: ${what}\n${place.postern.log()}`, { cause: error })
      }
    }
    await nothingElse(stage)
  } finally {
    for (const { raw } of stage.clients.values()) raw.destroy()
  }
}

async function perform(stage: Stage, step: Numbered): Promise<void> {
  const { server } = stage
  const bytes = (text: string, newline: boolean) =>
    Buffer.concat([bytesOf(text, codesOf(stage)), Buffer.from(newline ? '\r\n' : '')])
  switch (step.do) {
    case 'send':
      return void (await clientOf(stage, step.client)).socket.write(bytes(step.text, step.newline))
    case 'hear': {
      const { ear } = await clientOf(stage, step.client)
      if (step.text === 'GONE') await ear.ended()
      else if (step.text === 'EOF' || step.text === 'RESET') expect(await ear.ended()).toBe(step.text)
      else expectLine(await ear.line(), bytes(step.text, false).toString('latin1'))
      return
    }
    case 'client':
      return actClient(stage, step.client, step.act)
    case 'server-hear': {
      const ear = await server.ear()
      if (step.text === 'EOF') expect(await ear.line()).toMatch(/^<(EOF|RESET)>$/)
      else expectLine(await ear.line(), bytes(step.text, false).toString('latin1'))
      return
    }
    case 'server-say':
      return server.write(bytes(step.text, step.newline))
    case 'server':
      return actServer(stage, step.act)
    case 'postern':
      return actPostern(stage, step.act)
    case 'audit':
      return expectAudit(stage, step.stream, step.words)
  }
}

/** The code of the moment is that of its first use: a text says {code} again where it means the very same one. */
const codesOf = (stage: Stage) => ({
  code: (steps: number) => {
    const known = stage.codes.get(steps) ?? stage.postern.code(stage.user, steps)
    stage.codes.set(steps, known)
    return known
  },
  recovery: (index: number) => stage.postern.recoveryCode(stage.user, index),
  app: (name: string) => stage.apps.get(name) ?? '',
})

async function clientOf(stage: Stage, id: number): Promise<Client> {
  const standing = stage.clients.get(id)
  if (standing !== undefined) return standing
  const {
    version,
    ciphers,
    proxy,
    listener = 0,
  } = (stage.settings[id === 1 ? 'client' : `client${id}`] ?? {}) as {
    version?: 'TLSv1.2' | 'none'
    ciphers?: string
    proxy?: string
    /** Its place in the policies. */
    listener?: number
  }
  const header = proxy === undefined ? undefined : bytesOf(proxy, codesOf(stage))
  const port = await until('the listener', () => stage.postern.ports()[listener])
  const client = await openClient(port, { version, ciphers, from: stage.ip, header })
  stage.clients.set(id, client)
  return client
}

/** `…` stands for anything. */
function expectLine(got: string, wanted: string): void {
  const dots = Buffer.from('…').toString('latin1')
  const parts = wanted.split(dots).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  expect(got).toMatch(new RegExp(`^${parts.join('.*')}$`, 's'))
}

async function actClient(stage: Stage, id: number, act: string): Promise<void> {
  if (act === 'again') {
    stage.clients.delete(id)
    return
  }
  const [verb, rest] = [act.split(' ')[0], act.slice(act.indexOf(' ') + 1)]
  const client = await clientOf(stage, id)
  switch (verb) {
    case 'open':
      return
    case 'tls':
      return void stage.clients.set(id, await secureClient(client.raw))
    case 'end':
      return void client.socket.end()
    case 'reset':
      return void client.raw.resetAndDestroy()
    case 'close':
      return void client.raw.destroy()
    case 'wait':
      return void (await delay(Number(rest)))
    // Cut at every byte: each goes as a TLS record of its own.
    case 'bytewise':
      for (const byte of bytesOf(rest, codesOf(stage))) {
        client.socket.write(Buffer.of(byte))
        await delay(1)
      }
      return
    default:
      throw new Error(`a client cannot ${act}`)
  }
}

async function actServer({ server }: Stage, act: string): Promise<void> {
  if (act === 'end' || act === 'reset') return server.end(act)
  if (act === 'next') return server.next()
  if (act === 'heard nothing') {
    await delay(300)
    expect(server.logins()).toBe(0)
    return
  }
  if (act === 'hears nothing more') {
    await delay(300)
    expect(server.unheard()).toEqual([])
    return
  }
  throw new Error(`the old server cannot ${act}`)
}

async function actPostern({ postern, user, apps }: Stage, act: string): Promise<void> {
  const [verb = '', ...rest] = act.split(' ')
  switch (verb) {
    case 'write':
      return writeFileSync(
        join(postern.folder, 'policies', rest[0] ?? ''),
        rest.slice(1).join(' ').replaceAll('\\n', '\n'),
      )
    case 'app-password': {
      const [name = '', networks = '', password] = rest
      const base64 = password === undefined ? null : Buffer.from(password).toString('base64')
      const args = { user, name, networks, expires: null, password: base64 }
      const answered = await askServer(join(postern.folder, 'state'), 'app-password.add', args)
      apps.set(name, (answered?.result as { app_password: string }).app_password)
      return
    }
    case 'kill-keeper':
      await postern.stop('SIGKILL')
      return
    case 'kill-front': {
      const [front] = postern.fronts()
      if (front !== undefined) process.kill(front, 'SIGKILL')
      return
    }
    case 'signal':
      return void process.kill(postern.pid, rest[0])
    case 'logs':
      return void (await until(`the log says ${rest.join(' ')}`, () => postern.log().includes(rest.join(' '))))
    default:
      throw new Error(`Postern cannot ${act}`)
  }
}

async function expectAudit(stage: Stage, stream: string, words: string[]): Promise<void> {
  const at = stage.read.get(stream) ?? 0
  const next = () => stage.postern.audit(stream).filter(isOf(stage))[at]
  const line = await until(`line ${at + 1} of ${stream}: ${words.join(' ')}`, next, 15_000)
  stage.read.set(stream, at + 1)
  const [action, ...rest] = words
  const reason = rest.find((word) => !word.includes('='))
  expect([line.event.action, reason === undefined ? undefined : line.event.reason]).toEqual([action, reason])
  for (const word of rest.filter((one) => one.includes('='))) {
    const [path = '', value] = word.split('=')
    const got = path
      .split('.')
      .reduce<unknown>((here, key) => (here as Record<string, unknown> | undefined)?.[key], line)
    expect([path, String(got)]).toEqual([path, value])
  }
}

/** What start, stop, enrolment, health checks and other dialogues write is not the dialogue's. */
function isOf({ ip, alone }: Place): (line: Line) => boolean {
  return (line) => {
    const { source } = line as { source?: { ip: string } }
    if (source === undefined) return /^(policy-rejected|front-lost)/.test(line.event.action)
    // Alone, every client is the dialogue's, also one that a balancer names.
    return alone === true || source.ip === ip
  }
}

/** The audit's lines and the old server's ears hold nothing that the page does not show. */
async function nothingElse(stage: Stage): Promise<void> {
  await delay(200)
  expect(stage.server.unheard()).toEqual([])
  for (const stream of ['access', 'auth', 'session']) {
    const more = stage.postern
      .audit(stream)
      .filter(isOf(stage))
      .slice(stage.read.get(stream) ?? 0)
    // A client that is still connected is closed by the end of the test: its last lines come too late for the page.
    expect(more.map((line) => `${stream} ${line.event.action} ${line.event.reason ?? ''}`)).toEqual([])
  }
}
