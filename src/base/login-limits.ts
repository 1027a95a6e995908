/** The ceilings and deadlines of logins: codes, devices, app passwords, failures, people, rules, clocks. See `limits.ts` for what holds of them. */

/** A claimed code is kept so long: twice what the widest window keeps a code good for. */
export const CLAIM_KEPT_MS = 600_000
/** One that nobody has settled is kept so long: twice the longest login. */
export const CLAIM_OPEN_KEPT_MS = 7_200_000
/** How often claims past their time are swept up. */
export const CLAIMS_PRUNED_EVERY_MS = 1_000
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

// App passwords and `password-exposed`.

/** App passwords a user: each login with a fresh code seals the password anew for all of them, at half a millisecond each. */
export const APP_PASSWORDS_PER_USER_MAX = 20
/** The name of an app password, in signs: `user show` prints it in a row. */
export const APP_PASSWORD_NAME_MAX = 64
/** Networks that one app password may be used from; who needs more means `any`. */
export const APP_PASSWORD_NETWORKS_MAX = 32
/** Octets looked at for an app password as typed: sixteen letters, and a space or dash around each. */
export const APP_PASSWORD_TYPED_MAX = 48
/** The longest `--expires`: ten years. For longer, leave it out. */
export const APP_PASSWORD_LONGEST_MS = 315_360_000_000
/** The last use of an app password is written no more often than this: programs poll. */
export const APP_PASSWORD_USED_EVERY_MS = 60_000
/** A mailbox password as an operator gives it: the longest line that AUTH can carry is of this size. */
export const MAILBOX_PASSWORD_MAX = 12_288
/** Attempts of one place that may be undecided at once: room beyond it is not counted out. */
export const STAKES_MAX = 256
/** So many that begin while the room of one is looked up find their own without another look. */
export const STAKES_MEANWHILE = 8
/** A place that has so many proven users is not counted again for so long, */
export const LARGE_FOR_MS = 60_000
/** and so many such places are known at a time. */
export const LARGE_PLACES_MAX = 10_000
/** Passwords that wait to be hashed or checked for `password-exposed`; beyond it they are skipped and counted. */
export const PASSWORD_CHECKS_WAITING_MAX = 64
/** Of these from one network, so that a guesser does not keep the others out. */
export const PASSWORD_CHECKS_PER_NETWORK_MAX = 4
/** After each check the pool rests so many times as long as it took: at most a quarter of one core goes into it. */
export const PASSWORD_CHECK_RESTS = 3
/** What was hashed, checked or told lately, in entries of about 150 octets; the oldest gives way and is done once more. */
export const PASSWORD_CHECKS_REMEMBERED_MAX = 10_000
/** A network that exposed a user's password is told again after this. */
export const PASSWORD_EXPOSED_AGAIN_MS = 86_400_000

// People: roll-out and helpdesk.
/** A temporary code of the helpdesk is good at least so long: to be told on the telephone, and typed. */
export const TEMP_CODE_LEAST_MS = 60_000
/** And at most so long: a phone is found or replaced within a week. */
export const TEMP_CODE_LONGEST_MS = 604_800_000
/** Users of one enrolment file. They are enrolled in one transaction, which logins wait for. */
export const ENROL_MANY_MAX = 20_000
/** An enrolment file: so many names with their comments. */
export const ENROL_FILE_MAX = 8_388_608
/** Bulk enrolment hands its work to the loop in pieces of so many users, so that logins are answered between them. */
export const ENROL_PIECE = 50
/** Sheets written at the same time. */
export const SHEETS_AT_ONCE = 32
/** Requests on the control socket that are not yet whole, together: a front could open it, and say much and never the end. */
export const CONTROL_HELD_MAX = 33_554_432

