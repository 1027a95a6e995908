/** What no single value shows: settings that contradict each other, or that are allowed and yet risky. */
import { isLoopback, isPrivate, parseAddress } from '../base/ip.ts'
import type { HostPort } from './leaf.ts'
import type { Login, Postern } from './schema.ts'
import type { Path } from './yaml-file.ts'

/** A word on the value at a path: the end of a sentence that starts with the key and what is written there. */
export type Remark = { path: Path; message: string }
export type Remarks = { faults: Remark[]; warnings: Remark[] }

/** RFC 1939, 3: an autologout timer must be of at least ten minutes. */
const IDLE_LEAST_MS = 600_000

/** All of an IP version, as `Range` prints it. */
export const EVERYBODY = ['0.0.0.0/0', '0.0.0.0-255.255.255.255', '::/0']

/** Needs postern.yaml as examined. */
export function posternSense(postern: Postern): Remarks {
  const names = postern.listeners.map((listener) => listener.name)
  const addresses = postern.listeners.map(({ address }) => (address.port === 0 ? null : textOf(address)))
  const idle = postern.limits.idle_time < IDLE_LEAST_MS
  return {
    faults: [
      ...repeated(names, (i) => ['listeners', i, 'name'], 'names two listeners'),
      ...repeated(addresses, (i) => ['listeners', i, 'address'], 'is the address of two listeners'),
      ...repeated(
        postern.backends.map((one) => one.name),
        (i) => ['backends', i, 'name'],
        'names two backends',
      ),
      ...unguardedAdmin(postern.admin),
      ...askingInVain(postern),
      ...tooLong(postern.state.path),
    ],
    warnings: [
      ...(idle ? [{ path: ['limits', 'idle_time'], message: 'is shorter than the 10m that RFC 1939 asks for' }] : []),
      ...unreachable(postern.backends),
      ...plainText(postern),
      ...everybodysWord(postern.listeners),
      ...neverAsked(postern),
      ...postern.backends.flatMap((backend, i) =>
        backend.xclient && backend.proxy_protocol !== 'off' ? [toldTwice(i)] : [],
      ),
    ],
  }
}

/** Needs login.yaml as examined. */
export function loginSense(login: Login): Remarks {
  const { second_factor: factor, users, trusted_device: device } = login
  const enrolled = factor.required_for === 'enrolled'
  const loose = device.for !== null && (device.same_network.ipv4 < 16 || device.same_network.ipv6 < 32)
  return {
    faults:
      enrolled && users.roster === null
        ? [
            {
              path: ['second_factor', 'required_for'],
              message: 'needs `users.roster`: who is not known there is refused',
            },
          ]
        : [],
    warnings: [
      ...(!enrolled && factor.until !== null
        ? [{ path: ['second_factor', 'until'], message: 'says nothing unless `required_for` is enrolled' }]
        : []),
      ...(loose
        ? [
            {
              path: ['trusted_device', 'same_network'],
              message: 'is wide: a string with a used code works far from its device',
            },
          ]
        : []),
    ],
  }
}

/** Tells whether a password in plain text to this address could be read by strangers. */
export function isExposed(address: string): boolean {
  const parsed = parseAddress(address)
  return parsed === null || !isPrivate(parsed)
}

/** The warning about a backend's address that is beyond loopback and private networks; `found` is where its name leads. */
export function plainTextRemark(path: Path, found?: string): Remark {
  const where = found === undefined ? 'is' : `leads to ${found},`
  return { path, message: `${where} beyond private networks, and \`tls: off\` sends passwords there in plain text` }
}

/** Without a CA every certificate would be refused, and nobody would know why. */
function askingInVain({ listeners, tls }: Postern): Remark[] {
  return listeners.flatMap((one, i) =>
    one.client_certificates === 'request' && tls.client_ca === null
      ? [
          {
            path: ['listeners', i, 'client_certificates'],
            message: 'needs `tls.client_ca`: who may vouch for clients?',
          },
        ]
      : [],
  )
}

function neverAsked({ listeners, tls }: Postern): Remark[] {
  if (tls.client_ca === null || listeners.some((one) => one.client_certificates === 'request')) return []
  return [{ path: ['tls', 'client_ca'], message: 'says nothing: no listener has `client_certificates: request`' }]
}

/** Whoever may send a PROXY header chooses the address that the gate judges. */
function everybodysWord(listeners: Postern['listeners']): Remark[] {
  return listeners.flatMap(({ proxy_protocol_from: from }, i) =>
    from.flatMap(({ text }, j) =>
      EVERYBODY.includes(text)
        ? [{ path: ['listeners', i, 'proxy_protocol_from', j], message: 'is everybody: anyone can claim any address' }]
        : [],
    ),
  )
}

/** Dovecot offers XCLIENT to those it trusts by the address it sees, which after a PROXY header is the client's. */
function toldTwice(i: number): Remark {
  return { path: ['backends', i, 'xclient'], message: 'says what `proxy_protocol` says already; keep one of them' }
}

function plainText(postern: Postern): Remark[] {
  return postern.backends.flatMap((backend, i) =>
    backend.addresses.flatMap(({ host }, j) =>
      backend.tls === 'off' && parseAddress(host) !== null && isExposed(host)
        ? [plainTextRemark(['backends', i, 'addresses', j])]
        : [],
    ),
  )
}

/** Metrics tell who logs in when: beyond this machine they need a token. */
function unguardedAdmin(admin: Postern['admin']): Remark[] {
  if (admin.listen === 'off' || admin.token !== null) return []
  const address = parseAddress(admin.listen.host)
  const isHere = address === null ? admin.listen.host === 'localhost' : isLoopback(address)
  return isHere ? [] : [{ path: ['admin', 'listen'], message: 'can be reached from elsewhere; set `admin.token`' }]
}

/** What `sun_path` of unix(7) holds besides its NUL. */
const SOCKET_PATH_MAX = 107

function tooLong(state: string): Remark[] {
  if (Buffer.byteLength(`${state}/control.sock`) <= SOCKET_PATH_MAX) return []
  const message = `is too long: the control socket in it may have no more than ${SOCKET_PATH_MAX} octets`
  return [{ path: ['state', 'path'], message }]
}

function unreachable(backends: Postern['backends']): Remark[] {
  const taken = new Set<string>()
  const remarks: Remark[] = []
  for (const [i, backend] of backends.entries()) {
    for (const [j, domain] of backend.domains.entries()) {
      const path = ['backends', i, 'domains', j]
      if (taken.has('*') || taken.has(domain)) remarks.push({ path, message: 'never counts: a backend above takes it' })
    }
    for (const domain of backend.domains) taken.add(domain)
  }
  return remarks
}

function repeated(values: (string | null)[], path: (i: number) => Path, message: string): Remark[] {
  return values.flatMap((value, i) => (value !== null && values.indexOf(value) < i ? [{ path: path(i), message }] : []))
}

function textOf(address: HostPort): string {
  return `${address.host} ${address.port}`
}
