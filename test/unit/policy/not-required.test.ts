import { describe, expect, test } from 'vitest'
import { loginPolicyOf } from '../../../src/keeper/in-force.ts'
import { gatewayRemarks } from '../../../src/policy/not-required.ts'
import { good, POSTERN } from './folder.ts'

const login = (...networks: string[]) => `second_factor: { not_required_from: ${JSON.stringify(networks)} }\n`
const warningsOf = async (networks: string[], postern = POSTERN) =>
  (await good({ 'login.yaml': login(...networks), 'postern.yaml': postern })).warnings

describe('where the password alone is enough', () => {
  test.each([
    ['10.1.2.3', true],
    ['::ffff:10.1.2.3', true],
    ['::ffff:a01:203', true],
    ['11.0.0.1', false],
    ['192.0.2.9', true],
    ['2001:db8::1', true],
    ['2001:db9::1', false],
    ['::10.1.2.3', false],
    ['no address', false],
    ['', false],
  ])('%s: %s', async (ip, enough) => {
    const { policies } = await good({ 'login.yaml': login('10.0.0.0/8', '::ffff:192.0.2.0/120', '2001:db8::/32') })
    expect(loginPolicyOf(policies).second_factor.not_required_from(ip)).toBe(enough)
  })
})

describe('check has a word', () => {
  test.each([
    [['0.0.0.0/0'], ['1:38: `second_factor.not_required_from[0]: "0.0.0.0/0"` is everybody']],
    [['10.0.0.0/8', '::/0'], ['1:51: `second_factor.not_required_from[1]: "::/0"` is everybody']],
    [['0.0.0.0/1', '128.0.0.0/1'], ['1:37: `second_factor.not_required_from` covers all of IPv4']],
    [['::/1', '8000::/1', '10.0.0.0/8'], ['1:37: `second_factor.not_required_from` covers all of IPv6']],
    [['10.0.0.0/8'], []],
    [[], []],
  ])('on %j', async (networks, expected) => {
    const warnings = await warningsOf(networks)
    expect(warnings.map((line) => line.replace(/: the password.*|^login.yaml:/g, ''))).toEqual(expected)
  })

  test('on a network that holds a balancer, or is held by one', async () => {
    const postern = `${POSTERN}listeners: [{ name: a, address: "127.0.0.1:0", proxy_protocol_from: [10.0.0.8/32, 192.0.2.0/24] }]\n`
    const remark = (i: number, balancer: string) => expect.stringMatching(new RegExp(`not_required_from\\[${i}\\].*holds the balancer ${balancer} of`)) as string // prettier-ignore
    expect(await warningsOf(['10.0.0.0/8', '192.0.2.7/32', '10.0.0.9/32'], postern)).toEqual([
      remark(0, '10.0.0.8/32'),
      remark(1, '192.0.2.0/24'),
    ])
  })

  test('on a network that holds the router of this machine', async () => {
    const { policies } = await good({ 'login.yaml': login('10.0.0.0/8', '192.168.0.0/16') })
    expect(gatewayRemarks(policies.login, new Set(['192.168.1.1', 'fe80::1']))).toEqual([
      { path: ['second_factor', 'not_required_from', 1], message: expect.stringContaining('192.168.1.1, the gateway') as string }, // prettier-ignore
    ])
  })
})
