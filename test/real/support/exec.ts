import { spawn } from 'node:child_process'

export type Done = { code: number; out: string; err: string }

/**
 * Runs one program to its end and gives its exit code (a signal counts as 128) with what it printed.
 * `ms` is the longest it may take; past that it is killed and the promise rejects.
 */
export async function exec(argv: string[], opts: { ms: number; env?: NodeJS.ProcessEnv; cwd?: string }): Promise<Done> {
  const [file = '', ...args] = argv
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: opts.env ?? process.env, cwd: opts.cwd })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes))
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, opts.ms)
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exit) => {
      resolve(exit ?? 128)
    })
  }).finally(() => {
    clearTimeout(timer)
  })
  const done = { code, out: Buffer.concat(out).toString('latin1'), err: Buffer.concat(err).toString('latin1') }
  if (late) throw new Error(`${argv.join(' ')}: took longer than ${String(opts.ms)} ms\n${done.out}${done.err}`)
  return done
}

/** Runs one program that must exit 0 and gives what it printed on stdout; otherwise throws with the last lines it said. */
export async function must(
  argv: string[],
  opts: { ms: number; env?: NodeJS.ProcessEnv; cwd?: string },
): Promise<string> {
  const done = await exec(argv, opts)
  if (done.code === 0) return done.out
  const said = `${done.out}${done.err}`.trim().split('\n').slice(-12).join('\n')
  throw new Error(`${argv.join(' ')} ended with ${String(done.code)}:\n${said}`)
}
