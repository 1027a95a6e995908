/** Real syslog collectors. Each writes every message it gets to a file, as it came. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { House, Running } from '../support/house.ts'
import { until } from '../support/until.ts'

export type Transport = 'tcp' | 'tls'

export type Collector = {
  port: number
  start(): Promise<void>
  /** In order, as a service manager does; or all at once. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** The messages on its disk. */
  got(): string[]
}

type Kind = { config(house: House, port: number, transport: Transport): string; file: string; argv: string[] }

const RSYSLOG: Kind = {
  file: '/etc/rsyslog-test.conf',
  argv: ['/usr/sbin/rsyslogd', '-n', '-i', '/run/rsyslogd.pid', '-f', '/etc/rsyslog-test.conf'],
  config: ({ address }, port, transport) => `
global(workDirectory="/tmp" maxMessageSize="64k"
  ${transport === 'tls' ? 'defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="/etc/collector.pem" defaultNetstreamDriverCertFile="/etc/collector.pem" defaultNetstreamDriverKeyFile="/etc/collector.key"' : ''})
module(load="imtcp" ${transport === 'tls' ? 'streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon"' : ''})
template(name="raw" type="string" string="%rawmsg%\\n")
input(type="imtcp" address="${address}" port="${String(port)}" ruleset="take")
ruleset(name="take") { action(type="omfile" file="/tmp/got" template="raw") }
`,
}

const SYSLOG_NG: Kind = {
  file: '/etc/syslog-ng-test.conf',
  argv: ['/usr/sbin/syslog-ng', '-F', '--no-caps', '-f', '/etc/syslog-ng-test.conf', '-R', '/tmp/persist', '-p', '/tmp/ng.pid', '-c', '/tmp/ng.ctl'], // prettier-ignore
  config: ({ address }, port, transport) => `@version: 3.38
options { keep-hostname(yes); log-msg-size(65536); stats-freq(0); };
source s { syslog(ip("${address}") port(${String(port)}) transport("${transport}") flags(store-raw-message)
  ${transport === 'tls' ? 'tls(key-file("/etc/collector.key") cert-file("/etc/collector.pem") peer-verify(optional-untrusted))' : ''}); };
destination d { file("/tmp/got" template("\${RAWMSG}\\n")); };
log { source(s); destination(d); flags(flow-control); };
`,
}

export const KINDS: Record<string, Kind> = { rsyslog: RSYSLOG, 'syslog-ng': SYSLOG_NG }

/** Starts one at the house's address. `pair`: its certificate and key. */
export async function startCollector(
  house: House,
  kind: Kind,
  transport: Transport,
  port: number,
  pair: { cert: string; key: string },
): Promise<Collector> {
  await house.put('/etc/collector.pem', pair.cert)
  await house.put('/etc/collector.key', pair.key)
  await house.put(kind.file, kind.config(house, port, transport))
  let running: Running | null = null
  const collector: Collector = {
    port,
    async start() {
      running = house.start(kind.argv)
      const { said } = running
      await until('the collector listens', 10_000, () => listens(house.address, port)).catch((error: unknown) => {
        throw new Error(said(), { cause: error })
      })
    },
    async stop(signal = 'SIGTERM') {
      if (running === null) return
      process.kill(running.pid, signal)
      await running.ended
    },
    got() {
      try {
        return readFileSync(house.path('/tmp/got'), 'utf8').split('\n').slice(0, -1)
      } catch {
        return []
      }
    },
  }
  await collector.start()
  return collector
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
}
