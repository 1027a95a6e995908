import { reveal } from '../base/secret.ts'
import type { Snapshot } from '../keeper/messages.ts'
import type { Policies } from './load.ts'
import { gateOf } from './reputation.ts'

/**
 * Needs policies without a fault and the number of their generation; gives all that the fronts get of them.
 * Capabilities of the backends are not known yet: the health check fills them in.
 */
export function compilePolicies(policies: Policies, generation: number): Snapshot {
  const { postern, networks, reputation, geofence, certificates, clientCa } = policies
  return {
    generation,
    listeners: postern.listeners.map(({ name, address, tls, client_certificates, proxy_protocol_from: from }, i) => ({
      name,
      ...address,
      tls,
      clientCertificates: client_certificates === 'request',
      proxy:
        from.length === 0
          ? null
          : { from, by: policies.ruleAt('listeners.proxy_protocol_from', ['listeners', i, 'proxy_protocol_from']) },
    })),
    certificates: certificates.map(({ name, chain, privateKey, serverNames }) => ({
      name,
      cert: chain,
      key: reveal(privateKey).toString(),
      serverNames,
    })),
    clientCa: clientCa === null ? null : { ca: clientCa.ca, crls: clientCa.crls, userFrom: clientCa.userFrom },
    minVersion: postern.tls.min_version === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
    backends: postern.backends.map(
      ({ name, addresses, auth, login_time, busy_errors, proxy_protocol, xclient }, i) => ({
        name,
        addresses,
        tls: policies.backendTls[i] ?? null,
        auth,
        loginTimeMs: login_time,
        busyErrors: busy_errors,
        capabilities: null,
        proxyProtocol: proxy_protocol,
        xclient,
      }),
    ),
    gate: {
      networks,
      reputation: gateOf(reputation, () => null),
      geofence: geofence?.check ?? null,
      data: { country: null, asn: null, passes: [], travellers: [] },
    },
    onDeny: postern.on_deny,
    messages: postern.audit.messages,
    limits: {
      loginTimeMs: postern.limits.login_time,
      idleTimeMs: postern.limits.idle_time,
      connections: postern.limits.connections,
    },
  }
}
