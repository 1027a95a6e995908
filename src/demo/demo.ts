/** `postern demo`: the main job on embedded defaults, in a temporary folder, on free loopback ports. */
import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { qrCode } from '../cli/qr.ts'
import { startKeeper, type Keeper } from '../keeper/keeper.ts'
import type { Enrolment } from '../keeper/users.ts'
import { authenticator } from './authenticator.ts'
import { tryOut } from './client.ts'
import { demoMessages } from './messages.ts'
import { oldServer, type OldServer } from './old-server.ts'

const USER = 'demo@example.com'
const PASSWORD = 'correct-horse-'

type Demo = { folder: string; old: OldServer; keeper: Keeper; port: number; enrolment: Enrolment }

/** With `check`: fetches every message through itself, prints what it saw, gives 0 or 1. Without: stays up until a signal. */
export async function demo(options: { check?: boolean }): Promise<number> {
  const running = await start()
  try {
    if (options.check === true) return await check(running)
    await show(running)
    return 0
  } finally {
    await running.keeper.stop('demo over')
    running.old.close()
    await rm(running.folder, { recursive: true, force: true })
  }
}

async function start(): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-demo-'))
  const old = await oldServer(USER, PASSWORD, demoMessages())
  await writePolicies(folder, old.port)
  const bound: { port: number }[] = []
  const keeper = await startKeeper({
    file: join(folder, 'policies/postern.yaml'),
    announce: (listener) => {
      bound.push(listener)
    },
  })
  const enrolment = (await keeper.perform('user.enroll', { user: USER, replace: false })) as Enrolment
  return { folder, old, keeper, port: bound[0]?.port ?? 0, enrolment }
}

async function writePolicies(folder: string, backendPort: number): Promise<void> {
  await mkdir(join(folder, 'policies/tls'), { recursive: true })
  const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    notAfterDate: new Date(Date.now() + 90 * 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  const write = (name: string, text: string, mode = 0o644) => writeFile(join(folder, 'policies', name), text, { mode })
  await write('tls/cert.pem', pair.cert)
  await write('tls/key.pem', pair.private, 0o600)
  await write('login.yaml', 'second_factor: { required_for: all }\n')
  await write('networks.yaml', 'mode: enforce\n')
  await write(
    'postern.yaml',
    `listeners: [{ name: demo, address: "127.0.0.1:0" }]
tls: { certificates: [{ cert: tls/cert.pem, key: tls/key.pem }] }
backends: [{ name: old-server, addresses: ["127.0.0.1:${backendPort}"] }]
checks: [networks]
admin: off
processes: { user: nobody }
log: { level: warn }
`,
  )
}

const say = (text: string) => process.stdout.write(`${text}\n`)

async function check(running: Demo): Promise<number> {
  const expected = running.old.messages()
  say(`POP3S on 127.0.0.1:${running.port}, old server on 127.0.0.1:${running.old.port}`)
  const result = await tryOut({
    port: running.port,
    caFile: join(running.folder, 'policies/tls/cert.pem'),
    user: USER,
    password: PASSWORD,
    code: authenticator(running.enrolment.otpauth),
    expected,
    say,
  })
  say(result ? `demo: all ${expected.length} messages came through unaltered` : 'demo: FAILED')
  return result ? 0 : 1
}

async function show({ folder, port, enrolment, old }: Demo): Promise<void> {
  const codeFile = join(folder, 'code')
  const code = authenticator(enrolment.otpauth)
  const refresh = async () => {
    await writeFile(`${codeFile}.new`, code(), { mode: 0o600 })
    await rename(`${codeFile}.new`, codeFile)
  }
  await refresh()
  const timer = setInterval(() => void refresh().catch(() => undefined), 1_000)
  say(`Postern is up. Behind it stands an old server on 127.0.0.1:${old.port} that knows only plain text.\n`)
  say(`  address    127.0.0.1:${port} (POP3 over TLS)`)
  say(`  user       ${USER}`)
  say(`  password   ${PASSWORD}   with the code typed right behind it`)
  say(`  code now   ${code()}`)
  say(`  otpauth    ${enrolment.otpauth}\n`)
  if (process.stdout.isTTY) say(`${qrCode(enrolment.otpauth)}\n`)
  say('Read a message (the part in $(…) is the code of the moment):\n')
  say(
    `  curl --cacert ${folder}/policies/tls/cert.pem --user '${USER}:${PASSWORD}'"$(cat ${codeFile})" pop3s://127.0.0.1:${port}/1\n`,
  )
  say(`Audit streams: ${folder}/state/audit    Ctrl-C ends the demo and removes its folder.`)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve)
  })
  clearInterval(timer)
}
