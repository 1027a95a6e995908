/**
 * Every ceiling and every deadline of Postern, with its reason. Times are milliseconds, sizes are octets.
 * The README's table is tested against this file.
 */

/** A ClientHello with post-quantum key shares takes about 2 KiB; more than 16 KiB is an attack on memory. */
export const CLIENT_HELLO_MAX = 16_384
/** A ClientHello is cut into one to three TLS records; joining thousands of tiny ones is an attack on the processor. */
export const CLIENT_HELLO_RECORDS_MAX = 64
/** From accept to the end of the TLS handshake. Node's own default of 120 s lets strangers hold sockets. */
export const HANDSHAKE_DEADLINE_MS = 10_000
/** After our last words: how long a client may take to read them before the socket goes. */
export const LINGER_MS = 2_000
/** A front waits so long for a place; the keeper answers from memory. */
export const ADMIT_DEADLINE_MS = 5_000
/** A front waits so long for a judgement: the queue for the backend (5 s) and a claim in flight are inside. */
export const AUTHENTICATE_DEADLINE_MS = 30_000
/** A front waits so long until a login is on disk. */
export const SETTLE_DEADLINE_MS = 15_000
/** One address may hold this share of `limits.connections` before login, so that one stranger cannot fill the house; so may all together at one front who are turned away with words. */
export const PER_ADDRESS_SHARE = 0.1
/** Most fronts: beyond it the keeper is the bottleneck. */
export const FRONTS_MAX = 8
/** A front has so long to start and to open its listeners. */
export const FRONT_START_DEADLINE_MS = 20_000
/** A front that dies is replaced after this, doubled at each quick death up to the longest. */
export const FRONT_RESTART_MS = 200
export const FRONT_RESTART_LONGEST_MS = 10_000
/** How often each address of each backend is asked how it is. */
export const PROBE_EVERY_MS = 15_000
/** How often fronts report what the relay carried. */
export const RELAYED_REPORT_MS = 2_000
/** TLS ticket keys are replaced after this: a stolen one opens no more than so long. */
export const TICKET_KEYS_MS = 43_200_000
/** One request on the control socket. */
export const CONTROL_REQUEST_MAX = 262_144
/** A command waits so long for the running server. */
export const CONTROL_DEADLINE_MS = 30_000
/** Connections on the control socket at once. */
export const CONTROL_CONNECTIONS_MAX = 32
/** An answer on the control socket: a list of 100,000 users is about 20 MiB. */
export const CONTROL_ANSWER_MAX = 67_108_864

