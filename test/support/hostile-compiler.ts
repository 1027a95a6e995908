/** A compiler that was taken over: it has a compiler's powers, and its answer says what it got with them. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { toFrame } from '../../src/compiler/wire.ts'

const [uid, gid] = process.argv.slice(2)
if (uid !== undefined && gid !== undefined) {
  process.setgroups?.([])
  process.setgid?.(Number(gid))
  process.setuid?.(Number(uid))
}

let asked = ''
for await (const chunk of process.stdin) asked += String(chunk)

function attempt(act: () => unknown): string {
  try {
    return `done: ${String(act())}`
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

const say = (answer: unknown) => {
  for (const octets of toFrame([answer])) process.stdout.write(octets)
}

if (asked.includes('powers')) {
  const got = {
    read: attempt(() => readFileSync('/etc/passwd').length),
    write: attempt(() => {
      writeFileSync('/tmp/postern-hostile', 'x')
    }),
    program: attempt(() => spawn('true').pid),
    thread: attempt(() => new Worker('1', { eval: true }).threadId),
    environment: JSON.stringify(process.env),
    uid: process.getuid?.(),
  }
  say({ at: 'failed', reason: JSON.stringify(got) })
} else if (asked.includes('hang')) setInterval(() => undefined, 1_000)
else if (asked.includes('crash')) process.exit(7)
else if (asked.includes('nonsense')) process.stdout.write('nonsense and more of it')
else if (asked.includes('flood')) while (process.stdout.writable) process.stdout.write(Buffer.alloc(65_536))
else if (asked.includes('memory')) {
  const kept: string[][] = []
  for (;;) kept.push(Array.from({ length: 100_000 }, (_, i) => `text ${i} ${kept.length}`))
} else say({ at: 'lists', list: { v4From: 'no array' }, covers: [], reports: [] })
