import { inetd } from '../support/inetd.ts'
import { fillMbox } from '../support/mailboxes.ts'
import { PORT } from './awake.ts'
import type { OldServer } from './old-server.ts'

/** popa3d with mboxes: no CAPA, no pipelining, one session a mailbox. Its stand-alone mode has port 110 compiled in, so it runs as under inetd. */
export const popa3d: OldServer = {
  name: 'popa3d',
  fill: fillMbox,
  start: async (house) => inetd(house, PORT, ['/usr/sbin/popa3d']),
}
