/** A compiler of databases that was taken over: it has a compiler's powers and tries to get more. What it gets is its answer. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error)

function attempt(act: () => unknown): string {
  try {
    return `done: ${String(act())}`
  } catch (error) {
    return codeOf(error)
  }
}

process.once('message', (question: { kind: string }) => {
  if (question.kind === 'hang') return void setInterval(() => undefined, 1_000)
  if (question.kind === 'crash') process.exit(7)
  const got = {
    'read /etc/passwd': attempt(() => readFileSync('/etc/passwd').length),
    'list /': attempt(() => readdirSync('/').length),
    'write a file': attempt(() => {
      writeFileSync('/tmp/postern-hostile-compiler', 'x')
    }),
    'start a program': attempt(() => spawn('true').pid),
    'start a thread': attempt(() => new Worker('1', { eval: true }).threadId),
  }
  process.send?.({ ok: false, fault: JSON.stringify(got) })
})
