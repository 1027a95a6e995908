import { generate } from 'selfsigned'

export type TestCertificate = { cert: string; key: string }

/** A self-signed certificate for these DNS names; it is its own CA. `algorithm` ec or rsa. */
export async function testCertificate(names: string[], keyType: 'ec' | 'rsa' = 'ec'): Promise<TestCertificate> {
  const made = await generate([{ name: 'commonName', value: names[0] ?? 'localhost' }], {
    keyType,
    notAfterDate: new Date(Date.now() + 90 * 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2 as const, value })) },
    ],
  })
  return { cert: made.cert, key: made.private }
}
