/**
 * The whole of the policy files: every key, its kind and its default. Keys keep their names; durations become
 * milliseconds, sizes octets, rates `{count, per}`, paths absolute, switches true or false. What is not built yet is here
 * all the same, and refused by `not-yet.ts`.
 */
import { z } from 'zod'
import { isCountry, meantCountry } from '../base/country.ts'
import { LIST_FILES_MAX } from '../base/limits.ts'
import { TOTP_WINDOW_MAX } from '../base/login-limits.ts'
import { faulty, parsed, type Parsed } from '../base/parsed.ts'
import { Secret } from '../base/secret.ts'
import { forwardList } from './forward-schema.ts'
import {
  count,
  day,
  domain,
  duration,
  durationOrOff,
  hostPort,
  label,
  leaf,
  list,
  network,
  path,
  pattern,
  rate,
  secretText,
  section,
  size,
  text,
  toggle,
  word,
} from './leaf.ts'

/** What the schema must know beside the data: the folder that paths start from, and where the master key comes from. */
export type SchemaContext = { folder: string; keyFromEnvironment: boolean }

/** The key that encrypts the store: a file that is made at the first start, or 32 octets out of the environment. */
export type MasterKey = { from: 'file'; path: string } | { from: 'environment'; key: Secret }

const prefixLength = { ipv4: count(0, 32), ipv6: count(0, 128) }
const busy = ['\\b(maildrop|mailbox)\\b.*\\b(lock(ed)?|in use|busy)\\b']
const country = leaf('write country codes such as [DE, FR]', (value): Parsed<string> => {
  const code = String(value)
  if (isCountry(code)) return parsed(code)
  const meant = meantCountry(code)
  return faulty(`is no country code of ISO 3166-1; ${meant === null ? 'write it like DE' : `did you mean ${meant}?`}`)
})

/** Countries that may, or may not. */
export const countries = section({
  allow: list(country, 'name a country or leave allow out', 1).optional(),
  deny: list(country, 'name countries').optional(),
})
const pages = 'name a file, such as lists/office.txt'

/** Needs the context; gives the schema of postern.yaml. */
export function posternSchema(context: SchemaContext) {
  const file = path(context.folder)
  return section({
    listeners: list(listener, 'name at least one', 1, 64).prefault([{ name: 'outside', address: '[::]:995' }]),
    tls: tlsSection(file),
    backends: list(backendSection(file), 'name the old server', 1, 64),
    checks: list(check, 'name the checks').prefault(['networks']),
    on_deny: word('drop', 'say').prefault('drop'),
    reload: word('watch', 'signal').prefault('watch'),
    limits: section({
      connections: count(1, 1_000_000).prefault(10_000),
      login_time: duration('1s', '1h').prefault('60s'),
      idle_time: duration('1s', '7d').prefault('10m'),
      drain_time: duration('0s', '1d').prefault('5m'),
    }).prefault({}),
    processes: section({ fronts: fronts.prefault('auto'), user: label.prefault('postern') }).prefault({}),
    state: section({
      store: word('sqlite', 'valkey').prefault('sqlite'),
      path: file.prefault('../state'),
      key_file: masterKey(context).prefault('../keys/master.key'),
    }).prefault({}),
    audit: auditSection(file).prefault({}),
    admin: adminSection.prefault({}),
    log: section({
      level: word('debug', 'info', 'warn', 'error').prefault('info'),
      format: word('text', 'json').prefault('text'),
    }).prefault({}),
  })
}

const check = word('networks', 'reputation', 'geofence', 'rates')

const listener = section({
  name: label,
  address: hostPort(0),
  tls: word('implicit', 'stls').prefault('implicit'),
  proxy_protocol_from: list(network, 'name networks').prefault([]),
  client_certificates: word('off', 'request').prefault('off'),
})

