import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { main } from '../../../src/main.ts'
import { LOGIN } from '../../support/audit-events.ts'
import { auditFiles } from '../../support/audit-stream.ts'
import { folderOf, POSTERN } from '../policy/folder.ts'

const NOON = Date.UTC(2026, 10, 21, 12)

let folder: string
let lines: string[]
let out: string
let complaints: string
beforeEach(async () => {
  folder = await folderOf({ 'postern.yaml': `${POSTERN}audit: { path: audit }\n` })
  mkdirSync(join(folder, 'audit'))
  const files = auditFiles(join(folder, 'audit'))
  lines = ['ann', 'bob'].map((user, i) => files.write({ ...LOGIN, user } as typeof LOGIN, NOON + i))
  out = ''
  complaints = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => (out += String(text)) !== '')
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => (complaints += String(text)) !== '')
})
afterEach(() => {
  vi.restoreAllMocks()
})

const audit = (...words: string[]) => main(['audit', ...words, '-c', join(folder, 'postern.yaml')])

describe('postern audit', () => {
  test('tail gives the lines byte for byte where no terminal reads them', async () => {
    expect(await audit('tail')).toBe(0)
    expect(out).toBe(`${lines.join('\n')}\n`)
    out = ''
    expect(await audit('tail', 'auth', '--user', 'bob', '--since', '2026-11-21', '--until', '2026-11-21')).toBe(0)
    expect(out).toBe(`${lines[1]}\n`)
  })

  test('report, export and replay find the audit by the policies', async () => {
    expect(await audit('report', '--from', '2026-11-21', '--to', '2026-11-21', '--format', 'json')).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ lines: 2, days: [{ day: '2026-11-21', logins: 2 }] })
    const file = join(folder, 'x.tgz')
    expect(await audit('export', '--from', '2026-11-21', '--out', file)).toBe(0)
    expect(readFileSync(file).subarray(0, 2).toString('hex')).toBe('1f8b')
    out = ''
    expect(await audit('replay', '--policies', folder, '--from', '2026-11-21', '--json')).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      connections: { judged: 1, newly_denied: [{ rule: 'networks.deny', count: 1 }] },
    })
  })

  test('verify proves it also while the policies have a fault', async () => {
    appendFileSync(join(folder, 'postern.yaml'), 'nonsense: 1\n')
    expect(await audit('verify')).toBe(0)
    expect(out).toMatch(/^auth: whole, lines 1 to 2 in 1 file/)
  })

  test.each([
    [['tail', 'mail'], 2, "'mail' is no stream"],
    [['tail', '--follow', '--until', '2h'], 2, '--follow goes on for ever'],
    [['tail', '--ip', '1.2.3'], 2, "--ip '1.2.3' is no address"],
    [['tail', '--lines', '0'], 2, 'is no number from 1'],
    [['tail', '--path', '/does/not/exist'], 1, '/does/not/exist is not there'],
    [['report', '--from', '2026-11-22', '--to', '2026-11-20'], 2, '--to lies before --from'],
    [['export', '--from', '2h', '--out', '/does/not/exist/x.tgz'], 1, 'cannot be written'],
    [['replay', '--policies', '/does/not/exist'], 1, 'the file is not there'],
    [['report'], 2, "'--from <time>' not specified"],
    [['replay'], 2, "'--policies <folder>' not specified"],
  ])('%j ends with %i and says why', async (words, code, why) => {
    expect(await audit(...words)).toBe(code)
    expect(complaints).toContain(why)
    expect(out).toBe('')
    expect(existsSync('/does/not/exist')).toBe(false)
  })
})