/** A command line with its CRLF (RFC 2449 section 4). */
export const COMMAND_LINE_MAX = 255
/** A line of a SASL exchange, and an AUTH line: the figure RFC 4954 section 4 gives; RFC 5034 names none. */
export const SASL_LINE_MAX = 12_288
/** The first line of a reply with its CRLF (RFC 2449 section 4). */
export const REPLY_LINE_MAX = 512
/** With so much unread from a client its reader is paused: one SASL line, and room for pipelined commands. */
export const UNREAD_PAUSE = 16_384
/** More than a paused reader can still hand over: a caller that gets here has forgotten to pause. */
export const UNREAD_MAX = 262_144
/** A user name that fits `USER name CRLF` of a command line: the old server could not be asked for a longer one. */
export const USER_NAME_MAX = 248
/** Refused logins on one connection. A guesser has to pay for a new handshake. */
export const LOGIN_FAILURES_MAX = 3
/** Faults of protocol on one connection before login: a mail program makes none, a stranger's tool many. */
export const PROTOCOL_FAULTS_MAX = 3
/** Lines taken before login: ten times what any mail program needs; ends loops of NOOP, USER and cancelled AUTH. */
export const LINES_BEFORE_LOGIN_MAX = 100
/** Capability lines kept of what an old server lists. Real ones send about ten. */
export const CAPABILITIES_MAX = 64
/** A text of outside origin in an audit or log line; ECS indexes take keywords of 1,024, people read less. */
export const CLEAN_TEXT_MAX = 255
/** A user name in an audit line: RFC 5321 paths hold 254 octets of address. */
export const CLEAN_USER_MAX = 254
/** A line of the log may say more than a field: a stack trace, a list of faults. */
export const LOG_TEXT_MAX = 4_096
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
/** Values of one metric label; the names come from policies, and a front that was taken over could invent more. */
export const METRIC_VALUES_MAX = 512
/** The admin listener answers scrapers and probes: few, small, quick. */
export const ADMIN_CONNECTIONS_MAX = 64
export const ADMIN_HEADER_MAX = 8_192
export const ADMIN_REQUEST_DEADLINE_MS = 5_000
/** A policy file in YAML. Ours take 4 KiB; a file of more than this was put there by mistake. */
export const POLICY_FILE_MAX = 262_144
/** A list of the policy folder: 200,000 networks take 4 MiB. */
export const LIST_FILE_MAX = 33_554_432
/** Entries of one list; the keeper sorts a million in seconds, and no operator's list is longer. */
export const LIST_ENTRIES_MAX = 1_000_000
/** One line of a list without its comment: the longest range takes 79 characters. */
export const LIST_LINE_MAX = 200
/** List files that one key may name. */
export const LIST_FILES_MAX = 256
/** A certificate chain or a key in PEM form. */
export const CERTIFICATE_FILE_MAX = 1_048_576
/** Faults told of one file, and of all: the first ones are mended first, and a wrong file has one in every line. */
export const FAULTS_PER_FILE_MAX = 20
export const FAULTS_MAX = 100
/** A key is taken for a misspelt one up to this length; comparing longer ones costs time for nothing. */
export const KEY_LENGTH_MAX = 64
/** How often the files of the policies are looked at, and how long they must be quiet before they are taken up. */
export const WATCH_EVERY_MS = 250
export const WATCH_QUIET_MS = 500
/** One look at a file; a network file system that hangs must not stop the others from being watched. */
export const WATCH_LOOK_DEADLINE_MS = 5_000
/** The name of a backend must be resolved within this. */
export const RESOLVE_DEADLINE_MS = 5_000
/** A front's health check of one address, connection included, as the keeper waits for it. */
export const PROBE_DEADLINE_MS = 12_000
/** A front's sums of denied connections go to the keeper this often. */
export const DENIAL_REPORT_MS = 1_000

/** The master key file holds 44 signs; a longer one is something else. */
export const MASTER_KEY_FILE_MAX = 4_096
/** So long a write waits for a foreign hand on the store (a backup); the keeper stands still meanwhile, so it is short. */
export const STORE_BUSY_MS = 250
/** Writes waiting for one commit. More means that the disk stands still: logins get [SYS/TEMP] then, memory does not grow. */
export const STORE_QUEUE_MAX = 10_000
/** A claimed code is kept so long: twice what the widest window keeps a code good for. */
export const CLAIM_KEPT_MS = 600_000
/** One that nobody has settled is kept so long: twice the longest login. */
export const CLAIM_OPEN_KEPT_MS = 7_200_000
/** Steps before and after the present one that a code may be of: five minutes. */
export const TOTP_WINDOW_MAX = 10
/** Passwords that may be tried with one code (a slip of the finger, from the same device); then the code is worthless. */
export const BURNT_PER_CODE_MAX = 5
/** Trusted strings a user; the one not used for longest gives way. */
export const TRUSTED_PER_USER_MAX = 50
/** Trusted strings a device: two computers behind one router that run one mail program look like one device. */
export const TRUSTED_PER_DEVICE_MAX = 5
/** Trust that has run out is known so long, so that a program that goes on polling is told from a guesser. */
export const TRUST_KEPT_AFTER_END_MS = 2_592_000_000
/** Logins a user that `user show` prints. */
export const LOGINS_PER_USER = 5
/** Networks a user was proven from: so many, so long. */
export const NETWORKS_PER_USER_MAX = 100
export const NETWORK_KEPT_MS = 2_592_000_000
/** A second login with a string whose first use is not settled waits so long for it; with the place behind it less than the front waits. */
export const CLAIM_WAIT_MS = 15_000
/** Logins that wait for one code. A mail program opens two or three connections at once. */
export const CLAIM_WAITERS_MAX = 20
/** A login waits so long for one of a backend's `max_sessions` places, and so many may wait. */
export const PLACE_WAIT_MS = 5_000
export const PLACE_WAITERS_MAX = 100
/** From the judgement to the old server's answer at most: the longest `login_time`, and less than an open claim is kept. */
export const ATTEMPT_MAX_MS = 3_900_000
/** A refusal is held back no longer than this: clients give up. */
export const HOLD_MAX_MS = 10_000
/** Refusals of a backend that its p99 is taken from. */
export const REFUSALS_MEASURED = 200
/** Refused passwords remembered in all (about 200 octets each); the oldest gives way. */
export const REFUSED_REMEMBERED_MAX = 100_000
/** An address of a user in octets (RFC 5321 section 4.5.3.1.3, less the angle brackets). */
export const CANONICAL_NAME_MAX = 254
/** How often the journal looks at its clock: for sums that are due, waits that took too long, losses to be told. */
export const AUDIT_TICK_MS = 1_000

