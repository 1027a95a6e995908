/** The ceilings and deadlines of the audit: lines, chain, files, reading. See `limits.ts` for what holds of them. */

/** Faults named in one `policy-rejected` line, files in one `policy-loaded` line; the rest is counted. */
export const AUDIT_LIST_MAX = 64
/** The longest line that a stream may end with: at start the tail is read in one go. Ours stay far below. */
export const AUDIT_LINE_MAX = 1_048_576
/** What waits in memory for the disk, all streams together. */
export const AUDIT_QUEUE_MAX = 67_108_864
/** The part of it that access lines may fill: a flood of strangers leaves room for the rest. */
export const AUDIT_ACCESS_QUEUE_MAX = 16_777_216
/** Chained, written and synced in one go: about 10 ms of the loop. */
export const AUDIT_BATCH_MAX = 1_048_576
/** A line must be on disk within this, or the login that waits for it is refused. Less than the front's wait for `settle`. */
export const AUDIT_SYNC_DEADLINE_MS = 10_000
/** Lines of access and session gather for so long before they are written together; a login waits for none of them. */
export const AUDIT_GATHER_MS = 100
/** A writer that failed tries again after this, doubled up to the longest. */
export const AUDIT_RETRY_MS = 100
export const AUDIT_RETRY_LONGEST_MS = 5_000
/** Lines of one rule and network written as they are in one minute; the rest is counted. */
export const TALLY_LINES = 10
export const TALLY_WINDOW_MS = 60_000
/** Rules and networks told apart in one minute: 20,000 lines, 12 MiB, is the most that strangers can write in it. */
export const TALLY_KEYS_MAX = 2_048
/** Beyond these, rules alone are told apart, up to so many. */
export const TALLY_RULES_MAX = 256
/** How often the journal looks at its clock: for sums that are due, waits that took too long, losses to be told. */
export const AUDIT_TICK_MS = 1_000

// The audit's chain and files.
/** Octets read of an audit file at a time: large enough that the reading costs little beside the hashing. */
export const AUDIT_READ_CHUNK = 1_048_576
/** Sealing keys: so many under one root, in so many levels. 64^4 intervals last 32 years; a new node takes about 10 ms. */
export const SEAL_FAN = 64
export const SEAL_LEVELS = 4
/** While there is traffic the streams are sealed this often: an intruder can alter no more than so much of the past. */
export const SEAL_EVERY_MS = 60_000
/** How often the store notes where the streams stand: a tail cut after a crash shows up to so long before it. */
export const AUDIT_HEADS_EVERY_MS = 5_000
/** So far back from the end of a stream the line is looked for that the store noted last: five seconds of the busiest stream. */
export const AUDIT_LOOK_BACK = 16_777_216
/** How often the files are counted and the oldest give way; besides, whenever one is rotated. */
export const AUDIT_TIDY_EVERY_MS = 600_000
/** A rotation that failed is tried again after this. */
export const AUDIT_ROTATE_RETRY_MS = 60_000
/** Of `audit.max_size`, what access lines leave to auth, session and admin. */
export const AUDIT_RESERVED = 268_435_456
/** No file grows beyond this share of `audit.max_size`, so that there is an older one that can give way. */
export const AUDIT_FILE_SHARE = 1 / 16
/** Lines at the end of a stream may be so old without a seal: ten times what a running server takes. */
export const AUDIT_UNSEALED_MAX_MS = 600_000
/** One place for the sealing keys in their file: what they take, and room. */
export const SEALING_KEYS_MAX = 12_288

// Reading the audit.
/** Lines that `audit tail` shows when no time is named: a screen. */
export const TAIL_LINES = 20
/** How often `audit tail --follow` looks at the files. */
export const TAIL_LOOK_MS = 250
/** A look that is told so often that a file went away under it gives up: somebody moves files faster than they can be read. */
export const READ_TRIES_MAX = 10
/** Lines are in the order of time but for a clock that was set back: so much further than asked is read at both ends. */
export const READ_SLACK_MS = 300_000
/** From this size on a file is not read from its start, but searched for the time that was asked for. */
export const SEEK_LEAST = 1_048_576
/** Users that `audit report` tells apart, and names that never logged in: strangers type what they like. */
export const REPORT_USERS_MAX = 200_000
export const REPORT_STRANGERS_MAX = 10_000
/** Rows of days and users. 100,000 users of a day fit twice over; what is beyond counts in the sums of its day. */
export const REPORT_ROWS_MAX = 200_000
/** Addresses looked at for many users, and users counted at each. */
export const REPORT_ADDRESSES_MAX = 100_000
export const REPORT_ADDRESS_USERS_MAX = 50
/** Findings of one kind, rules, reasons and countries of one row: the rest is a number. */
export const REPORT_FINDINGS_MAX = 1_000
export const REPORT_KINDS_MAX = 256
/** Rows of a table in Markdown: who wants more takes JSON. */
export const REPORT_SHOWN_MAX = 200
/** `audit replay` puts recorded arrivals in order: a login may come so much later than its connection. */
export const REPLAY_ORDER_MS = 600_000
/** Arrivals put in order at a time, connections remembered, and rows kept of what differs. */
export const REPLAY_HELD_MAX = 500_000
export const REPLAY_ROWS_MAX = 10_000
/** Examples of each rule, and users named with it. */
export const REPLAY_EXAMPLES = 5
