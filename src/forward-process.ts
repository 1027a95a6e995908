/**
 * The forwarder: carries audit lines to the collectors that the policies name. TLS with a machine elsewhere is made here and not in the
 * keeper, which holds the secrets: this process has none of them, opens no file, starts no program, has an empty environment, and is
 * not root. It lives as long as its keeper.
 */
import { setDefaultCACertificates } from 'node:tls'
import { giveUpRoot } from './base/give-up-root.ts'
import { never } from './base/never.ts'
import { openConnection, type Connection } from './forward/connection.ts'
import type { FromForwarder, ToForwarder } from './forward/wire.ts'

giveUpRoot(process.argv[2], process.argv[3])
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

const links = new Map<number, Connection>()
const tell = (message: FromForwarder) => {
  process.send?.(message)
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToForwarder) => {
  if (message.do === 'trust') {
    setDefaultCACertificates(message.authorities)
    return
  }
  const { link } = message
  switch (message.do) {
    case 'connect':
      links.set(
        link,
        openConnection(message.target, {
          connected: () => {
            tell({ at: 'connected', link })
          },
          sent: (n) => {
            tell({ at: 'sent', link, n })
          },
          left: (left) => {
            links.delete(link)
            tell({ at: 'left', link, left })
          },
        }),
      )
      return
    case 'send':
      links.get(link)?.send(message.n, message.octets)
      return
    case 'finish':
    case 'drop':
      links.get(link)?.[message.do]()
      return
    default:
      never(message)
  }
})
