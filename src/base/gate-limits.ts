/** The ceilings and deadlines of the gate: lists, feeds, databases, DNS, PROXY headers, rates. See `limits.ts` for what holds of them. */

// Feeds, and the compiler that fetches and parses.

/** The compiler's whole life for lists: parsing a million networks takes seconds, and then it hangs. */
export const COMPILER_DEADLINE_MS = 60_000
/** Memory of the compiler's heap in MiB: a million networks take half of it. Beyond it the process ends, not the keeper. */
export const COMPILER_HEAP_MIB = 1_024
/** What the compiler says beside arrays: names, faults, figures. */
export const COMPILER_HEADER_MAX = 4_194_304
/** An answer of the compiler with its arrays: a feed's body, and the million networks in it. */
export const COMPILER_ANSWER_MAX = 268_435_456
/** A feed's body, as sent and as unpacked. The largest known ones have 30 MiB. */
export const FEED_BODY_MAX = 67_108_864
/** A whole fetch: names, redirects, body. A server that hangs or trickles is given up then. */
export const FEED_FETCH_DEADLINE_MS = 120_000
/** Redirects of one fetch: a loop ends here. */
export const FEED_REDIRECTS_MAX = 5
/** Lines of a feed that may be unreadable; with more of them it is no list of networks. */
export const FEED_BAD_SHARE = 0.05
/** A body with less than this share of the last good one's networks is taken for cut short, when that had at least so many. */
export const FEED_SHORT_SHARE = 0.5
export const FEED_SHORT_LEAST = 100
/** A feed that stays short so long has really shrunk. */
export const FEED_SHORT_ACCEPTED_MS = 259_200_000
/** After a failed fetch the next one comes after this, doubled at each failure up to `refresh`. */
export const FEED_RETRY_MS = 60_000
/** The share of `refresh` by which fetches are spread, so that not everybody asks at the same second. */
export const FEED_JITTER = 0.1
/** A start or a reload waits so long for feeds that have no copy on disk. Less than the command `reload` waits. */
export const FEED_FIRST_MS = 15_000
/** A feed is stale when it was not confirmed for so many times its `refresh`; a file when it did not change for so long. */
export const FEED_STALE_TIMES = 3
export const FEED_STALE_FILE_MS = 2_592_000_000
/** Feeds of one policy: each is searched at each connection. */
export const FEEDS_MAX = 32
/** Fetches at the same time; each is a process. */
export const FETCHES_AT_ONCE = 2
/** What a feed is remembered with beside its copy. */
export const FEED_NOTE_MAX = 65_536
/** Faults told of one list; its other lines are not looked at. */
export const LIST_FAULTS_MAX = 5_000
/** With so many IPv4 ranges a list gets an index of its /16s (256 KiB): lookups are five times faster then. */
export const LIST_INDEX_LEAST = 1_024
/** Arrays from this size on travel to the fronts apart from the snapshot, and only once. */
export const PART_LEAST = 16_384
/** A piece of an array on its way to a front: copied in well under a millisecond. */
export const PART_PIECE_MAX = 262_144
// Where connections come from: PROXY headers, rates, pressure, lost addresses.

