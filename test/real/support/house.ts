import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { chown, mkdir, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { exec, must } from './exec.ts'
import type { Done } from './exec.ts'
import { CACHE, chroot, image } from './image.ts'

const HOUSES = join(CACHE, 'houses')
const ENV = { HOME: '/root', PATH: '/usr/sbin:/usr/bin', LC_ALL: 'C', TZ: 'UTC' }

/** The mailbox password of every user in a house, and its SHA-512 crypt form. */
export const PASSWORD = 'old-password'
const CRYPT = '$6$posterntest$IpE07VE3daGn3kTvVlMD.ghMCzWqveVs312KnJtBiGmkULkXaeIBboRSfT2PH80fYfah0JLeXC3wfgaBxwKOQ/'

export type Person = { name: string; uid: number }
export type Running = { pid: number; said: () => string; ended: Promise<void>; stop: () => Promise<void> }

/**
 * A throw-away copy of the image with people in it, where servers and clients run under chroot.
 * Paths given to `path` and `put` are absolute ones of the inside.
 */
export type House = {
  /** The loopback address of its servers, which no other house has. */
  address: string
  people: Person[]
  path: (inside: string) => string
  put: (inside: string, content: string | Buffer, owner?: { uid: number; gid: number; mode: number }) => Promise<void>
  run: (argv: string[], opts: { ms: number; env?: Record<string, string> }) => Promise<Done>
  start: (argv: string[], env?: Record<string, string>) => Running
  /** Starts a program with this connection as its standard input and output; the caller then lets go of it. */
  serve: (argv: string[], socket: Socket) => void
  demolish: () => Promise<void>
}

/** Makes a house with these people; needs root and the image. The caller demolishes it. */
export async function makeHouse(label: string, names: string[]): Promise<House> {
  const { root: from } = await image()
  const root = await plot(label)
  await demolish(root)
  await must(['cp', '-al', from, root], { ms: 60_000 })
  const path = (inside: string): string => join(root, inside)
  const people = names.map((name, at) => ({ name, uid: 2001 + at }))
  const { pid } = process
  const house: House = {
    // One house a process at a time, and one process a test file; a process id has 22 bits.
    address: `127.${String(64 + (pid >> 16))}.${String((pid >> 8) & 255)}.${String(pid & 255)}`,
    people,
    path,
    put: async (inside, content, owner) => {
      // The file may be a hard link into the image: replace it, never write through it.
      await rm(path(inside), { force: true })
      await mkdir(dirname(path(inside)), { recursive: true })
      await writeFile(path(inside), content, { mode: owner?.mode ?? 0o644 })
      if (owner) await chown(path(inside), owner.uid, owner.gid)
    },
    run: async (argv, opts) => exec([...chroot(root), ...argv], { ms: opts.ms, env: { ...ENV, ...opts.env } }),
    start: (argv, env) => start([...chroot(root), ...argv], { ...ENV, ...env }),
    serve: (argv, socket) => {
      const [file = '', ...args] = [...chroot(root), ...argv]
      spawn(file, args, { stdio: [socket, socket, 'ignore'], env: ENV })
    },
    demolish: async () => demolish(root),
  }
  await settle(house)
  return house
}

/** A path of this run for a folder that is swept away with the houses. */
export async function plot(label: string): Promise<string> {
  await mkdir(HOUSES, { recursive: true })
  return join(HOUSES, `${process.env['POSTERN_REAL_RUN'] ?? String(process.pid)}-${label}`)
}

async function settle(house: House): Promise<void> {
  const daemons = ['dovecot', 'dovenull', 'popa3d', 'courier'].map((name, at) => ({ name, uid: 901 + at }))
  const all = [...daemons, ...house.people]
  const passwd = all.map(({ name, uid }) => `${name}:x:${String(uid)}:${String(uid)}::/home/${name}:/bin/sh\n`)
  const group = all.map(({ name, uid }) => `${name}:x:${String(uid)}:\n`)
  const shadow = house.people.map(({ name }) => `${name}:${CRYPT}:19000::::::\n`)
  await house.put('/etc/passwd', `root:x:0:0::/root:/bin/sh\n${passwd.join('')}`)
  await house.put('/etc/group', `root:x:0:\nmail:x:8:\n${group.join('')}`)
  await house.put('/etc/shadow', `root:*:19000::::::\n${shadow.join('')}`, { uid: 0, gid: 0, mode: 0o600 })
  await chown(house.path('/run/courier/authdaemon'), 904, 904)
  for (const { name, uid } of house.people) {
    await mkdir(house.path(`/home/${name}`), { mode: 0o700 })
    await chown(house.path(`/home/${name}`), uid, uid)
  }
}

function start(argv: string[], env: Record<string, string>): Running {
  const [file = '', ...args] = argv
  // A group of its own, so that stop() also reaches what the program started.
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env, detached: true })
  let said = ''
  const hear = (bytes: Buffer): void => {
    said = (said + bytes.toString('latin1')).slice(-20_000)
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const ended = new Promise<void>((resolve) => {
    child.on('exit', () => {
      resolve()
    })
    child.on('error', (error) => {
      said += error.message
      resolve()
    })
  })
  const pid = child.pid ?? 0
  const stop = async (): Promise<void> => {
    if (pid > 0 && child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL')
    await ended
  }
  return { pid, said: () => said, ended, stop }
}

/** Removes a house: kills every process that lives in it, by its id, then the folder. */
async function demolish(root: string): Promise<void> {
  for (let round = 0; round < 50; round += 1) {
    const living = await tenants(root)
    if (living.length === 0) break
    for (const pid of living) kill(pid)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await rm(root, { recursive: true, force: true, maxRetries: 5 })
}

async function tenants(root: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const rooted = await Promise.all(
    pids.map(async (pid) => {
      const at = await readlink(`/proc/${pid}/root`).catch(() => '')
      return at === root || at.startsWith(`${root}/`) ? [Number(pid)] : []
    }),
  )
  return rooted.flat()
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It went by itself meanwhile.
  }
}

/** Removes the houses of this run, and those of runs whose process is gone (a run that was killed cannot clean up). */
export async function sweep(run: string): Promise<void> {
  for (const name of await readdir(HOUSES).catch(() => [])) {
    const owner = name.split('-')[0] ?? ''
    const lives = await readlink(`/proc/${owner}/exe`).then(
      () => true,
      () => false,
    )
    if (owner === run || !lives) await demolish(join(HOUSES, name))
  }
}

/** The same for the folders of one run, at once: for the last moment of a process that is being interrupted. Its programs die with it. */
export function sweepNow(run: string): void {
  try {
    const names = readdirSync(HOUSES).filter((name) => name.startsWith(`${run}-`))
    for (const name of names) rmSync(join(HOUSES, name), { recursive: true, force: true })
  } catch {
    // There are none, or something in one is still writing; the next run sweeps it.
  }
}
