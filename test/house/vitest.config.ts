import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/{unit,property,dialog,contract,e2e,house}/**/*.test.ts'],
    setupFiles: ['test/house/seed.ts'],
    testTimeout: 30_000,
    pool: 'forks',
    // The tests of whole servers wait more than they work: one more than there are cores, where Vitest would take one less.
    maxWorkers: 3,
    // No file of ours changes what another one sees; a process for each of them would cost a third of the time.
    isolate: false,
    // Each test of a whole server starts the same three hundred files: compiled once, a start costs half. Fronts do not see this.
    env: { NODE_COMPILE_CACHE: new URL('../../node_modules/.cache/postern.code', import.meta.url).pathname },
  },
})
