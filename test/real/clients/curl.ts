import { CA, HOST } from './client.ts'
import type { Client, Seat } from './client.ts'

async function line(seat: Seat, numbers: string): Promise<string[]> {
  const at = `/root/curlrc-${seat.user}`
  await seat.house.put(at, `silent\nshow-error\ncacert = "${CA}"\nuser = "${seat.user}:${seat.password}"\n`)
  const scheme = seat.stls === true ? ['--ssl-reqd', 'pop3:'] : ['pop3s:']
  const url = `${scheme.pop() ?? ''}//${HOST}:${String(seat.port)}/${numbers}`
  return ['/usr/bin/curl', '-K', at, ...scheme, url]
}

/** curl. It logs in with SASL where that is offered, and writes a message down as it came. */
export const curl: Client = {
  name: 'curl',
  retrieve: async (seat, dir, count) => [...(await line(seat, `[1-${String(count)}]`)), '-o', `${dir}/#1`],
  keeps: (message) => message,
  remove: async (seat, _dir, listed) => {
    const told = listed.map(({ number }) => number).filter((number) => number % 4 === 2)
    return { argv: [...(await line(seat, `{${told.join(',')}}`)), '-I', '-X', 'DELE'], told }
  },
}
