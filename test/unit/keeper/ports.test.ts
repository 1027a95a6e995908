import { describe, expect, test } from 'vitest'
import type { ListenerPlan } from '../../../src/keeper/messages.ts'
import { settleListeners } from '../../../src/keeper/ports.ts'

const plan = (host: string): ListenerPlan => ({
  name: 'outside',
  host,
  port: 995,
  tls: 'implicit',
  clientCertificates: false,
  proxy: null,
})
const failing = (code: string) => Object.assign(new Error(code), { code })

describe('a machine without IPv6', () => {
  const bound: string[] = []
  const bind = (host: string) => {
    bound.push(host)
    return host === '::' ? Promise.reject(failing('EAFNOSUPPORT')) : Promise.resolve()
  }

  test('listens on 0.0.0.0 in place of [::], and says so', async () => {
    const said: string[] = []
    expect(await settleListeners([plan('::')], [], (text) => said.push(text), bind)).toEqual([plan('0.0.0.0')])
    expect(said).toEqual(['listener outside: this machine has no IPv6; it listens on 0.0.0.0:995'])
  })

  test('takes up new policies while it listens there: the port it holds itself is not in its way', async () => {
    const said: string[] = []
    const held = (host: string) => (host === '::' ? bind(host) : Promise.reject(failing('EADDRINUSE')))
    const settled = await settleListeners([plan('::')], [plan('0.0.0.0')], (text) => said.push(text), held)
    expect([settled, said]).toEqual([[plan('0.0.0.0')], []])
  })
})

test('another address on a port that Postern itself holds is told as that', async () => {
  const bind = () => Promise.reject(failing('EADDRINUSE'))
  await expect(settleListeners([plan('::')], [plan('0.0.0.0')], () => undefined, bind)).rejects.toThrow(
    'listener outside: postern itself holds port 995 on 0.0.0.0; stop it and start it again to move it to ::',
  )
})
