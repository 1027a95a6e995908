import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { startPostern, type Running } from '../support/running.ts'
import { scriptedServer, type ScriptedServer } from './peers.ts'
import { canShare, play, playAlone, USER } from './play.ts'
import { readDialogue } from './script.ts'

const TEXTS = new URL('./texts/', import.meta.url)
const names = readdirSync(TEXTS).filter((file) => file.endsWith('.txt'))
const textOf = (name: string) => readFileSync(new URL(name, TEXTS), 'utf8')
const shared = names.filter((name) => canShare(readDialogue(textOf(name))))

describe.concurrent('dialogues with a Postern of their own', { timeout: 90_000 }, () => {
  for (const name of names.filter((one) => !shared.includes(one))) {
    const dialogue = readDialogue(textOf(name))
    test(`${name}: ${dialogue.title}`, async () => {
      await playAlone(dialogue)
    })
  }
})

/**
 * One start serves them all: each has a user and an old server in a domain of its own, and a network of its own, so that
 * neither locks nor summed audit lines of one are seen by another.
 */
describe('dialogues on one Postern', () => {
  let postern: Running
  let servers: ScriptedServer[]
  const domainOf = (index: number) => `d${index}.example.com`

  beforeAll(async () => {
    servers = await Promise.all(shared.map(() => scriptedServer({})))
    const backends = servers.map(({ port }, index) => ({
      name: `old-${index}`,
      domains: [domainOf(index)],
      addresses: [`127.0.0.1:${port}`],
    }))
    const listeners = [
      { name: 'outside', address: '127.0.0.1:0' },
      { name: 'plain', address: '127.0.0.1:0', tls: 'stls' },
    ]
    postern = await startPostern({ backendPort: 1, fronts: 2, postern: { backends, listeners } })
    for (const index of shared.keys()) await postern.enroll(`ann@${domainOf(index)}`)
  }, 90_000)
  afterAll(async () => {
    await postern.close()
    for (const server of servers) server.close()
  })

  describe.concurrent('at once', { timeout: 90_000 }, () => {
    for (const [index, name] of shared.entries()) {
      const user = `ann@${domainOf(index)}`
      const own = textOf(name).replaceAll(/ann@example\.com/gi, (found) => (found === USER ? user : user.toUpperCase()))
      const dialogue = readDialogue(own)
      test(`${name}: ${dialogue.title}`, async () => {
        const server = servers[index]
        if (server === undefined) throw new Error('no old server')
        await play(dialogue, { postern, server, user, ip: `127.${10 + index}.0.1` })
      })
    }
  })
})
