/** The routers of this machine, as Linux lists them. */
import { readFile } from 'node:fs/promises'
import { parseAddress } from '../base/ip.ts'

/** Gives their addresses; none on other systems. Never throws: it is asked for a warning's sake alone. */
export async function gatewaysOf(folder = '/proc/net'): Promise<Set<string>> {
  const read = (name: string) => readFile(`${folder}/${name}`, 'utf8').catch(() => '')
  const [four, six] = await Promise.all([read('route'), read('ipv6_route')])
  const found = [...four.split('\n').slice(1).map(ipv4Of), ...six.split('\n').map(ipv6Of)]
  return new Set(found.flatMap((address) => (address === null || /^(0\.0\.0\.0|::)$/.test(address) ? [] : [address])))
}

/** The third word: eight hex digits in the byte order of the machine, which is that of x86 and ARM. */
function ipv4Of(line: string): string | null {
  const hex = line.split('\t')[2] ?? ''
  if (!/^[0-9A-F]{8}$/i.test(hex)) return null
  return parseAddress([...Buffer.from(hex, 'hex').reverse()].join('.'))?.text ?? null
}

/** The fifth word: 32 hex digits in network order. */
function ipv6Of(line: string): string | null {
  const hex = line.split(/ +/)[4] ?? ''
  return /^[0-9a-f]{32}$/i.test(hex) ? (parseAddress(hex.match(/.{4}/g)?.join(':') ?? '')?.text ?? null) : null
}
