import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const program = new URL('../support/besieged-keeper.ts', import.meta.url).pathname
const SECRET = 'the-master-key-of-this-test'
const isRoot = process.getuid?.() === 0
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-siege-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** What a hostile front found, by attack. */
async function besiege(attack: string, as: 'own' | 'nobody'): Promise<Map<string, string>> {
  const { stdout } = await run(process.execPath, [program, folder, attack, as], {
    env: { ...process.env, POSTERN_MASTER_KEY: SECRET },
    timeout: 25_000,
  })
  expect(stdout).not.toContain(SECRET)
  const lines = stdout.trim().split('\n')
  return new Map(
    lines.map((line) => JSON.parse(line) as { attack: string; got: string }).map(({ attack, got }) => [attack, got]),
  )
}

// Under the same user the permission model is all there is; as root, fronts are another user besides.
describe.each(isRoot ? (['own', 'nobody'] as const) : (['own'] as const))(
  'a front that was taken over, as %s user',
  (as) => {
    test('opens no file, starts no program or thread, finds no secret in its environment', async () => {
      const found = await besiege('files', as)
      for (const attack of [
        'read the store',
        'read the master key',
        'read the control token',
        'read /etc/passwd',
        'write a file',
      ]) {
        expect([attack, found.get(attack)]).toEqual([attack, 'ERR_ACCESS_DENIED'])
      }
      expect(found.get('start a program')).toBe('ERR_ACCESS_DENIED')
      expect(found.get('start a thread')).toBe('ERR_ACCESS_DENIED')
      expect(found.get('environment')).toBe('done: undefined')
    })

    test('gets nothing out of the control socket', async () => {
      const got = (await besiege('control socket', as)).get('control socket') ?? ''
      expect(got).not.toContain('"ok":true')
      expect(got).toMatch(/wrong token|EACCES|ERR_ACCESS_DENIED/)
    })

    test("does not open the keeper's inspector", async () => {
      const found = await besiege('inspector', as)
      expect(found.get('inspector')).toBe('ECONNREFUSED')
      expect(found.get('signal the parent')).toBe(as === 'own' ? 'done: true' : 'EPERM')
    })

    test.each(['unlisted port', 'pipe', 'descriptor', 'datagram'])(
      'that asks the keeper for a %s is killed',
      async (attack) => {
        expect((await besiege(attack, as)).get(attack)).toBe('front lost: SIGKILL')
      },
    )

    test.each(['acknowledgement', 'handle'])(
      'that sends an unasked %s is killed, and the keeper lives',
      async (attack) => {
        expect((await besiege(attack, as)).get(attack)).toBe('front lost: SIGKILL')
      },
    )

    test('that sends what no front sends is killed', async () => {
      expect((await besiege('nonsense', as)).get('nonsense')).toBe('front lost: SIGKILL')
    })
  },
)
