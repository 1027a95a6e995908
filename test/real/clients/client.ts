import type { House } from '../support/house.ts'

/** Where a client sits and what its user typed into it; `stls`: it begins in plain and must go on with STLS. The certificate to believe lies at {@link CA} in the house. */
export type Seat = { house: House; port: number; user: string; password: string; stls?: boolean }

/** Inside a house; the listener's certificate names localhost, and the house's hosts file knows it as 127.0.0.1 alone. */
export const CA = '/ca.pem'
export const HOST = 'localhost'

/** One message of a mailbox as a raw reading gave it: its number, its size in LIST, and itself without dot stuffing. */
export type Listed = { number: number; size: number; message: Buffer }

/** A client is a command line and what is to be expected of it. */
export type Client = {
  name: string
  /** Fetches the whole mailbox of `count` messages into the folder `dir` as files 1, 2, 3 …, and deletes nothing. */
  retrieve: (seat: Seat, dir: string, count: number) => Promise<string[]>
  /** What this client writes down when it got exactly `message`: each change that it makes by itself, and no other. */
  keeps: (message: Buffer) => Buffer
  /** Written bytes less what is chance in this client. */
  steady?: (bytes: Buffer) => Buffer
  /** Deletes some of the mailbox and ends the session in order; `told` are the numbers that it is told to delete. */
  remove: (seat: Seat, dir: string, listed: Listed[]) => Promise<{ argv: string[]; told: number[] }>
}

/** CR LF becomes LF: how a client on Unix writes text down. A CR that is not before LF stays. */
export function unixLines(message: Buffer): Buffer {
  return Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
}
