import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const program = new URL('support/feeds-apart.ts', import.meta.url).pathname

type Denial = { source: { ip: string }; rule: { name: string }; postern: { rule: { file: string; line: number } } }
type Seen = {
  fed: { listed: string; other: string; audit: Denial[] }
  watched: { listed: string; audit: Denial[] }
  hollow: { other: string; audit: Denial[] }
  skipped: string
}
let seen: Seen

beforeAll(async () => {
  const addresses = ['203.0.113.1', '192.0.2.7', '192.0.2.200'].map((ip) => `ip address add ${ip}/32 dev lo`)
  const script = ['set -e', 'ip link set lo up', ...addresses, 'exec "$0" "$1"'].join('\n')
  const { stdout } = await run('unshare', ['--net', 'sh', '-c', script, process.execPath, program], {
    timeout: 120_000,
  })
  seen = JSON.parse(stdout) as Seen
})

const GREETING = /^\+OK/

test('a client of a network that a feed lists is turned away before TLS, and the audit says by which line', () => {
  expect(seen.fed.listed).toBe('')
  expect(seen.fed.other).toMatch(GREETING)
  expect(seen.fed.audit).toMatchObject([
    {
      source: { ip: '192.0.2.7' },
      rule: { name: 'reputation.drop-v4' },
      postern: { rule: { file: '../state/feeds/drop-v4.txt', line: 1 } },
    },
  ])
})

test('a feed in monitor mode turns nobody away, and the audit says whom it would have', () => {
  expect(seen.watched.listed).toMatch(GREETING)
  expect(seen.watched.audit).toMatchObject([{ source: { ip: '192.0.2.7' }, rule: { name: 'reputation.drop-v4' } }])
})

test('a feed that was never fetched lets nobody in, and says that it is our trouble', () => {
  expect(seen.hollow.other).toMatch(/^-ERR \[SYS\/TEMP\]/)
  expect(seen.hollow.audit).toMatchObject([
    { rule: { name: 'reputation.gone' }, postern: { rule: { file: 'reputation.yaml' } } },
  ])
  expect(seen.skipped).toMatch(GREETING)
})
