import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CA } from './clients/client.ts'
import { curl } from './clients/curl.ts'
import { fetchmail } from './clients/fetchmail.ts'
import { mpop } from './clients/mpop.ts'
import { poplib } from './clients/poplib.ts'
import { PORT, TLS_PORT } from './servers/awake.ts'
import { dovecotWithTls } from './servers/dovecot-tls.ts'
import { certificate } from './support/certificate.ts'
import { files, same } from './support/compare.ts'
import type { Front } from './support/front.ts'
import { makeHouse, PASSWORD, type House } from './support/house.ts'
import { messages, type Message } from './support/messages.ts'
import { readAll, unstuff } from './support/raw.ts'
import { startPostern } from './support/postern.ts'
import { freshDir, type Scene } from './support/scene.ts'

const CLIENTS = [curl, fetchmail, mpop, poplib]
const NAMES = CLIENTS.map(({ name }) => name)
const COUNT = 12

/** Each domain is a way to one and the same server. `bad` believes another certificate. */
function backends(address: string, ca: string, otherCa: string): string {
  const way = (domain: string, port: number, more: string) =>
    `  - { name: ${domain}, domains: [${domain}.test], addresses: ["${address}:${String(port)}"], username: "{local}", tls_name: localhost, ${more} }`
  return [
    way('stls', PORT, `tls: stls, tls_ca: ${ca}`),
    way('implicit', TLS_PORT, `tls: implicit, tls_ca: ${ca}`),
    way('plain', TLS_PORT, `tls: implicit, tls_ca: ${ca}, auth: plain`),
    way('bad', TLS_PORT, `tls: implicit, tls_ca: ${otherCa}`),
    way('bad-stls', PORT, `tls: stls, tls_ca: ${otherCa}`),
  ].join('\n')
}

describe('TLS on both sides', () => {
  let house: House
  let front: Front
  let set: Message[]
  let direct: Buffer[]
  let said: () => string = () => ''
  const closers: (() => Promise<void>)[] = []

  beforeAll(async () => {
    set = (await messages()).slice(0, COUNT)
    const [own, other] = [await certificate(), await certificate()]
    const server = dovecotWithTls(own)
    house = await makeHouse('TLS', NAMES)
    closers.push(house.demolish)
    for (const person of house.people) await server.fill(house, person, set)
    closers.push(
      await server.start(house, (hear) => {
        said = hear
      }),
    )
    const behind = { host: house.address, port: TLS_PORT, ca: own.cert }
    direct = (await readAll(behind, 'curl', PASSWORD)).map(({ wire }) => unstuff(wire))
    await house.put('/root/old-ca.pem', own.cert)
    await writeFile(house.path('/root/other-ca.pem'), other.cert)
    front = await startPostern({
      backend: { host: house.address, port: PORT },
      // A mail program is a device of its own: each has its user, as one code opens for one of them.
      users: [
        ...NAMES.map((name) => `${name}@stls.test`),
        ...['implicit', 'plain', 'bad', 'bad-stls'].map((domain) => `curl@${domain}.test`),
      ],
      password: PASSWORD,
      stls: true,
      backends: backends(house.address, house.path('/root/old-ca.pem'), house.path('/root/other-ca.pem')),
    })
    closers.push(front.close)
    await house.put(CA, front.ca)
  })
  afterAll(async () => {
    for (const close of closers.toReversed()) await close()
  })

  const seat = (domain: string, name = 'curl') => {
    const user = `${name}@${domain}.test`
    return { house, port: front.port, user, password: front.passwordFor(user), stls: true }
  }

  test.each(CLIENTS)('$name goes on with STLS and gets every message', async (client) => {
    const dir = await freshDir({ house } as Scene, `stls-${client.name}`)
    const done = await house.run(await client.retrieve(seat('stls', client.name), dir, COUNT), { ms: 60_000 })
    expect(done.code, done.err).toBe(0)
    const kept = await files(house.path(dir), COUNT)
    const plain = (bytes: Buffer) => client.steady?.(bytes) ?? bytes
    same(
      direct.map((message, at) => ({
        what: set[at]?.name ?? '?',
        expected: plain(client.keeps(message)),
        got: kept[at] && plain(kept[at]),
      })),
    )
  })

  test.each(['stls', 'implicit', 'plain'])('the old server is reached over TLS alone, by %s', async (domain) => {
    const dir = await freshDir({ house } as Scene, `way-${domain}`)
    const done = await house.run(await curl.retrieve(seat(domain), dir, COUNT), { ms: 60_000 })
    expect(done.code, done.err).toBe(0)
    expect(await files(house.path(dir), COUNT)).toEqual(direct)
    const logins = said()
      .split('\n')
      .filter((line) => /pop3-login: (Info: )?Login:/.test(line))
    expect(logins.length).toBeGreaterThan(0)
    expect(logins.filter((line) => !line.includes(', TLS'))).toEqual([])
  })

  test.each(['bad', 'bad-stls'])('a certificate that does not check gets no password: %s', async (domain) => {
    const before = said().length
    const dir = await freshDir({ house } as Scene, `way-${domain}`)
    const done = await house.run(await curl.retrieve(seat(domain), dir, 1), { ms: 60_000 })
    expect(done.code).not.toBe(0)
    expect(said().slice(before)).not.toMatch(/Login:|user=<curl>/)
  })
})
