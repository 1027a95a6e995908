import { readFile } from 'node:fs/promises'
import { CA } from './client.ts'
import type { Client, Seat } from './client.ts'

const SCRIPT = await readFile(new URL('poplib-reader.py', import.meta.url))
const AT = '/usr/local/bin/poplib-reader.py'

async function line(seat: Seat, what: string, how: string): Promise<string[]> {
  await seat.house.put(AT, SCRIPT)
  return [
    '/usr/bin/python3',
    AT,
    String(seat.port),
    seat.user,
    seat.password,
    CA,
    what,
    how,
    seat.stls === true ? 'stls' : '',
  ]
}

/** Python's poplib. It logs in with USER and PASS and gives lines; each is written down with CR LF again, so nothing changes. */
export const poplib: Client = {
  name: 'poplib',
  retrieve: async (seat, dir) => line(seat, 'retrieve', dir),
  keeps: (message) => message,
  remove: async (seat, _dir, listed) => {
    const told = listed.map(({ number }) => number).filter((number) => number % 3 === 1)
    return { argv: await line(seat, 'delete', told.join(',')), told }
  },
}
