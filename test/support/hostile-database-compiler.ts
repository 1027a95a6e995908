/** A compiler of databases that was taken over: it has a compiler's powers and tries to get more. What it gets is its answer. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { readFrame, toFrame } from '../../src/compiler/wire.ts'

const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error)

function attempt(act: () => unknown): string {
  try {
    return `done: ${String(act())}`
  } catch (error) {
    return codeOf(error)
  }
}

const { kind } = (await readFrame(process.stdin, { head: 65_536, all: 65_536 })) as { kind: string }
if (kind === 'crash') process.exit(7)
if (kind === 'hang') await new Promise(() => setInterval(() => undefined, 1_000))
if (kind === 'flood') while (process.stdout.writable) process.stdout.write(Buffer.alloc(65_536))
const got = {
  'read /etc/passwd': attempt(() => readFileSync('/etc/passwd').length),
  'list /': attempt(() => readdirSync('/').length),
  'write a file': attempt(() => {
    writeFileSync('/tmp/postern-hostile-compiler', 'x')
  }),
  'start a program': attempt(() => spawn('true').pid),
  'start a thread': attempt(() => new Worker('1', { eval: true }).threadId),
}
const short = { v4From: new Uint32Array(2), v4Value: new Uint32Array(3), v6From: new Uint32Array(0), v6Value: new Uint32Array(0) } // prettier-ignore
const untrue = { got: 'database', table: short, builtAt: 0, ranges: 2, type: 't', etag: null, lastModified: null }
const answer = kind === 'untrue' ? { ok: true, value: untrue } : { ok: false, fault: JSON.stringify(got) }
for (const octets of toFrame(answer)) process.stdout.write(octets)
process.stdout.write('', () => process.exit(0))
