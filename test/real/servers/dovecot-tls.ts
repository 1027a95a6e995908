import { fillMaildir } from '../support/mailboxes.ts'
import { PORT, TLS_PORT, awake } from './awake.ts'
import type { OldServer } from './old-server.ts'

const CONFIG = (address: string): string => `
protocols = pop3
listen = ${address}
base_dir = /run/dovecot
log_path = /dev/stderr
ssl = required
ssl_cert = </etc/dovecot/cert.pem
ssl_key = </etc/dovecot/key.pem
mail_location = maildir:~/Maildir
auth_mechanisms = plain login
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
service pop3-login {
  inet_listener pop3 {
    port = ${String(PORT)}
  }
  inet_listener pop3s {
    port = ${String(TLS_PORT)}
    ssl = yes
  }
}
`

/** Dovecot that takes no password in plain: POP3S, and POP3 with STLS. */
export function dovecotWithTls({ cert, key }: { cert: string; key: string }): OldServer {
  return {
    name: 'Dovecot with TLS',
    fill: fillMaildir,
    start: async (house, hear) => {
      await house.put('/etc/dovecot/cert.pem', cert)
      await house.put('/etc/dovecot/key.pem', key, { uid: 0, gid: 0, mode: 0o600 })
      await house.put('/etc/dovecot/dovecot.conf', CONFIG(house.address))
      const running = house.start(['/usr/sbin/dovecot', '-F', '-c', '/etc/dovecot/dovecot.conf'])
      await awake('Dovecot', house, running)
      hear?.(running.said)
      return running.stop
    },
  }
}
