import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { askResolver } from '../../../src/keeper/dns-client.ts'
import { reply, startResolver, type TestResolver } from '../../support/dns-server.ts'

const NAME = '2.0.0.127.dnsbl.example'
let resolver: TestResolver

beforeEach(async () => {
  resolver = await startResolver()
})
afterEach(() => {
  resolver.close()
})

const ask = (ms = 5_000, name = NAME) => askResolver(resolver, name, ms)
const texts = async (...args: Parameters<typeof ask>) => {
  const answer = await ask(...args)
  return answer.say === 'addresses' ? answer.addresses.map(({ text }) => text) : answer
}
const LATE = { say: 'failed', reason: 'the resolver did not answer in time' }

describe('a resolver', () => {
  test('is asked for the A records of the name, and its answers are taken', async () => {
    resolver.respond = (asked) => [reply(asked, { addresses: ['127.0.0.2', '127.0.0.4'] })]
    expect(await texts()).toEqual(['127.0.0.2', '127.0.0.4'])
    const [asked] = resolver.asked
    expect([asked?.name, asked?.question.subarray(-4)]).toEqual([NAME, Buffer.from([0, 1, 0, 1])])
  })

  test('says that there is no such name, or no address of it', async () => {
    resolver.respond = (asked) => [reply(asked, { rcode: 3 })]
    expect(await ask()).toEqual({ say: 'none' })
    resolver.respond = (asked) => [reply(asked)]
    expect(await ask()).toEqual({ say: 'none' })
  })

  test('fails: that is no answer', async () => {
    resolver.respond = (asked) => [reply(asked, { rcode: 2 })]
    expect(await ask()).toEqual({ say: 'failed', reason: 'the resolver answers SERVFAIL' })
    resolver.respond = (asked) => [reply(asked, { rcode: 5 })]
    expect(await ask()).toEqual({ say: 'failed', reason: 'the resolver answers REFUSED' })
  })

  test('is silent: asked twice, given up at the deadline', async () => {
    expect(await ask(200)).toEqual(LATE)
    expect(resolver.asked).toHaveLength(2)
  })

  test('loses the first question', async () => {
    resolver.respond = (asked) => (resolver.asked.length === 1 ? [] : [reply(asked, { addresses: ['127.0.0.2'] })])
    expect(await texts(1_000)).toEqual(['127.0.0.2'])
  })

  test('is not there', async () => {
    resolver.close()
    expect(await ask()).toEqual({ say: 'failed', reason: 'the resolver cannot be reached (ECONNREFUSED)' })
    resolver = await startResolver()
  })

  test('cuts its answer short: it is asked again over TCP', async () => {
    resolver.respond = (asked) =>
      asked.over === 'udp' ? [reply(asked, { truncated: true })] : [reply(asked, { addresses: ['127.0.0.9'] })]
    expect(await texts()).toEqual(['127.0.0.9'])
    resolver.respond = (asked) => (asked.over === 'udp' ? [reply(asked, { truncated: true })] : [])
    expect(await ask(300)).toEqual(LATE)
    resolver.respond = (asked) => [reply(asked, { truncated: true })]
    expect(await ask()).toMatchObject({ say: 'failed', reason: expect.stringContaining('over TCP too') as string })
  })
})

describe('a liar', () => {
  test('who guesses wrong is not believed: another id, another question, no answer at all', async () => {
    const other = Buffer.from(NAME.replace('127', '126'), 'latin1')
    resolver.respond = (asked) => [
      reply(asked, { id: asked.id ^ 1, addresses: ['127.0.0.66'] }),
      reply(asked, { question: Buffer.concat([other, asked.question.subarray(-5)]), addresses: ['127.0.0.66'] }),
      asked.bytes,
      Buffer.alloc(3),
      reply(asked, { addresses: ['127.0.0.2'] }),
    ]
    expect(await texts()).toEqual(['127.0.0.2'])
  })

  test('who alone answers is never believed', async () => {
    resolver.respond = (asked) => [reply(asked, { id: asked.id ^ 1, addresses: ['127.0.0.66'] })]
    expect(await ask(200)).toEqual(LATE)
  })

  test('can guess neither ids nor ports: each question has its own', async () => {
    resolver.respond = (asked) => [reply(asked)]
    for (let n = 0; n < 20; n++) await ask()
    expect(new Set(resolver.asked.map(({ id }) => id)).size).toBeGreaterThan(15)
    expect(new Set(resolver.asked.map(({ port }) => port)).size).toBeGreaterThan(15)
  })
})

test('an answer that makes no sense is a failure, wherever it is cut', async () => {
  const whole = (asked: Parameters<typeof reply>[0]) => reply(asked, { addresses: ['127.0.0.2'] })
  for (let cut = 1; cut <= 16; cut++) {
    resolver.respond = (asked) => [whole(asked).subarray(0, -cut)]
    expect(await ask()).toMatchObject({ say: 'failed', reason: expect.stringContaining('no sense') as string })
  }
})