// Rules, journeys, client certificates.
/** The longest journey that a command can open; what is to hold longer belongs into login.yaml. */
export const TRAVEL_LONGEST_MS = 31_622_400_000
/** Users who travel at once: as many as a large company sends about. */
export const TRAVELS_MAX = 10_000
/** Countries of one journey: a long one, and still not the whole world. */
export const TRAVEL_COUNTRIES_MAX = 50
/** Revocation lists of the client CA: every front holds them, and reads them at every change of the policies. */
export const CRL_FILE_MAX = 4_194_304
/** A list is worth a word in this last share of its time: a monthly one six days before its end. */
export const CRL_WARN_SHARE = 0.2
/** E-mail addresses of one client certificate. Nobody has more; a certificate with more vouches for nobody. */
export const CERTIFICATE_USERS_MAX = 8
/** How often it is looked whether the client CA or its lists run out. */
export const ENDINGS_LOOK_MS = 60_000

// Failed logins.

/** A string that was refused is remembered so long (the contract's figure). */
export const REFUSED_KEPT_MS = 86_400_000
/** Refused strings of one user, and of all unknown names from one network; the oldest gives way. Locks allow 50 a day from strange networks. */
export const REFUSED_PER_USER_MAX = 500
export const REFUSED_PER_NETWORK_MAX = 200
/** Refused strings of unknown names in all (about 60 octets each); the oldest gives way, those of users never for it. */
export const REFUSED_STRANGERS_MAX = 200_000
/** Whole HMACs of refused strings in memory; beyond it the oldest is known by its 16 bits alone. */
export const REFUSED_EXACT_MAX = 100_000
/** Failures counted, of each kind (about 100 octets each); the oldest gives way, a lock that came of it does not. */
export const FAILURES_KEPT_MAX = 200_000
/** Of the counts over all networks more are kept: it takes 50 a day from each of 20,000 users to fill them. */
export const FAILURES_EVERYWHERE_MAX = 1_000_000
/** How many failures go by between two looks at that ceiling. */
export const FAILURES_SWEEP_EVERY = 500
/** Locks that stand at once. With more, nobody's gives way: strange networks are refused unjudged until some have ended. */
export const LOCKS_MAX = 100_000
/** Places that a user was proven from, for the allowances: the one not used for longest gives way. */
export const PROVEN_PLACES_PER_USER_MAX = 200
/** A place is noted again after so long: 30 days need no finer measure, and polls no write each. */
export const PROVEN_AGAIN_MS = 3_600_000
/** An attempt waits so long while others, that are not decided yet, may use up what is allowed. */
export const STAKE_WAIT_MS = 5_000
/** Attempts that wait so. Beyond it, it is our own trouble. */
export const STAKE_WAITERS_MAX = 2_000
/** So many users tried from one address, of whom none was ever proven there, are spraying. */
export const SPRAYED_USERS = 10
/** From so many networks in a day one user is tried by more than one person's mail programs. */
export const SPREAD_NETWORKS = 10
/** The same warning comes again after this. */
export const WARNING_AGAIN_MS = 3_600_000
/** Warnings of guessing in a minute: a flood of guesses is no flood of warnings. */
export const WARNINGS_PER_MINUTE = 30
/** Addresses and users that a warning was given of; the oldest gives way. */
export const WARNED_MAX = 10_000
/** How old a measured refusal may be: one slow answer in a quiet night slows nobody for longer. */
export const REFUSAL_AGE_MS = 600_000
/** Refusals leave at a multiple of this where the old server is slow: its last milliseconds are not to be told from ours. */
export const HOLD_GRAIN_MS = 250
export const HOLD_MARGIN_MS = 50
/** What was seen of the old servers is good for so long, when a refusal must sound like their trouble. */
export const REACHABLE_KNOWN_MS = 1_000
/** Refused attempts that wait, without taking one, as if for a place at a backend. */
export const PLACE_ONLOOKERS_MAX = 10_000
/** The last use of a trusted device is written no more often than this: mail programs poll. */
export const LAST_USED_AGAIN_MS = 60_000

// Clocks.
/** How far from its time a right code may be to be told from a wrong one, in steps: ten minutes either way. */
export const SKEW_STEPS = 20
/** Codes of another time are remembered so long, and so many, to see whether they agree. */
export const SKEW_KEPT_MS = 3_600_000
export const SKEW_KEPT_MAX = 1_000
/** So many users whose codes are off in the same direction: it is this machine's clock rather than theirs. */
export const SKEW_USERS = 3
/** How long a program may take to say whether the clock is kept right. */
export const CLOCK_ASKED_MS = 2_000
