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
  /** What the client showed, where the listener asks for it. */
  certificate?: CertificateFacts
}

/**
 * `verdict`: `good`, or OpenSSL's word for why it is none, such as CERT_REVOKED. `users`: whom it vouches for, as written; none unless it
 * is good. `fingerprint`: SHA-256 in hex.
 */
export type CertificateFacts = { verdict: string; fingerprint: string; serial: string; users: string[] }

export type Factor = 'totp' | 'trusted-device' | 'app-password' | 'client-certificate' | 'recovery-code' | 'none'

export type LoginFailure =
  | 'unknown-user'
  | 'code-missing'
  | 'code-wrong'
  | 'code-replayed'
  | 'code-expired'
  | 'code-clock-skew'
  | 'password-wrong'
  | 'trust-expired'
  /** The old server refuses what was sealed for it; nobody guessed. */
  | 'app-password-stale'
  /** No login with a code has sealed a password for it yet. */
  | 'app-password-pending'
  | 'app-password-expired'
  /** Right, but not from this network. */
  | 'app-password-network'
  /** The user has app passwords and nothing else, and this is none of them. */
  | 'app-password-wrong'
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

/** What was tried with the right password. */
export type Exposing = Extract<LoginFailure, 'code-missing' | 'code-wrong' | 'code-clock-skew' | 'code-expired'>

export type AuthEvent =
  | {
      action: 'login-succeeded'
      connection: ConnectionFacts
      user: string
      factor: Factor
      backend: string
      device?: string
      /** Its name. */
      appPassword?: string
      /** It was a code that the helpdesk made for a while, not one of the ten. */
      temporary?: true
    }
  | {
      action: 'login-failed'
      connection: ConnectionFacts
      user: string
      reason: LoginFailure
      by?: RuleAt
      /** With `code-clock-skew`: how many seconds the clock behind the code is ahead of ours. */
      skewSeconds?: number
      count?: number
    }
  | { action: 'device-trusted'; connection: ConnectionFacts; user: string; device: string }
  | { action: 'device-revoked'; user: string; device: string; reason: string }
  /** The old server refuses the password that an app password holds: told once, until it is sealed anew. */
  | { action: 'app-password-stale'; connection: ConnectionFacts; user: string; name: string }
  /** The right password with a wrong or missing code, from a network where the user was never proven. */
  | { action: 'password-exposed'; connection: ConnectionFacts; user: string; reason: Exposing; network: string }
  | { action: 'user-frozen'; user: string; reason: string }
  | { action: 'user-unfrozen'; user: string }
  /** Too many failures: the user from that network, or from all where he was not proven lately (`*`). `until` is ISO 8601. */
  | { action: 'user-locked'; user: string; network: string; until: string }
  /** Too many failures from an address or a network, whoever was tried. */
  | { action: 'network-locked'; network: string; until: string }
  /** One address tries many users. `act`: what was done about it; `until` null where it was only told. */
  | { action: 'spraying'; network: string; users: number; act: 'locked' | 'reported'; until: string | null }
  /** One user is tried from many networks. */
  | {
      action: 'guessing-spread'
      user: string
      networks: number
      act: 'refused-unjudged' | 'reported'
      until: string | null
    }

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
  /** It was told to end; `session-closed` follows when it has. */
  | { action: 'session-killed'; connection: ConnectionFacts; user: string; backend: string; reason: string }
  /** What was retrieved in a moment, or deleted at QUIT (`audit.messages`). `octets` as they were sent; of deleted ones nobody knows. */
  | {
      action: 'message-retrieved' | 'message-deleted'
      connection: ConnectionFacts
      user: string
      backend: string
      count: number
      /** Ranges, such as `1-250 300`. */
      numbers: string
      octets?: number
    }

/** `cut-tail`: lines at its end are gone. `rewritten`: its last lines are others. `removed`, `moved`, `altered`: while it was in use. */
export type Tampering = 'cut-tail' | 'rewritten' | 'removed' | 'moved' | 'altered'

