import { utimes, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { earlyVerdict } from '../../../src/gate/gate.ts'
import { compilePolicies } from '../../../src/policy/compile.ts'
import { address } from '../gate/lists.ts'
import { DAY, faultsOf, folderOf, good, loadFolder, NOW, POSTERN } from './folder.ts'

const CHECKED = `${POSTERN}checks: [networks, reputation]\n`
const policyOf = (reputation: string, files: Record<string, string | Buffer> = {}) => ({
  'postern.yaml': CHECKED,
  'reputation.yaml': reputation,
  ...files,
})
const FILE = 'feeds:\n  - { name: drop-v4, file: lists/drop.txt }\n'

test('a feed out of a file reaches the gate, with its name in the rule and its line', async () => {
  const { policies, warnings } = await good(policyOf(FILE, { 'lists/drop.txt': '; DROP\n203.0.113.0/24 ; SBL1\n' }))
  expect(warnings).toEqual([])
  expect(earlyVerdict(compilePolicies(policies, 1).gate, address('203.0.113.9'), NOW).verdict).toEqual({
    say: 'deny',
    by: { file: 'lists/drop.txt', line: 2, rule: 'reputation.drop-v4' },
  })
})

test('a feed by URL is known by its place, and has no list yet', async () => {
  const { policies } = await good(
    policyOf('mode: monitor\nfeeds:\n  - { name: a, url: "https://example.com/a", refresh: 1h, on_error: allow }\n'),
  )
  expect(compilePolicies(policies, 1).gate.reputation).toEqual({
    mode: 'monitor',
    feeds: [{ name: 'a', mode: 'enforce', onError: 'allow', at: { file: 'reputation.yaml', line: 3 }, list: null }],
  })
  expect(policies.reputation?.feeds[0]?.source).toEqual({
    from: 'url',
    url: 'https://example.com/a',
    refreshMs: 3_600_000,
  })
})

test('what is left out has its default: every 12 hours, enforced, and nobody gets in on a feed that never came', async () => {
  const { policies } = await good(policyOf('feeds: [{ name: a, url: "https://example.com/a" }]'))
  expect(policies.reputation).toMatchObject({
    mode: 'enforce',
    feeds: [{ mode: 'enforce', onError: 'deny', source: { refreshMs: 43_200_000 } }],
  })
})

describe('reputation.yaml', () => {
  test.each<[string, string[]]>([
    ['feeds: [{ name: a }]', ['1:9: `feeds[0]` needs `file` or `url`, and not both']],
    [
      'feeds: [{ name: a, file: lists/drop.txt, url: "https://x.example/" }]',
      ['1:9: `feeds[0]` needs `file` or `url`, and not both'],
    ],
    ['feeds: [{ file: lists/drop.txt }]', ['1:9: `feeds[0].name` is missing; write a short name']],
    [
      'feeds: [{ name: ../a, file: lists/drop.txt }]',
      ['1:17: `feeds[0].name: ../a` is no name; use up to 64 letters, digits, dots, dashes and underscores'],
    ],
    [
      'feeds: [{ name: a, file: lists/drop.txt, refresh: 1h }]',
      ['1:51: `feeds[0].refresh: 1h` is for feeds with a `url`; files are read when they change'],
    ],
    [
      'feeds: [{ name: a, url: "https://x.example/", refresh: 1m }]',
      ['1:56: `feeds[0].refresh: 1m` is too small; write 15m or more'],
    ],
    [
      'feeds: [{ name: a, url: "https://x.example/", refresh: 30d }]',
      ['1:56: `feeds[0].refresh: 30d` is too large; write 7d or less'],
    ],
    [
      'feeds: [{ name: a, url: "ftp://x.example/?key=hunter2" }]',
      ['1:25: `feeds[0].url: [secret]` is no web address; write it like https://example.com/list.txt'],
    ],
    [
      'feeds: [{ name: a, url: lists/drop.txt }]',
      ['1:25: `feeds[0].url: [secret]` is no web address; write it like https://example.com/list.txt'],
    ],
    [
      'feeds: [{ name: a, file: lists/drop.txt, mode: off }]',
      ['1:48: `feeds[0].mode: off` is not known here; write enforce or monitor'],
    ],
    [
      'feeds: [{ name: A, file: lists/drop.txt }, { name: a, file: lists/drop.txt }]',
      ['1:52: `feeds[1].name: a` names two feeds'],
    ],
    [
      'feeds: [{ name: a, file: lists/gone.txt }]',
      ['1:9: `feeds[0]` lists/gone.txt is not there; mend it, or take the feed out'],
    ],
    ['feed: []', ['1:1: unknown key `feed`; did you mean feeds?']],
    ['crowdsec: { url: "http://127.0.0.1:8080" }', ['1:11: `crowdsec` is not in this version yet; write null']],
  ])('%s', async (text, faults) => {
    const written = policyOf(text, { 'lists/drop.txt': '203.0.113.0/24\n' })
    expect(await faultsOf(written)).toEqual(faults.map((fault) => `reputation.yaml:${fault}`))
  })

  test('that is missing is a fault, as a gate would stand open', async () => {
    expect(await faultsOf({ 'postern.yaml': CHECKED })).toEqual([
      'reputation.yaml:1:1: the file is not there; `checks` of postern.yaml names it',
    ])
  })

  test('is not read when no check names it', async () => {
    expect((await good({ 'reputation.yaml': 'nonsense: 1' })).policies.reputation).toBeNull()
  })
})

describe('a file that is no feed is a fault, so that the last good set stays', () => {
  test.each([
    ['<html>', 'is HTML or XML, not a list of networks'],
    ['', 'is empty'],
    ['# nothing\n', 'holds no network'],
    ['nonsense\n', 'is no list of networks: 1 of 1 lines cannot be read, the first is line 1'],
  ])('%j', async (text, words) => {
    expect(await faultsOf(policyOf(FILE, { 'lists/drop.txt': text }))).toEqual([
      `reputation.yaml:2:5: \`feeds[0]\` lists/drop.txt ${words}; mend it, or take the feed out`,
    ])
  })
})

describe('check warns', () => {
  const warningsOf = async (...args: Parameters<typeof policyOf>) => (await good(policyOf(...args))).warnings
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `203.0.113.${i}\n`).join('')

  test('of a feed that covers everybody', async () => {
    expect(await warningsOf(FILE, { 'lists/drop.txt': '0.0.0.0/1\n128.0.0.0/1\n::/0\n' })).toEqual([
      'reputation.yaml:2:5: `feeds[0]` lists/drop.txt covers all of IPv4: nobody gets in',
      'reputation.yaml:2:5: `feeds[0]` lists/drop.txt covers all of IPv6: nobody gets in',
    ])
  })

  test('of a few lines that cannot be read', async () => {
    expect(await warningsOf(FILE, { 'lists/drop.txt': `${lines(50)}x\n` })).toEqual([
      'reputation.yaml:2:5: `feeds[0]` lists/drop.txt has 1 lines that cannot be read, the first is line 51',
    ])
  })

  test('of a feed over http', async () => {
    expect(await warningsOf('feeds: [{ name: a, url: "http://example.com/?key=hunter2" }]')).toEqual([
      'reputation.yaml:1:9: `feeds[0]` comes over http: whoever is on the way can change it; use https',
    ])
  })

  test('of a file that nobody keeps up', async () => {
    const folder = await folderOf(policyOf(FILE, { 'lists/drop.txt': lines(3) }))
    const then = new Date(NOW - 31 * DAY)
    await utimes(join(folder, 'lists/drop.txt'), then, then)
    expect((await loadFolder(folder)).warnings).toEqual([
      'reputation.yaml:2:5: `feeds[0]` lists/drop.txt did not change since 2026-10-21: is it still kept up?',
    ])
  })

  test.each([
    [35, []],
    [
      37,
      [
        'reputation.yaml:1:9: `feeds[0]` is stale: the server last confirmed it on 2026-11-19; see `feed-failed` in the audit',
      ],
    ],
  ])('of a copy that was not confirmed for %d hours of three times twelve', async (hours, warnings) => {
    const written = policyOf('feeds: [{ name: a, url: "https://example.com/" }]')
    const folder = await folderOf({ ...written, 'postern.yaml': `${CHECKED}state: { path: state }\n` })
    await mkdir(join(folder, 'state/feeds'), { recursive: true })
    await writeFile(join(folder, 'state/feeds/a.json'), JSON.stringify({ confirmed: NOW - (hours / 24) * DAY }))
    expect((await loadFolder(folder)).warnings.filter((line) => line.startsWith('reputation'))).toEqual(warnings)
  })
})