function tlsSection(file: ReturnType<typeof path>) {
  return section({
    certificates: list(section({ cert: file, key: file }), 'name a certificate and its key', 1, 100),
    min_version: leaf('write "1.2" or "1.3"', (value): Parsed<'1.2' | '1.3'> => {
      const version = String(value)
      return version === '1.2' || version === '1.3' ? parsed(version) : faulty('is not served; write "1.2" or "1.3"')
    }).prefault('1.2'),
    warn_before_expiry: duration('0s', '3650d').prefault('30d'),
    client_ca: section({
      ca: file,
      crl: file.nullable().prefault(null),
      user_from: word('san_email', 'cn').prefault('san_email'),
    })
      .nullable()
      .prefault(null),
  })
}

const username = leaf('write a pattern such as "{user}"', (value): Parsed<string> => {
  if (typeof value !== 'string' || value === '' || /\p{Cc}/u.test(value))
    return faulty('is no text; write it like "{user}"')
  const rest = value.replaceAll(/\{(user|local|domain)\}/g, '')
  if (/[{}]/.test(rest)) return faulty('holds a placeholder that is not known; use {user}, {local} and {domain}')
  return rest === value ? faulty('would log everybody in as one user; use {user}, {local} and {domain}') : parsed(value)
})

function backendSection(file: ReturnType<typeof path>) {
  return section({
    name: label,
    domains: list(
      leaf('write domains, or "*" for all', (value) => (value === '*' ? parsed('*') : domainOf(value))),
      'name a domain, or "*" for all',
      1,
    ).prefault(['*']),
    addresses: list(hostPort(1), 'write the host and port of the old server', 1, 64),
    tls: word('off', 'stls', 'implicit').prefault('off'),
    tls_ca: file.nullable().prefault(null),
    tls_name: domain.nullable().prefault(null),
    auth: word('auto', 'user', 'apop', 'plain').prefault('auto'),
    username: username.prefault('{user}'),
    capabilities: word('auto').prefault('auto'),
    login_time: duration('1s', '1h').prefault('180s'),
    max_sessions: count(1, 1_000_000).prefault(200),
    remember_refused: duration('0s', '7d').prefault('15m'),
    proxy_protocol: word('off', 'v1', 'v2').prefault('off'),
    xclient: toggle.prefault('off'),
    busy_errors: list(pattern, 'write patterns', 0, 50).prefault(busy),
  })
}

function domainOf(value: unknown): Parsed<string> {
  const result = domain.safeParse(value)
  return result.success ? parsed(result.data) : faulty('is no domain; write it like example.com, or "*" for all')
}

const fronts = leaf('write auto or a number', (value): Parsed<number | 'auto'> => {
  if (value === 'auto') return parsed('auto')
  const number = count(1, 64).safeParse(value)
  return number.success ? parsed(number.data) : faulty('does not fit; write auto, or a whole number from 1 to 64')
})

const listenOrOff = leaf('write host:port, or off', (value): Parsed<{ host: string; port: number } | 'off'> => {
  if (value === 'off' || value === false) return parsed('off')
  const address = hostPort(0).safeParse(value)
  return address.success ? parsed(address.data) : faulty('is no host and port; write it like 127.0.0.1:9110, or off')
})

function masterKey(context: SchemaContext) {
  if (!context.keyFromEnvironment) {
    return path(context.folder).transform((file): MasterKey => ({ from: 'file', path: file }))
  }
  return leaf('set it', (value): Parsed<MasterKey> => {
    const written = String(value).trim()
    const key = Buffer.from(written, 'base64')
    const isKey = key.length === 32 && /^[A-Za-z0-9+/]{43}=$/.test(written)
    return isKey
      ? parsed({ from: 'environment', key: new Secret(key) })
      : faulty('holds no master key; make one with `openssl rand -base64 32`')
  })
}

function auditSection(file: ReturnType<typeof path>) {
  return section({
    path: file.prefault('../state/audit'),
    keep: duration('1d', '36500d').prefault('200d'),
    max_size: size('512MiB', '1024TiB').prefault('20GiB'),
    rotate: section({
      every: duration('1h', '36500d').prefault('1d'),
      size: size('1MiB', '1TiB').prefault('100MiB'),
    }).prefault({}),
    messages: toggle.prefault('off'),
    dovecot_log: file.nullable().prefault(null),
    forward: forwardList(file).prefault([]),
  })
}

