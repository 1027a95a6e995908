import { fillMaildir } from '../support/mailboxes.ts'
import { awake } from './awake.ts'
import type { OldServer } from './old-server.ts'

const CONFIG = (port: number): string => `
protocols = pop3
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
service pop3-login {
  inet_listener pop3 {
    port = ${String(port)}
  }
  inet_listener pop3s {
    port = 0
  }
}
`

/** Dovecot 2.3 with Maildirs: pipelines, SASL, a UIDL of its own, answers as it reads. */
export const dovecot: OldServer = {
  name: 'Dovecot',
  fill: fillMaildir,
  start: async (house) =>
    awake('Dovecot', async (port) => {
      await house.put('/etc/dovecot/dovecot.conf', CONFIG(port))
      return house.start(['/usr/sbin/dovecot', '-F', '-c', '/etc/dovecot/dovecot.conf'])
    }),
}
