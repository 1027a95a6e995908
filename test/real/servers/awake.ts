import { connect } from 'node:net'
import { once } from 'node:events'
import type { House, Running } from '../support/house.ts'
import { until } from '../support/until.ts'

const START_MS = 20_000

/** The port of every old server; its address is the house's own. */
export const PORT = 11_110
/** POP3S, where a server has it. */
export const TLS_PORT = 11_112
/** Where Dovecot wants a PROXY header. */
export const PROXIED_PORT = 11_111

/** Waits until a server that was just started greets; throws with what it said when it ends instead. */
export async function awake(name: string, house: House, running: Running): Promise<void> {
  let ended = false
  void running.ended.then(() => (ended = true))
  await until(`${name} greets`, START_MS, async () => ended || (await greets(house.address)))
  if (ended) throw new Error(`${name} does not start:\n${running.said()}`)
}

async function greets(host: string): Promise<boolean> {
  const socket = connect(PORT, host)
  socket.setTimeout(2_000, () => socket.destroy())
  try {
    const [first] = (await once(socket, 'data')) as [Buffer]
    return first.toString('latin1').startsWith('+OK')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