/** The number of the first line that is still there, and the hash of the one before it. */
export type Beginnings = Partial<Record<Stream, { seq: number; prev: string }>>

/**
 * A signed statement about all that stands before it in its stream. `interval` counts from 0; `key` belongs to it alone. Octets are
 * base64url. `certificate` leads from the anchor to the keys of this and of the next intervals; it is left out where it stands further up.
 */
export type Seal = {
  version: 1
  anchor: string
  interval: number
  key: string
  path: string
  signature: string
  certificate?: string
}

/** The journal alone writes these, one in each stream at a time. */
export type SealedEvent = { stream: Stream; action: 'audit-sealed'; seal: Seal }

export type AdminEvent =
  | { action: 'server-started'; version: string; node: string }
  | { action: 'server-stopped'; reason: string }
  | { action: 'front-lost'; front: number; reason: string }
  | { action: 'policy-loaded'; files: Record<string, string> }
  | { action: 'policy-rejected'; faults: string[] }
  /** A network passes the gate until then (ISO 8601); null: its pass was ended. */
  | { action: 'break-glass'; network: string; until: string | null; reason: string }
  /** A user may come from these countries until then (ISO 8601); null: that was ended. */
  | { action: 'user-travel'; user: string; countries: string[]; until: string | null; reason: string }
  | { action: 'user-enrolled'; user: string; replaced: boolean }
  | { action: 'user-removed'; user: string }
  /** `networks`: CIDRs with commas between, `learn` or `any`. `expires`: ISO 8601, or null. */
  | {
      action: 'app-password-added'
      user: string
      name: string
      networks: string
      expires: string | null
      pending: boolean
    }
  | { action: 'app-password-revoked'; user: string; name: string; reason: string }
  /** Good until then (ISO 8601), and never told here. */
  | { action: 'temp-code-made'; user: string; until: string }
  /** An operator ended locks, of a user or of a network; `locks`: how many stood. */
  | { action: 'lock-cleared'; user: string; locks: number }
  | { action: 'lock-cleared'; network: string; locks: number }
  | { action: 'certificate-loaded' | 'certificate-expiring'; name: string; notAfter: string; fingerprint: string }
  | { action: 'certificate-rejected'; name: string; reason: string }
  /** A feed or a database. `before`: how many networks the list had that it replaces; `unread`: lines that could not be read. */
  | { action: 'feed-updated'; feed: string; entries: number; before?: number | null; unread?: number }
  | { action: 'feed-failed'; feed: string; reason: string }
  | { action: 'backend-up'; backend: string; address: string }
  | { action: 'backend-down'; backend: string; address: string; reason: string }
  /** A collector is down for long, and is there again; and lines that rotation took away before it got them. */
  | { action: 'forward-failed'; forward: string; reason: string }
  | { action: 'forward-recovered'; forward: string }
  | { action: 'forward-lost'; forward: string; file: string; lines: number }
  | { action: 'audit-repaired'; file: string; bytes: number }
  /** At the start, or while it was written, a file was not as Postern left it: `reason` says how. */
  | { action: 'audit-tampered'; file: string; kind: Tampering; reason: string }
  /** The oldest file gave way to `keep` or `max_size`. `begins`: where each stream begins from now on, so that no gap is unexplained. */
  | { action: 'audit-removed'; file: string; lines: number; reason: string; begins: Beginnings }
  /** A new root of the sealing keys. */
  | { action: 'audit-key-made'; anchor: string }
  /** The queue was full: so many lines of that file were lost. */
  | { action: 'audit-dropped'; file: string; lines: number }

export type AuditEvent =
  | ({ stream: 'access' } & AccessEvent)
  | ({ stream: 'auth' } & AuthEvent)
  | ({ stream: 'session' } & SessionEvent)
  | ({ stream: 'admin' } & AdminEvent)
