import { existsSync, mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { testCertificate } from '../support/certificate.ts'
import { run, writePolicies, type Wanted } from '../support/running.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-start-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, 'policies', name)

/** Starts `serve` on policies that cannot be served; gives what it said. */
async function serve(wanted: Partial<Wanted>, spoil: () => void = () => undefined) {
  await writePolicies(folder, { backendPort: 1, ...wanted })
  spoil()
  return run(['serve', '-c', at('postern.yaml')])
}

/** One line that names the place, exit 1, nothing on stdout (nothing listened), no stack. */
function expectRefusal({ code, stdout, stderr }: Awaited<ReturnType<typeof serve>>, line: RegExp): void {
  const said = stderr.split('\n').filter((one) => one.startsWith('postern: '))
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(line)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).not.toMatch(/^\s+at /m)
}

/** `check` finds what `serve` refused. */
async function expectFault(config: string, line: RegExp): Promise<void> {
  const { code, stdout } = await run(['check', '-c', config])
  expect(code).toBe(1)
  expect(stdout).toMatch(line)
}

describe('a start that cannot be good is refused in one line before anything listens', () => {
  test('a certificate that is missing', async () => {
    expectRefusal(
      await serve({}, () => {
        unlinkSync(at('tls/cert.pem'))
      }),
      /postern\.yaml:\d+:\d+: .*cert\.pem/,
    )
  })

  test('a key that cannot be read', async () => {
    expectRefusal(
      await serve({}, () => {
        unlinkSync(at('tls/key.pem'))
        mkdirSync(at('tls/key.pem'))
      }),
      /postern\.yaml:\d+:\d+: .*key\.pem is no plain file/,
    )
  })

  test('a key that is no key', async () => {
    expectRefusal(
      await serve({}, () => {
        writeFileSync(at('tls/key.pem'), 'rubbish\n')
      }),
      /postern\.yaml:\d+:\d+: .*key\.pem/,
    )
  })

  test('a key that does not belong to the certificate', async () => {
    const other = await testCertificate(['other.example'])
    expectRefusal(
      await serve({}, () => {
        writeFileSync(at('tls/key.pem'), other.key)
      }),
      /do not belong together/,
    )
  })

  test('a port that is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const said = await serve({ postern: { listeners: [{ name: 'outside', address: `127.0.0.1:${port}` }] } })
    taken.close()
    expectRefusal(said, new RegExp(`listener outside: port ${port} .* in use; stop`))
  })

  test('an address that is not of this machine', async () => {
    const said = await serve({ postern: { listeners: [{ name: 'outside', address: '192.0.2.1:9995' }] } })
    expectRefusal(said, /192\.0\.2\.1 is no address of this machine/)
  })

  test('a backend whose name leads nowhere', async () => {
    const said = await serve({ postern: { backends: [{ name: 'old', addresses: ['nowhere.invalid:110'] }] } })
    expectRefusal(said, /postern\.yaml:\d+:\d+: .*nowhere\.invalid.*cannot be resolved/)
  })

  test('a list that is named and missing', async () => {
    const said = await serve({ networks: { deny: ['lists/gone.txt'] } })
    expectRefusal(said, /networks\.yaml:\d+:\d+: .*lists\/gone\.txt/)
  })

  test('a check that is named and whose file is missing', async () => {
    expectRefusal(
      await serve({}, () => {
        unlinkSync(at('networks.yaml'))
      }),
      /networks\.yaml/,
    )
  })

  test('login.yaml missing', async () => {
    expectRefusal(
      await serve({}, () => {
        unlinkSync(at('login.yaml'))
      }),
      /login\.yaml/,
    )
  })

  test('a master key of another store', async () => {
    await writePolicies(folder, { backendPort: 1 })
    const config = at('postern.yaml')
    expect((await run(['user', 'enroll', 'ann@example.com', '-c', config])).code).toBe(0)
    writeFileSync(join(folder, 'keys/master.key'), `${Buffer.alloc(32, 7).toString('base64')}\n`)
    expectRefusal(await run(['serve', '-c', config]), /another master key/)
  })

  test('a master key that is none', async () => {
    await writePolicies(folder, { backendPort: 1 })
    const config = at('postern.yaml')
    expect((await run(['check', '-c', config])).code).toBe(0)
    expect(existsSync(join(folder, 'keys'))).toBe(false)
    mkdirSync(join(folder, 'keys'))
    writeFileSync(join(folder, 'keys/master.key'), 'rubbish\n', { mode: 0o600 })
    expectRefusal(await run(['serve', '-c', config]), /holds no master key/)
    await expectFault(config, /holds no master key/)
  })

  test('a master key that is gone while its store is there', async () => {
    await writePolicies(folder, { backendPort: 1 })
    const config = at('postern.yaml')
    await run(['user', 'enroll', 'ann@example.com', '-c', config])
    unlinkSync(join(folder, 'keys/master.key'))
    expectRefusal(await run(['serve', '-c', config]), /put the key file back/)
    await expectFault(config, /^\S+postern\.yaml:\d+:\d+: `state\.key_file.* put the key file back$/m)
    expect(existsSync(join(folder, 'keys/master.key'))).toBe(false)
  })
})

test('bad usage ends with 2, a fault with 1, help with 0', async () => {
  expect((await run(['sreve'])).code).toBe(2)
  expect((await run(['user', 'list', '--state', 'unknown'])).code).toBe(2)
  expect((await run(['check', '-c', at('postern.yaml')])).code).toBe(1)
  expect((await run(['--help'])).code).toBe(0)
  expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})
