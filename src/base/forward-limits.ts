/** The ceilings and deadlines of what leaves the audit: forwards to collectors, the Dovecot-worded log, lines about messages. */

// Forwards.

/** Collectors of one policy: each is a connection, and a value of a metric label. */
export const FORWARDS_MAX = 16
/** From the look-up of the name to the end of the TLS handshake. */
export const FORWARD_CONNECT_MS = 10_000
/** A collector that takes nothing of what was sent for so long is given up; what it was sent is sent again. */
export const FORWARD_STALL_MS = 30_000
/** Lines handed to a connection at once, and read ahead of it: 50 of the longest of a usual day, thousands of the others. */
export const FORWARD_BATCH_MAX = 262_144
/** Between two such batches: more would be in flight, unknown to us, when the collector closes. */
export const FORWARD_BATCH_GAP_MS = 20
/** After so long, or so much, the connection is closed from both ends, which proves that all of it was read; then a new one is made. */
export const FORWARD_RECEIPT_MS = 15_000
export const FORWARD_RECEIPT_MAX = 8_388_608
/** The collector's close must follow ours within this. */
export const FORWARD_FINISH_MS = 5_000
/** What was sent so shortly before the collector closed may have crossed its close on the way; four round trips where they take longer. */
export const FORWARD_DOUBT_MS = 100
/** The next connection is tried after this, doubled up to the longest, give or take a quarter. */
export const FORWARD_RETRY_MS = 500
export const FORWARD_RETRY_LONGEST_MS = 30_000
/** A forward that is down for so long is in the audit, and so is its return. */
export const FORWARD_DOWN_MS = 60_000
/** Lines of each stream kept in memory for the forwards; who is further behind reads the files. */
export const FORWARD_TAIL_MAX = 1_048_576
/** A collector has nothing to say; what talks so much is none. */
export const FORWARD_HEARD_MAX = 65_536
/** At the stop: so long the last lines may take. */
export const FORWARD_STOP_MS = 5_000
/** The file of the positions: 16 forwards of four streams take 4 KiB. */
export const FORWARD_POSITIONS_MAX = 65_536

// The Dovecot-worded log.

/** Octets that wait for its disk; beyond it lines are dropped and counted. */
export const DOVECOT_LOG_QUEUE_MAX = 1_048_576
/** How often it is looked whether the file was moved, and tried again after a failure. */
export const DOVECOT_LOG_LOOK_MS = 1_000

// Lines about messages.

/** A session's messages of so long make one line. */
export const MESSAGES_REPORT_MS = 1_000
/** Ranges of numbers in one report of a front, and marked messages that a session remembers; the rest is counted. */
export const MESSAGES_PIECES_MAX = 200
export const MESSAGES_MARKED_MAX = 100_000
/** The list of numbers in a line: `1-250 300`. */
export const MESSAGES_NUMBERS_MAX = 255
