import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { connect } from 'node:tls'
import { expect, test } from 'vitest'
import { until } from '../support/running.ts'

const LAUNCHER = new URL('../../src/launcher.js', import.meta.url).pathname

/** What a shell makes of the printed line: the words that curl would get. */
function wordsOf(line: string): string[] {
  const out = execFileSync('sh', ['-c', `curl() { printf '%s\\0' "$@"; }\n${line}`])
  return out.toString().split('\0').slice(0, -1)
}

/** Does with the words what curl does: verifies the server by that authority alone, logs in, fetches the message of the URL. */
async function fetchBy(words: string[]): Promise<string> {
  const after = (option: string) => words[words.indexOf(option) + 1] ?? ''
  const url = new URL(words.at(-1) ?? '')
  const socket = connect({ host: url.hostname, port: Number(url.port), ca: readFileSync(after('--cacert')) })
  let heard = ''
  socket.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')))
  await once(socket, 'secureConnect')
  const [user = '', password = ''] = after('--user').split(/:(.*)/s)
  const response = Buffer.from(`\0${user}\0${password}`).toString('base64')
  socket.end(`AUTH PLAIN ${response}\r\nRETR ${url.pathname.slice(1)}\r\nQUIT\r\n`)
  await once(socket, 'close')
  return heard
}

test('the demo stays up, its curl line works as printed and again, and Ctrl-C leaves nothing behind', async () => {
  const demo = spawn(process.execPath, [LAUNCHER, 'demo'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  demo.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = once(demo, 'exit')
  try {
    const line = await until('the curl line', () => /^\s+(curl .*)\n/m.exec(said)?.[1])
    const words = wordsOf(line)
    expect(await fetchBy(words)).toContain('Subject: Welcome')
    expect(await fetchBy(wordsOf(line))).toContain('Subject: Welcome')
    demo.kill('SIGINT')
    expect(await ended).toEqual([0, null])
    expect(existsSync(dirname(words[words.indexOf('--cacert') + 1] ?? ''))).toBe(false)
  } finally {
    demo.kill('SIGKILL')
  }
})
