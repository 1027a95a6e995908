import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/{unit,property,dialog,contract,e2e,house}/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'forks',
  },
})
