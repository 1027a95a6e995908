/** What holds for the relay holds with TLS towards the old server as well: the same tests, played once more. */
import { afterAll, beforeAll } from 'vitest'
import { BEHIND } from './stand.ts'

beforeAll(() => {
  process.env[BEHIND] = 'yes'
})
afterAll(() => {
  // Other files of tests run in the same process.
  Reflect.deleteProperty(process.env, BEHIND)
})

// Under a name of their own: a file that was read in this process already would not be read again, and its tests be missing.
for (const file of ['endings', 'pump']) await import(/* @vite-ignore */ `./${file}.test.ts?behind-tls`)
