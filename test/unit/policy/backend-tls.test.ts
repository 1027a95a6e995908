import { rootCertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { compilePolicies } from '../../../src/policy/compile.ts'
import { faultsOf, good, NOW, pair, POSTERN } from './folder.ts'

const own = await pair()
const WITH = (more: string) => ({ 'postern.yaml': `${POSTERN}${more}`, 'tls/old.pem': `our own CA\n${own.cert}` })

test('the certificate that an old server is held against travels to the fronts', async () => {
  const { policies, warnings } = await good(
    WITH('    tls: stls\n    tls_ca: tls/old.pem\n    tls_name: Old.Example.com\n'),
  )
  const [backend] = compilePolicies(policies, 1).backends
  expect(backend?.tls).toEqual({
    how: 'stls',
    ca: `${own.cert.replaceAll('\r', '').trimEnd()}\n`,
    name: 'old.example.com',
  })
  expect(warnings).toEqual([])
})

test('without a file the roots of the system count', async () => {
  const { policies } = await good(WITH('    tls: implicit\n'))
  const [backend] = compilePolicies(policies, 1).backends
  expect(backend?.tls).toMatchObject({ how: 'implicit', name: null })
  expect(backend?.tls?.ca.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(rootCertificates.length / 4)
})

test.each([
  ['tls/none.pem', /tls_ca.* is not there; put the certificate/],
  ['lists/denied.txt', /tls_ca.* holds no certificate in PEM form/],
])('a file that is no certificate is a fault: %s', async (file, fault) => {
  expect(await faultsOf(WITH(`    tls: stls\n    tls_ca: ${file}\n`))).toEqual([expect.stringMatching(fault)])
})

test('a certificate that ran out, and one that nothing asks for, are worth a word', async () => {
  const old = await pair({ from: NOW - 9e8, to: NOW - 1e8 })
  const late = await good({ ...WITH('    tls: stls\n    tls_ca: tls/old.pem\n'), 'tls/old.pem': old.cert })
  expect(late.warnings).toEqual([expect.stringMatching(/tls_ca.* ran out on /)])
  const idle = await good(WITH('    tls_ca: tls/old.pem\n'))
  expect(idle.warnings).toEqual([expect.stringMatching(/tls_ca.* says nothing as long as `tls` is off/)])
})
