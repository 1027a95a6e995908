import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exec, must } from './exec.ts'

/** Where packages are unpacked and houses are built; not in the tree, and not in /tmp, which may forbid device nodes. */
export const CACHE = process.env['POSTERN_REAL_CACHE'] ?? '/var/cache/postern-real'

/** Packages whose programs run. The three mail servers conflict with each other, so apt answers for each set on its own. */
const RUN = [
  ['dash', 'coreutils', 'curl', 'fetchmail', 'mpop', 'python3', 'dovecot-pop3d', 'haproxy'],
  ['courier-pop', 'courier-authlib'],
  ['popa3d', 'libpam-modules'],
  ['rbldnsd'],
  ['ncrack'],
  ['rsyslog', 'rsyslog-gnutls'],
  ['syslog-ng-core'],
  ['fail2ban'],
]
/** Packages that are read for the messages they ship. */
const READ = {
  'libpython3.11-testsuite': '*/test/test_email/data/msg_*.txt',
  'golang-github-jhillyerd-enmime-dev': '*/enmime/testdata/*.raw',
  spamassassin: '*/spamassassin/examples/sample-*.txt',
}
/** What no program here reads; leaves the image at about 150 MB. */
const LEFT_OUT = ['./usr/share/doc', './usr/share/man', './usr/share/locale', './usr/share/perl', './usr/lib/*/perl']

const STEP_MS = 300_000

/**
 * Gives the folder `{root, corpora}` with the old servers and the clients unpacked, and makes it when it is not there:
 * a few seconds and about 70 MB from the package mirror the first time. apt works on lists, a status file and an archive of our own,
 * so nothing is installed on the machine, no service starts, and a running apt is not in the way.
 * Throws with a line that says what to do when the machine cannot do this.
 */
export async function image(): Promise<{ root: string; corpora: string }> {
  const recipe = createHash('sha256').update(JSON.stringify([RUN, READ, LEFT_OUT, process.arch, 1]))
  const home = join(CACHE, `image-${recipe.digest('hex').slice(0, 12)}`)
  const done = { root: join(home, 'root'), corpora: join(home, 'corpora') }
  const there = await stat(home).then(
    () => true,
    () => false,
  )
  await refuse(there)
  if (there) return done
  const building = `${home}.${String(process.pid)}`
  await rm(building, { recursive: true, force: true })
  try {
    await build(building)
    await rename(building, home)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
  return done
}

async function refuse(there: boolean): Promise<void> {
  const wanted = [...RUN.flat(), ...Object.keys(READ)].join(' ')
  const missing = there ? '' : ` Missing packages: ${wanted}.`
  if (process.platform !== 'linux') throw new Error(`test:real needs Debian 12.${missing}`)
  if (process.getuid?.() !== 0) throw new Error(`test:real needs root: real servers run in a chroot.${missing}`)
  for (const tool of ['chroot', 'setpriv', 'cp', ...(there ? [] : ['apt-get', 'dpkg-deb', 'tar'])]) {
    const found = await exec(['/bin/sh', '-c', `command -v ${tool}`], { ms: 5_000 })
    if (found.code !== 0) throw new Error(`test:real needs Debian 12: no ${tool} here.${missing}`)
  }
}

async function build(home: string): Promise<void> {
  const apt = join(home, 'apt')
  for (const dir of ['lists/partial', 'run/partial', 'read']) await mkdir(join(apt, dir), { recursive: true })
  await writeFile(join(apt, 'status'), '')
  const options = aptOptions(apt)
  await aptGet(options, ['update'], apt)
  for (const set of RUN) await aptGet(options, ['--no-install-recommends', '--download-only', 'install', ...set], apt)
  await aptGet(options, ['download', ...Object.keys(READ)], join(apt, 'read'))
  const root = join(home, 'root')
  await mkdir(root)
  for (const dir of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(root, 'usr', dir), { recursive: true })
    await symlink(`usr/${dir}`, join(root, dir))
  }
  const without = LEFT_OUT.map((path) => `--exclude=${path}`)
  for (const deb of await debs(join(apt, 'run'))) await unpack(deb, root, without)
  for (const deb of await debs(join(apt, 'read'))) {
    const wanted = Object.entries(READ).find(([name]) => deb.includes(`/${name}_`))?.[1] ?? '*'
    await unpack(deb, join(home, 'unread'), ['--wildcards', wanted])
  }
  await gather(join(home, 'unread'), join(home, 'corpora'))
  await rm(join(home, 'unread'), { recursive: true })
  await rm(apt, { recursive: true })
  await furnish(root)
}

