/** `audit.forward` as it is written: where to, which streams, and what TLS needs. */
import { FORWARDS_MAX } from '../base/forward-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { hostPort, leaf, list, section, word, type path, domain } from './leaf.ts'

/** `label`: as metrics, status and audit name it, with the port. */
export type ForwardTo = { label: string; secure: boolean; host: string; port: number }

const SYNTAX = 'write it like syslog+tls://log.example.com:6514 or syslog+tcp://192.0.2.9:514'
/** RFC 5425 section 4.1 for TLS; what rsyslog and syslog-ng have in their examples for TCP. */
const PORTS = { tls: 6514, tcp: 514 }

const to = leaf(SYNTAX, (value): Parsed<ForwardTo> => {
  const [, scheme, rest = ''] = /^([a-z0-9+.-]+):\/\/(.*)$/i.exec(String(value)) ?? []
  if (scheme === undefined) return faulty(`names no scheme; ${SYNTAX}`)
  const kind = /^syslog\+(tls|tcp)$/i.exec(scheme)?.[1]?.toLowerCase() as 'tls' | 'tcp' | undefined
  if (kind === undefined) {
    const help = scheme.toLowerCase() === 'syslog+udp' ? 'UDP loses lines and says nothing; ' : ''
    return faulty(`has a scheme that is not carried; ${help}${SYNTAX}`)
  }
  const hasPort = /^(\[[^\]]*\]|[^:]*):/.test(rest)
  const address = hostPort(1).safeParse(hasPort ? rest : `${rest}:${PORTS[kind]}`)
  if (!address.success) return faulty(`has no host and port behind its scheme; ${SYNTAX}`)
  const { host, port } = address.data
  const label = `syslog+${kind}://${host.includes(':') ? `[${host}]` : host}:${port}`
  return parsed({ label, secure: kind === 'tls', host, port })
})

const stream = word('access', 'auth', 'session', 'admin')

/** Needs the kind of paths; gives the schema of the list. Without `streams` all are forwarded. */
export function forwardList(file: ReturnType<typeof path>) {
  const item = section({
    to,
    streams: list(stream, 'name streams, or leave it out for all', 1).prefault(['access', 'auth', 'session', 'admin']),
    ca: file.optional(),
    name: domain.optional(),
    cert: file.optional(),
    key: file.optional(),
  })
  return list(item, 'name a collector', 0, FORWARDS_MAX)
}
