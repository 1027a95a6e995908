/** Ceilings of the audit's chain, seals and files, each with its reason, as limits.ts has them. */

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
