/** Strangers in a process of their own: `node flood.ts PORT COUNT PER_SECOND PREFIX…`, each PREFIX a /16 such as 127.66. */
import { setTimeout as delay } from 'node:timers/promises'
import { knock } from './clients.ts'

const [port = '', count = '', perSecond = '', ...prefixes] = process.argv.slice(2)
const started = performance.now()
const open = new Set<Promise<void>>()
for (let i = 0; i < Number(count); i++) {
  const ahead = (i / Number(perSecond)) * 1_000 - (performance.now() - started)
  if (ahead > 1) await delay(ahead)
  const from = `${prefixes[i % prefixes.length]}.${(i >> 8) & 255}.${i & 255 || 1}`
  const one = knock({ port: Number(port), from }).then(() => void open.delete(one))
  open.add(one)
}
await Promise.all(open)
process.stdout.write(JSON.stringify({ seconds: (performance.now() - started) / 1_000 }))