function aptOptions(apt: string): string[] {
  const set = {
    'Dir::State::lists': join(apt, 'lists'),
    'Dir::State::status': join(apt, 'status'),
    'Dir::Cache::archives': join(apt, 'run'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'APT::Sandbox::User': 'root',
    'Acquire::Retries': '3',
    'Acquire::http::Timeout': '30',
    'Acquire::https::Timeout': '30',
  }
  return ['-q', '-y', ...Object.entries(set).flatMap(([key, value]) => ['-o', `${key}=${value}`])]
}

async function aptGet(options: string[], args: string[], cwd: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  await must(['apt-get', ...options, ...args], { ms: STEP_MS, env, cwd })
}

async function debs(dir: string): Promise<string[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.deb'))
  if (names.length === 0) throw new Error(`apt-get left no package in ${dir}`)
  return names.map((name) => join(dir, name))
}

async function unpack(deb: string, to: string, tarArgs: string[]): Promise<void> {
  await mkdir(to, { recursive: true })
  // Packages of this release still ship /bin and /lib; the flag keeps them from replacing the links made above.
  const line = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink "${@:3}"'
  await must(['bash', '-o', 'pipefail', '-c', line, 'unpack', deb, to, ...tarArgs], { ms: STEP_MS })
}

async function gather(from: string, to: string): Promise<void> {
  await mkdir(to)
  const entries = await readdir(from, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const flat = path
      .slice(from.length + 1)
      .replace(/^.*\/(test_email|enmime|spamassassin)\//, '$1-')
      .replaceAll('/', '-')
    await copyFile(path, join(to, flat))
  }
}

/** What a package's install script or the machine would have put there. */
async function furnish(root: string): Promise<void> {
  for (const dir of [
    'dev',
    'proc',
    'run',
    'home',
    'root',
    'tmp',
    'var/mail',
    'var/lib/popa3d',
    'run/courier/authdaemon',
  ]) {
    await mkdir(join(root, dir), { recursive: true })
  }
  await must(['chmod', '1777', join(root, 'tmp'), join(root, 'var/mail')], { ms: 5_000 })
  for (const [name, minor] of [
    ['null', '3'],
    ['zero', '5'],
    ['random', '8'],
    ['urandom', '9'],
  ] as const) {
    await must(['mknod', '-m', '666', join(root, 'dev', name), 'c', '1', minor], { ms: 5_000 })
  }
  await must([...chroot(root), '/bin/sh', '-c', 'echo works > /dev/null'], { ms: 5_000 })
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n')
  const files = ['passwd', 'shadow', 'group', 'hosts', 'services', 'protocols'].map((name) => `${name}: files\n`)
  await writeFile(join(root, 'etc/nsswitch.conf'), files.join(''))
  for (const kind of ['auth', 'account', 'session', 'password']) {
    await writeFile(join(root, `etc/pam.d/common-${kind}`), `${kind} required pam_unix.so\n`)
  }
  for (const service of ['pop3', 'dovecot']) {
    await writeFile(join(root, `etc/pam.d/${service}`), 'auth required pam_unix.so\naccount required pam_unix.so\n')
  }
}

/** The words before a program that is to run inside `root`; it dies with this process, also when this process is killed. */
export function chroot(root: string): string[] {
  return ['setpriv', '--pdeathsig', 'KILL', 'chroot', root]
}
