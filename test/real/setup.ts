import { sweep, sweepNow } from './support/house.ts'
import { image } from './support/image.ts'

/** Before all files: unpacks the real servers and clients once, and clears away what a killed run left behind. */
export async function setup(): Promise<void> {
  await image()
  const run = String(process.pid)
  process.env['POSTERN_REAL_RUN'] = run
  await sweep('')
  process.once('exit', () => {
    sweepNow(run)
  })
}

/** After all files, also when one of them died: no server of ours lives on. */
export async function teardown(): Promise<void> {
  await sweep(String(process.pid))
}
