import { PASSWORD } from '../support/house.ts'
import { fillMaildir } from '../support/mailboxes.ts'
import { PORT, PROXIED_PORT, awake } from './awake.ts'
import type { OldServer } from './old-server.ts'

const CONFIG = (address: string, logins: string): string => `
protocols = pop3
listen = ${address}
base_dir = /run/dovecot
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
${logins}
userdb {
  driver = passwd
}
service pop3-login {
  inet_listener pop3 {
    port = ${String(PORT)}
  }
  inet_listener pop3s {
    port = 0
  }
}
`
const PAM = `
auth_mechanisms = plain login
passdb {
  driver = pam
}
`
const APOP = `
auth_mechanisms = plain apop
passdb {
  driver = static
  args = password=${PASSWORD}
}
`

/** What only a gateway in front of it may use: its word on who the client is, by XCLIENT or by a PROXY header on a port of its own. */
const BEHIND_A_GATEWAY = `
login_trusted_networks = 127.0.0.1/32
haproxy_trusted_networks = 127.0.0.1/32
service pop3-login {
  inet_listener pop3-haproxy {
    port = ${String(PROXIED_PORT)}
    haproxy = yes
  }
}
`

function variant(name: string, logins: string): OldServer {
  return {
    name,
    fill: fillMaildir,
    start: async (house, hear) => {
      await house.put('/etc/dovecot/dovecot.conf', CONFIG(house.address, logins))
      const running = house.start(['/usr/sbin/dovecot', '-F', '-c', '/etc/dovecot/dovecot.conf'])
      await awake(name, house, running)
      hear?.(running.said)
      return running.stop
    },
  }
}

/** Dovecot 2.3 with Maildirs: it pipelines and offers SASL. */
export const dovecot = variant('Dovecot', PAM)

/** The same, told by who is in front of it who the client is. */
export const dovecotBehindAGateway = variant('Dovecot behind a gateway', PAM + BEHIND_A_GATEWAY)

/** The same, with a time stamp in its greeting for APOP. */
export const dovecotApop = variant('Dovecot with APOP', APOP)
