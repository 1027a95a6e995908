import { traceOf } from '../support/messages.ts'
import { mda } from './mda.ts'
import { CA, HOST, unixLines } from './client.ts'
import type { Client, Seat } from './client.ts'

const FILTER = '/usr/local/bin/mpop-filter'
/** Reads a header: messages 3n are deleted unread, 3n+1 fetched and deleted, all others left alone. */
const FILTER_SCRIPT = `#!/bin/sh
verdict=2
while read -r line; do
  case "$line" in *" LMTP id no"*)
    id=1\${line##* LMTP id no}
    case $((\${id%%;*} % 3)) in 1) verdict=1 ;; 2) verdict=0 ;; esac
  esac
done
exit $verdict
`

async function line(seat: Seat, dir: string, more: string): Promise<string[]> {
  const at = `/root/mpoprc-${seat.user}`
  const lines = `account default
host ${HOST}
port ${String(seat.port)}
timeout 60
tls on
tls_starttls ${seat.stls === true ? 'on' : 'off'}
tls_trust_file ${CA}
user ${seat.user}
password ${seat.password}
received_header off
only_new off
uidls_file /root/uidls-%U-%H
delivery mda ${await mda(seat, dir)}
${more}
`
  await seat.house.put(at, lines, { uid: 0, gid: 0, mode: 0o600 })
  return ['/usr/bin/mpop', '-C', at]
}

/** mpop, delivering through a program of ours. It logs in with SASL where offered and pipelines where the server says it can. */
export const mpop: Client = {
  name: 'mpop',
  retrieve: async (seat, dir) => line(seat, dir, 'keep on'),
  keeps: unixLines,
  remove: async (seat, dir, listed) => {
    await seat.house.put(FILTER, FILTER_SCRIPT, { uid: 0, gid: 0, mode: 0o755 })
    const told = listed.filter(({ message }) => traceOf(message) % 3 < 2).map(({ number }) => number)
    return { argv: await line(seat, dir, `keep off\nfilter ${FILTER}`), told }
  },
}
