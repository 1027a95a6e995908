import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { gatewaysOf } from '../../../src/keeper/gateways.ts'

const folder = mkdtempSync(join(tmpdir(), 'gateways-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

test('the gateways are those of the routes that have one', async () => {
  writeFileSync(
    join(folder, 'route'),
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n' +
      'eth0\t00000000\tFE7100CB\t0003\t0\t0\t0\t00000000\n' +
      'eth0\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\n',
  )
  const zeros = '0'.repeat(32)
  writeFileSync(
    join(folder, 'ipv6_route'),
    `${zeros} 00 ${zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0\n` +
      `20010db8000000000000000000000000 40 ${zeros} 00 ${zeros} 00000100 00000001 00000000 00000001     eth0\n`,
  )
  expect([...(await gatewaysOf(folder))]).toEqual(['203.0.113.254', 'fe80::1'])
})

test('where there are no such files, or others, there are no gateways', async () => {
  expect([...(await gatewaysOf(join(folder, 'gone')))]).toEqual([])
  writeFileSync(join(folder, 'route'), 'what\tis\tthis\n\0\n')
  writeFileSync(join(folder, 'ipv6_route'), '')
  expect([...(await gatewaysOf(folder))]).toEqual([])
})
