/** What keeper and forwarder say to each other. The forwarder meets a collector's octets, so the keeper checks its messages. */

/**
 * Where a collector is. `tls`: null for plain TCP; certificates and key in PEM; `ca` null: the authorities of `trust`; `name`: whom its
 * certificate must name.
 */
export type Target = { host: string; port: number; tls: TargetTls | null }
export type TargetTls = { ca: string | null; name: string | null; cert: string | null; key: string | null }

/** `link`: the number of a connection. `n`: that of what is sent on it, growing. `finish`: close when all was sent. */
export type ToForwarder =
  | { do: 'trust'; authorities: string[] }
  | { do: 'connect'; link: number; target: Target }
  | { do: 'send'; link: number; n: number; octets: Uint8Array }
  | { do: 'finish' | 'drop'; link: number }

/**
 * How a connection ended. `closed`: the collector has read all up to `sure`; whether it read what came behind, up to `last`, is not known;
 * nothing behind that was sent. `silent`: it did not close when we did. `broken`: nothing is known of what was sent.
 */
export type Left = { how: 'closed'; sure: number; last: number } | { how: 'silent' } | { how: 'broken'; reason: string }

/** `sent`: the kernel has taken it. `left`: the last word about a link. */
export type FromForwarder =
  { at: 'connected'; link: number } | { at: 'sent'; link: number; n: number } | { at: 'left'; link: number; left: Left }
