import { PASSWORD } from './house.ts'
import { startDirect } from './direct.ts'
import { startPostern } from './postern.ts'

/** What the clients meet: a POP3S port and the one certificate to believe (PEM). */
export type Front = {
  host: string
  port: number
  ca: string
  /** What this user types into the password box. The same string every time, as a mail program keeps it. */
  passwordFor: (user: string) => string
  close: () => Promise<void>
}

/** `stls`: the front begins in plain. `backends`: what stands there in postern.yaml in place of the one at `backend`. */
export type Wanted = {
  backend: { host: string; port: number }
  users: string[]
  password: string
  stls?: boolean
  backends?: string
}

/** True with POSTERN_REAL_DIRECT=1: no Postern in between, so that a failure is the harness's own, a client's or a server's. */
export const DIRECT = process.env['POSTERN_REAL_DIRECT'] === '1'

/** Starts what stands before the old server: Postern, or with POSTERN_REAL_DIRECT=1 nothing but TLS. */
export async function openFront(port: number, users: string[]): Promise<Front> {
  const wanted: Wanted = { backend: { host: '127.0.0.1', port }, users, password: PASSWORD }
  return DIRECT ? startDirect(wanted) : startPostern(wanted)
}