/** Connecting to an old server, all its addresses together; each gets a fair share, so that a dead one leaves time for the next. */
export const BACKEND_CONNECT_MS = 10_000
/** An old server may ask DNS and ident about us before it greets: 30 s is what such lookups take at worst. */
export const BACKEND_GREETING_MS = 30_000
/** An old server must be quiet so long behind its greeting: a second line of it comes within a delayed ACK, 40 ms. */
export const BACKEND_GREETING_QUIET_MS = 50
/** The answer to USER, or to a bare AUTH PLAIN: nothing slow happens there. */
export const BACKEND_USER_MS = 30_000
/** Everything before the password is sent, over all addresses: mail programs give up after a minute or two. */
export const BACKEND_BEFORE_PASSWORD_MS = 60_000
/** A health check, from connecting to the answer to QUIT. */
export const BACKEND_PROBE_MS = 10_000
/** A status line of an old server has 512 octets (RFC 2449 section 4); some say more, none says so much. */
export const BACKEND_LINE_MAX = 2_048
/** Octets of a refusal that the operator's expressions are tried on: what they cost stays bounded. */
export const BUSY_TEXT_MAX = 512
/** The detail of a failure, for log and audit. */
export const FAILURE_DETAIL_MAX = 300
/** Idle connections to an old server are probed after this, so that routers on the way do not forget them. */
export const KEEPALIVE_AFTER_MS = 60_000
/** The answer to a forwarded QUIT: the server rewrites its mailbox meanwhile (the promise about mail names this figure). */
export const QUIT_DEADLINE_MS = 600_000
/** From the answer to QUIT to the server's own close: it has nothing left to say. */
export const AFTER_QUIT_MS = 10_000
/** Commands sent on and not yet answered, where the server takes several: then the client waits. */
export const UNANSWERED_MAX = 100
/** A reply to CAPA after login is held to be filtered. Real ones have about 300 octets. */
export const CAPA_REPLY_MAX = 16_384
/** The first health check of the backends delays the word `listening` by no more than this. */
export const FIRST_PROBE_MS = 2_000
/** How often the users are counted for the metrics; this also finds out whether the store still answers. */
export const USERS_COUNT_MS = 10_000
/**
 * A client that has closed its side may still read the reply to its last command; a killed one looks the same, and holds the old
 * server's mailbox lock as long.
 */
export const CLIENT_ENDED_MS = 60_000

// The audit's chain and files.
/** Octets read of an audit file at a time: large enough that the reading costs little beside the hashing. */
export const AUDIT_READ_CHUNK = 262_144

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
