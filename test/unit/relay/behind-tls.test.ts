/** What holds for the relay holds with TLS towards the old server as well: the same tests, played once more. */
import { BEHIND } from './stand.ts'

process.env[BEHIND] = 'yes'
await import('./endings.test.ts')
await import('./pump.test.ts')
