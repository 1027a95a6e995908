/** What a line says of TLS: ECS names, and OpenSSL's verdict on what the client showed. */
import { clean } from '../base/clean.ts'
import { CLEAN_USER_MAX } from '../base/limits.ts'
import type { CertificateFacts, TlsFacts } from './events.ts'

type Json = string | number | boolean | null | undefined | Json[] | { [name: string]: Json }
export type Fields = { [name: string]: Json }

/** Gives the fields of ECS for `tls`, every text of outside origin cleaned. */
export function tlsOf(tls: TlsFacts): Fields {
  const [, version] = /^TLSv([0-9.]+)$/.exec(tls.version) ?? []
  return {
    version: version ?? clean(tls.version),
    version_protocol: 'tls',
    cipher: clean(tls.cipher),
    resumed: tls.resumed,
    client: {
      ja4: clean(tls.ja4),
      server_name: tls.serverName === undefined ? undefined : clean(tls.serverName),
      ...(tls.certificate && certificateFieldsOf(tls.certificate)),
    },
  }
}

/** ECS has no name for OpenSSL's verdict; it stands beside what it is about. */
function certificateFieldsOf({ verdict, fingerprint, serial, users }: CertificateFacts): Fields {
  return {
    hash: { sha256: clean(fingerprint) },
    x509: { serial_number: clean(serial), alternative_names: users.map((user) => clean(user, CLEAN_USER_MAX)) },
    certificate_verdict: clean(verdict),
  }
}