/** A PROXY header of version 1 with its CRLF: the figure of the specification, section 2.1. */
export const PROXY_V1_MAX = 107
/** One of version 2. Addresses take 52 octets; what balancers add (names, TLS facts, a certificate) stays below this. */
export const PROXY_V2_MAX = 8_192
/** A balancer sends its header at once; the specification asks for at least three seconds. In all, not per read. */
export const PROXY_HEADER_DEADLINE_MS = 5_000
/** Addresses, and networks, whose rate is kept: the ones seen last. Both tables together stay below 32 MiB. */
export const RATE_KEYS_MAX = 131_072
/** An address from which a login was proven is known so long (the policy's `known_factor` is about these). */
export const KNOWN_FOR_MS = 86_400_000
/** Known addresses kept: as many as a large site has users. The one proven longest ago gives way. */
export const KNOWN_ADDRESSES_MAX = 65_536
/** From this share of `limits.connections` on, connections that have not logged in give way to new ones. */
export const PRESSURE_SHARE = 0.9
/** Refusals that are spoken cost a handshake and hold a socket: with this share of `limits.connections` taken, they are dropped. */
export const SPOKEN_SHARE = 0.5
/** Of each front's places, so many may be held by those who are told that they are unwanted. */
export const TURNED_AWAY_SHARE = 0.1
/** Connections are looked at in stretches of this for one private address that makes over half of them. */
export const CONCENTRATION_WINDOW_MS = 600_000
/** Fewer connections in a stretch say nothing: one person's mail programs make so many. */
export const CONCENTRATION_LEAST = 50
/** Private addresses counted in a stretch. With more than this, none of them makes half of the connections for long. */
export const CONCENTRATION_KEYS_MAX = 4_096
/** How many proxies may still follow behind us: one less than Dovecot gives to the first, so that a circle of them ends. */
export const XCLIENT_TTL = 4

// The geofence.
/** A database of countries or systems: GeoIP2 City takes 130 MB, the country ones 10. Also after unpacking: no bomb gets further. */
export const DATABASE_MAX = 268_435_456
/** Nodes looked at in its tree: ten times what the largest have. A tree that leads into itself has no end. */
export const DATABASE_NODES_MAX = 67_108_864
/** Ranges that it is compiled to, which every front holds in memory (20 octets each). The builtin one has 620,000. */
export const DATABASE_RANGES_MAX = 3_000_000
/** Its table as octets, on the way to the keeper: what that many ranges of both families take, and room for the words. */
export const DATABASE_TABLE_MAX = 100_663_296
/** Memory of its compiler's heap in MiB; tables lie outside of it. */
export const DATABASE_HEAP_MIB = 256
/** Addresses that a download may be passed on to: MaxMind needs one. */
export const DATABASE_REDIRECTS_MAX = 5
/** A download, first byte to compiled table. The first one of a database is waited for by who reloads: less than a command waits. */
export const DATABASE_FETCH_MS = 300_000
export const DATABASE_FIRST_FETCH_MS = 25_000
/** A database is compiled in half a second; one that takes this long is an attack on the compiler. */
export const DATABASE_COMPILE_MS = 60_000
/** A download that failed is tried again after this, or after `refresh` where that is less. */
export const DATABASE_RETRY_MS = 3_600_000
/** How often it is looked whether a download is due and a database is old. */
export const DATABASE_LOOK_MS = 60_000

// DNS lists.
/** Zones of one policy: a connection asks all of them at once. */
export const DNSBL_ZONES_MAX = 16
/** A name and what it answered, in all (about 300 octets each); the oldest gives way. */
export const DNSBL_CACHE_MAX = 50_000
/** Questions under way: a flood of new addresses asks no more at once, and no more sockets are open. */
export const DNSBL_IN_FLIGHT_MAX = 1_000
/** That a zone did not answer is remembered so long: it may be back soon. */
export const DNSBL_ERROR_CACHE_MS = 10_000
/** Addresses taken out of one answer; a zone gives a handful. */
export const DNS_ADDRESSES_MAX = 64
/** A zone counts as failing after so many failures in a row: a single lost answer says nothing. */
export const DNSBL_FAILURES_LEAST = 3

// Break-glass.
/** Passes that stand at once: every accept looks at each. */
export const PASSES_MAX = 100
/** The longest of them; what is to hold longer belongs into a list. */
export const PASS_LONGEST_MS = 604_800_000
/** A front gives the keeper's denial by rate itself for so long at most: a login proven meanwhile gives more room after that. */
export const HELD_MAX_MS = 1_000
/** Addresses that a front turns away by itself at a time. */
export const HELD_ADDRESSES_MAX = 16_384
