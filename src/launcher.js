#!/usr/bin/env node
// Plain JavaScript without new words, so that a Node that is too old can still read it and say so.
import { existsSync } from 'node:fs'
import process from 'node:process'

const NEEDED = [24, 7]
const [major, minor] = process.versions.node.split('.').map(Number)

async function run() {
  // Node strips types in the tree only, not under node_modules: the packed build is compiled.
  const source = new URL('./main.ts', import.meta.url)
  // Who reads our words may go away early (`| head`): that is no fault of the command, and no reason to stop a server.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const { main } = await import(existsSync(source) ? source.href : new URL('../dist/main.js', import.meta.url).href)
  const code = await main(process.argv.slice(2))
  // A pipe takes what its reader has read: leaving now would cut a long list.
  await new Promise((resolve) => process.stdout.write('', resolve))
  process.exit(code)
}

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `postern: needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}: ` +
      'use `npm exec -- postern` inside the source tree, or install a newer Node\n',
  )
  process.exit(2)
}

run().catch((error) => {
  process.stderr.write(`postern: ${process.env.POSTERN_DEBUG === '1' ? error.stack : error.message}\n`)
  process.exit(1)
})
