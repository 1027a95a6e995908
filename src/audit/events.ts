/**
 * Every line that the audit streams can hold, as one closed union. There is no other way to write one:
 * the journal takes an AuditEvent, and files, forwards and metrics are all driven by it.
 * Names follow the Elastic Common Schema; what ECS has no name for stands under `postern`.
 */

export type Stream = 'access' | 'auth' | 'session' | 'admin'
export const STREAMS: readonly Stream[] = ['access', 'auth', 'session', 'admin']

/** Where a rule stands: file relative to the policy folder, and its line (1-based). */
export type RuleAt = { file: string; line: number; rule: string }

/** Facts of a connection that every event about it repeats. */
export type ConnectionFacts = {
  /** Connection and session id, given by the keeper at `admit`. */
  session?: string
  listener: string
  /** Canonical address: IPv4-mapped IPv6 is printed as IPv4. */
  ip: string
  port: number
  /** When it got its place (ms since 1970), so that arrivals can be put in their order again. */
  connected?: number
  /** ISO 3166-1 alpha-2, and the number of the autonomous system: where a database of the geofence knows them. */
  country?: string
  asn?: number
  tls?: TlsFacts
}

export type TlsFacts = {
  version: string
  cipher: string
  /** JA4 as the field computes it. */
  ja4: string
  /** The SNI name the client asked for. */
  serverName?: string
  resumed: boolean
}

export type Factor = 'totp' | 'trusted-device' | 'app-password' | 'client-certificate' | 'recovery-code' | 'none'

export type LoginFailure =
  | 'unknown-user'
  | 'code-missing'
  | 'code-wrong'
  | 'code-replayed'
  | 'code-clock-skew'
  | 'password-wrong'
  | 'trust-expired'
  | 'stale-repeat'
  | 'locked'
  | 'frozen'
  | 'rule'
  | 'malformed'
  | 'aborted'
  | 'backend-unavailable'
  | 'backend-busy'
  | 'internal-error'

/** How a session or a connection that never logged in ended. */
export type Ending =
  | 'quit'
  | 'client-closed'
  | 'client-reset'
  | 'server-closed'
  | 'server-reset'
  | 'idle-timeout'
  | 'login-timeout'
  | 'quit-timeout'
  | 'too-many-failures'
  | 'denied'
  | 'evicted'
  | 'draining'
  | 'killed'
  | 'keeper-lost'
  | 'front-lost'
  | 'internal-error'

export type SessionCounts = {
  /** POP3 octets towards the client and from it, after login. */
  bytesToClient: number
  bytesFromClient: number
  /** RETR answered in full. */
  retrieved: number
  /** DELE marks that the old server confirmed by answering QUIT with +OK. */
  deleted: number
  /** DELE marks standing when the session ended, whatever became of them. */
  marked: number
  durationMs: number
}

/**
 * `count`: how often it happened. On a line that sums several, `network` says where they came from (`*`: anywhere) and
 * `connection` is the last of them.
 */
export type Summed = { count?: number; network?: string }

export type AccessEvent =
  | ({
      action: 'connection-denied' | 'connection-would-deny'
      connection: ConnectionFacts
      by: RuleAt
      /** What a zone of DNS said. */
      answer?: string
    } & Summed)
  | ({ action: 'connection-closed'; connection: ConnectionFacts; reason: Ending } & Summed)
  | ({ action: 'tls-failed'; connection: ConnectionFacts; reason: string } & Summed)
  | ({ action: 'protocol-violation'; connection: ConnectionFacts; reason: string } & Summed)

export type AuthEvent =
  | {
      action: 'login-succeeded'
      connection: ConnectionFacts
      user: string
      factor: Factor
      backend: string
      device?: string
    }
  | {
      action: 'login-failed'
      connection: ConnectionFacts
      user: string
      reason: LoginFailure
      by?: RuleAt
      count?: number
    }
  | { action: 'device-trusted'; connection: ConnectionFacts; user: string; device: string }
  | { action: 'device-revoked'; user: string; device: string; reason: string }

export type SessionEvent =
  | { action: 'session-opened'; connection: ConnectionFacts; user: string; backend: string }
  | {
      action: 'session-closed'
      connection: ConnectionFacts
      user: string
      backend: string
      /** Null: the front that counted is gone. */
      counts: SessionCounts | null
      reason: Ending
    }

export type AdminEvent =
  | { action: 'server-started'; version: string; node: string }
  | { action: 'server-stopped'; reason: string }
  | { action: 'front-lost'; front: number; reason: string }
  | { action: 'policy-loaded'; files: Record<string, string> }
  | { action: 'policy-rejected'; faults: string[] }
  /** A network passes the gate until then (ISO 8601); null: its pass was ended. */
  | { action: 'break-glass'; network: string; until: string | null; reason: string }
  | { action: 'user-enrolled'; user: string; replaced: boolean }
  | { action: 'user-removed'; user: string }
  | { action: 'certificate-loaded' | 'certificate-expiring'; name: string; notAfter: string; fingerprint: string }
  | { action: 'certificate-rejected'; name: string; reason: string }
  /** A feed or a database. `before`: how many networks the list had that it replaces; `unread`: lines that could not be read. */
  | { action: 'feed-updated'; feed: string; entries: number; before?: number | null; unread?: number }
  | { action: 'feed-failed'; feed: string; reason: string }
  | { action: 'backend-up'; backend: string; address: string }
  | { action: 'backend-down'; backend: string; address: string; reason: string }
  | { action: 'audit-repaired'; file: string; bytes: number }
  /** The queue was full: so many lines of that file were lost. */
  | { action: 'audit-dropped'; file: string; lines: number }

export type AuditEvent =
  | ({ stream: 'access' } & AccessEvent)
  | ({ stream: 'auth' } & AuthEvent)
  | ({ stream: 'session' } & SessionEvent)
  | ({ stream: 'admin' } & AdminEvent)
