/** What Postern is held against, the C front ends each with what its own documentation asks for: two processes or threads, TLS, a plain POP3 server behind. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { testCertificate } from '../support/certificate.ts'
import { account, firstLine, freePort, need, start, type Account } from './measured.ts'

export type FrontEnd = {
  name: string
  port: number
  pid: number
  account: Account
  /** What is typed as a password. */
  pass: string
  version: string
  stop(): Promise<void>
}

/** `cert` and `key` are paths of PEM files; `behind` is the port of the old server. `folder` is for the files of this one alone. */
export type Stand = { folder: string; cert: string; key: string; both: string; behind: number }

/** Writes a certificate and its key into a folder; gives the paths. */
export async function certificate(folder: string): Promise<{ cert: string; key: string; both: string }> {
  const { cert, key } = await testCertificate(['localhost'])
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), both: join(folder, 'both.pem') }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  writeFileSync(files.both, `${cert}\n${key}`)
  return files
}

const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384'

async function frontEnd(name: string, port: number, argv: string[], version: string): Promise<FrontEnd> {
  let pid = 0
  const cpu = account(name.replaceAll(' ', '-'), () => pid)
  const program = await start(argv, port, cpu)
  pid = program.pid
  const stop = async () => {
    await program.stop()
    cpu.close()
  }
  return { name, port, pid, account: cpu, pass: 'pw', version, stop }
}

/** HAProxy: ends TLS and passes octets on; knows nothing of POP3 and checks nobody. */
export async function haproxy({ folder, both, behind }: Stand): Promise<FrontEnd> {
  need({ '/usr/sbin/haproxy': 'haproxy' })
  const port = await freePort()
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  nbthread 2
  maxconn 9000
  tune.ssl.default-dh-param 2048
  ssl-default-bind-ciphersuites ${CIPHERS}
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen mail
  bind 127.0.0.1:${port} ssl crt ${both} alpn pop3 curves X25519:P-256
  server old 127.0.0.1:${behind}
`,
  )
  const version = firstLine('/usr/sbin/haproxy', '-v')
  return frontEnd('haproxy', port, ['/usr/sbin/haproxy', '-db', '-f', file], version)
}

/** nginx as a mail proxy: reads USER and PASS, asks its own HTTP server, which lets everybody in. */
export async function nginx({ folder, cert, key, behind }: Stand): Promise<FrontEnd> {
  need({ '/usr/sbin/nginx': 'nginx', '/usr/lib/nginx/modules/ngx_mail_module.so': 'libnginx-mod-mail' })
  const [port, asked] = [await freePort(), await freePort()]
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `load_module /usr/lib/nginx/modules/ngx_mail_module.so;
worker_processes 2;
worker_rlimit_nofile 20000;
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
events { worker_connections 18000; }
mail {
  auth_http 127.0.0.1:${asked}/;
  pop3_capabilities TOP USER UIDL;
  timeout 600s;
  proxy_timeout 600s;
  ssl_certificate ${cert};
  ssl_certificate_key ${key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:mail:10m;
  ssl_prefer_server_ciphers on;
  server { listen 127.0.0.1:${port} ssl; protocol pop3; }
}
http {
  access_log off;
  server {
    listen 127.0.0.1:${asked};
    location / {
      add_header Auth-Status OK;
      add_header Auth-Server 127.0.0.1;
      add_header Auth-Port ${behind};
      return 204;
    }
  }
}
`,
  )
  const version = firstLine('/usr/sbin/nginx', '-v')
  return frontEnd('nginx', port, ['/usr/sbin/nginx', '-c', file, '-e', join(folder, 'nginx.log')], version)
}

/** Dovecot as a proxy: reads USER and PASS and logs in behind with what was typed. */
export async function dovecot({ folder, cert, key, behind }: Stand): Promise<FrontEnd> {
  need({ '/usr/sbin/dovecot': 'dovecot-core', '/usr/lib/dovecot/pop3-login': 'dovecot-pop3d' })
  const port = await freePort()
  const base = join(folder, 'run')
  mkdirSync(base)
  chmodSync(folder, 0o755)
  const file = join(folder, 'dovecot.conf')
  writeFileSync(
    file,
    `base_dir = ${base}
log_path = ${folder}/dovecot.log
protocols = pop3
ssl = required
ssl_cert = <${cert}
ssl_key = <${key}
ssl_prefer_server_ciphers = yes
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:/nonexistent
passdb {
  driver = static
  args = proxy=y host=127.0.0.1 port=${behind} nopassword=y
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
service pop3-login {
  service_count = 0
  process_min_avail = 2
  process_limit = 2
  client_limit = 9000
  vsz_limit = 2G
  inet_listener pop3 {
    port = 0
  }
  inet_listener pop3s {
    address = 127.0.0.1
    port = ${port}
    ssl = yes
  }
}
service anvil {
  client_limit = 20000
}
service auth {
  client_limit = 20000
}
mail_max_userip_connections = 20000
`,
  )
  const version = firstLine('/usr/sbin/dovecot', '--version')
  return frontEnd('dovecot', port, ['/usr/sbin/dovecot', '-F', '-c', file], `Dovecot ${version}`)
}

/** The least that a relay in Node can do: see `bare-relay.ts`. */
export async function bareRelay({ cert, key, behind }: Stand): Promise<FrontEnd> {
  const port = await freePort()
  const program = new URL('bare-relay.ts', import.meta.url).pathname
  const argv = [process.execPath, program, String(port), String(behind), cert, key]
  return { ...(await frontEnd('bare relay', port, argv, process.version)), pass: 'pw%t' }
}
