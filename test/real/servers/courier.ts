import { fillMaildir } from '../support/mailboxes.ts'
import { until } from '../support/until.ts'
import { exec } from '../support/exec.ts'
import { PORT, awake } from './awake.ts'
import type { OldServer } from './old-server.ts'

const AUTH = `authmodulelist="authpam"
authmodulelistorig="authpam"
daemons=3
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
`
const START_MS = 10_000
const LIBEXEC = '/usr/lib/courier'
/** As Debian's start script has it, with room for many sessions from one address. */
const TCPD = ['-maxprocs=40', '-maxperip=40', '-nodnslookup', '-noidentlookup']

/** courier-pop with Maildirs: its tcpd, login and POP3 server as they are, passwords by authdaemon and PAM. */
export const courier: OldServer = {
  name: 'courier-pop',
  fill: fillMaildir,
  // A message with UTF-8 in its header is wrapped for a client that did not say UTF8, with process id and time as the boundary.
  steady: (message) => Buffer.from(message.toString('latin1').replace(/=_\d+-\d+/g, '=_PID-TIME'), 'latin1'),
  start: async (house) => {
    await house.put('/etc/courier/authdaemonrc', AUTH, { uid: 904, gid: 904, mode: 0o644 })
    const auth = house.start([`${LIBEXEC}/courier-authlib/authdaemond`])
    const socket = house.path('/run/courier/authdaemon/socket')
    const bound = async (): Promise<boolean> => (await exec(['test', '-S', socket], { ms: 5_000 })).code === 0
    await until('authdaemond listens', START_MS, bound).catch((error: unknown) => {
      throw new Error(auth.said(), { cause: error })
    })
    const tcpd = ['/usr/sbin/couriertcpd', `-address=${house.address}`, ...TCPD, String(PORT)]
    const pop3 = [`${LIBEXEC}/courier/courierpop3login`, `${LIBEXEC}/courier/courierpop3d`, 'Maildir']
    const env = { POP3AUTH: 'PLAIN LOGIN', MAILDIRPATH: 'Maildir' }
    const running = house.start([...tcpd, ...pop3], env)
    await awake('courier-pop', house, running)
    return running.stop
  },
}