/** `admin: off` is short for `admin: { listen: off }`. */
const adminSection = z
  .unknown()
  .transform((value) => (value === 'off' || value === false ? { listen: 'off' } : value))
  .pipe(section({ listen: listenOrOff.prefault('127.0.0.1:9110'), token: secretText.nullable().prefault(null) }))

/** Needs the context; gives the schema of networks.yaml. */
export function networksSchema(context: SchemaContext) {
  const file = path(context.folder)
  return section({
    mode: word('enforce', 'monitor').prefault('enforce'),
    allow: list(file, `${pages}, or leave allow out for none`, 1, LIST_FILES_MAX).default([]),
    deny: list(file, pages, 0, LIST_FILES_MAX).prefault([]),
  })
}

const method = word('totp', 'app_password', 'client_certificate')
const methods = list(method, 'name a method', 1)
const user = text('write a user, such as "*@example.com"')
const lock = { allow: rate, lock: duration('1s', '30d') }

const failures = section({
  reply_after: duration('0s', '10s').prefault('3s'),
  per_user: section(lock).prefault({ allow: '10/1h', lock: '15m' }),
  per_address: section(lock).prefault({ allow: '20/1h', lock: '15m' }),
  per_network: section({ ...lock, ipv4: count(8, 32).prefault(24), ipv6: count(16, 128).prefault(56) }).prefault({
    allow: '100/1h',
    lock: '15m',
  }),
  per_user_everywhere: section({ allow: rate }).prefault({ allow: '50/1d' }),
})

const separator = leaf('write "" or one character', (value): Parsed<string> => {
  const fits = typeof value === 'string' && /^[!-/:-~]?$/.test(value)
  return fits
    ? parsed(value)
    : faulty('does not fit; write "", or one character in quotes that is no digit, space or control')
})

const trustedDevice = section({
  for: durationOrOff('1m', '90d').prefault('12h'),
  idle: durationOrOff('1m', '90d').prefault('off'),
  same_network: section({
    ipv4: prefixLength.ipv4.prefault(24),
    ipv6: prefixLength.ipv6.prefault(48),
  }).prefault({}),
  same_client: toggle.prefault('on'),
  accept: word('repeated', 'repeated_or_bare').prefault('repeated'),
})

/** Needs the context; gives the schema of login.yaml. */
export function loginSchema(context: SchemaContext) {
  const file = path(context.folder)
  const rule = section({
    users: list(user, 'name a user', 1),
    listeners: list(label, 'name a listener', 1).optional(),
    methods: methods.optional(),
    networks: section({ allow: list(file, pages, 1).optional(), deny: list(file, pages).optional() }).optional(),
    countries: countries.optional(),
  })
  return section({
    users: section({
      default_domain: domain.nullable().prefault(null),
      strip_prefix: list(text(), 'write prefixes', 0, 50).prefault([]),
      roster: file.nullable().prefault(null),
    }).prefault({}),
    second_factor: section({
      required_for: word('all', 'enrolled').prefault('all'),
      until: day.nullable().prefault(null),
      pending_for: duration('0s', '365d').prefault('14d'),
      methods: methods.prefault(['totp', 'app_password', 'client_certificate']),
      not_required_from: list(network, 'name networks').prefault([]),
    }).prefault({}),
    totp: section({ separator: separator.prefault(''), window: count(0, TOTP_WINDOW_MAX).prefault(1) }).prefault({}),
    trusted_device: trustedDevice.prefault({}),
    failures: failures.prefault({}),
    rules: list(rule, 'write rules').prefault([]),
    exceptions: list(
      section({
        users: list(user, 'name a user', 1),
        countries: list(country, 'name a country', 1),
        until: day,
        reason: text(),
      }),
      'write exceptions',
    ).prefault([]),
  })
}

export type Postern = z.output<ReturnType<typeof posternSchema>>
export type Login = z.output<ReturnType<typeof loginSchema>>
export type Networks = z.output<ReturnType<typeof networksSchema>>
