/**
 * Every ceiling and every deadline of Postern, with its reason. Times are milliseconds, sizes are octets.
 * The README's table is tested against this file.
 */

/** A ClientHello with post-quantum key shares takes about 2 KiB; more than 16 KiB is an attack on memory. */
export const CLIENT_HELLO_MAX = 16_384
/** The buffer that all sessions of a front without a long reply under way read into from the old server, each chunk copied out at once, */
export const SOURCE_SMALL = 16_384
/** the one that a session has for a long reply, once it is known to be longer than that: with a quarter of it a gigabyte costs a third more, with more than it logins wait longer behind bulk, */
export const SOURCE_LARGE = 262_144
/** and how many of these one front has in use at most, 32 MiB; further long replies come through one of this size. */
export const SOURCE_LARGE_MAX = 128
export const SOURCE_MIDDLE = 16_384
/** So many that are not in use are kept. */
export const SOURCE_LARGE_KEPT = 32
/** News of a front waits so long for others, to go to the keeper in one message; a question takes it along at once. */
export const OUTBOX_MS = 5
/** So many at most. */
export const OUTBOX_MAX = 64
/** A ClientHello is cut into one to three TLS records; joining thousands of tiny ones is an attack on the processor. */
export const CLIENT_HELLO_RECORDS_MAX = 64
/** Kinds of ClientHello whose fingerprint a front remembers; when they are more it begins anew, */
export const FINGERPRINTS_MAX = 500
/** and it remembers none whose parts are longer than this, in characters. */
export const FINGERPRINT_KEY_MAX = 2_048
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
/** One request on the control socket: 20,000 enrolments take 10 MiB. */
export const CONTROL_REQUEST_MAX = 16_777_216
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

// The way to the old servers, and clocks.
/** The TLS handshake with an old server: some are slow machines. Within the time for all before the password. */
export const BACKEND_TLS_MS = 15_000
/** Sets of roots whose parsed form a front keeps; a reload may bring new ones, and a policy has at most 64 backends. */
export const BACKEND_TRUST_KEPT_MAX = 64
/** A health check waits so long for a second line of the greeting: nobody waits for it, so it can be sure. */
export const BACKEND_CHECK_QUIET_MS = 1_000
/** So many checks in a row must find one line of greeting alone before logins go by that, and before a server that sent more is used again. */
export const BACKEND_QUIET_CHECKS = 3
