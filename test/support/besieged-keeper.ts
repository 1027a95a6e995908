/** A keeper's surroundings with a hostile front inside: `node besieged-keeper.ts FOLDER ATTACK own|nobody`, findings on stdout. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLog } from '../../src/base/log.ts'
import { openControl } from '../../src/keeper/control.ts'
import { takeEnvironment } from '../../src/keeper/environment.ts'
import { refuseInspector } from '../../src/keeper/no-inspector.ts'
import { frontIdentity, supervise } from '../../src/keeper/supervise.ts'

const [folder = '', attack = '', as = 'own'] = process.argv.slice(2)
const state = join(folder, 'state')
const out = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)

const environment = takeEnvironment()
refuseInspector(() => {
  out({ attack: 'signal', got: 'noticed' })
})
for (const path of [state, join(folder, 'keys')]) mkdirSync(path, { recursive: true })
writeFileSync(join(state, 'postern.sqlite'), 'store')
writeFileSync(join(folder, 'keys/master.key'), environment['POSTERN_MASTER_KEY'] ?? '')
await openControl(state, () => Promise.resolve('in'), out)

let asked = false
supervise({
  count: 1,
  identity: as === 'nobody' ? frontIdentity('nobody', out) : null,
  allowed: () => [{ host: '127.0.0.1', port: 39_916 }],
  log: createLog('error', 'json'),
  program: {
    file: new URL('./hostile-front.ts', import.meta.url).pathname,
    folder: new URL('.', import.meta.url).pathname,
  },
  events: {
    started(front) {
      if (asked) return
      asked = true
      // Not a message of ours: it tells the hostile program what to try.
      front.say({ kind: 'attack', detail: { state, attack } } as never)
    },
    message(_, message) {
      if (message.kind !== 'log') return
      out(JSON.parse(message.text))
      if (message.text.includes('"end"')) process.exit(0)
    },
    lost(_, reason) {
      out({ attack, got: `front lost: ${reason}` })
      process.exit(0)
    },
  },
})
setTimeout(() => process.exit(3), 20_000).unref()
