/** PROXY headers as a balancer writes them; written here anew, so that Postern is not checked against itself. */

const SIGNATURE = Buffer.from([13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10])

export type V2 = { command?: number; version?: number; family?: number; addresses?: Buffer; tlvs?: Buffer }

/** A header of version 2; TCP over IPv4 from 192.0.2.7:4711 to 198.51.100.1:995 unless told otherwise. */
export function v2({ command = 1, version = 2, family = 0x11, addresses = v4(), tlvs }: V2 = {}): Buffer {
  const rest = Buffer.concat([addresses, tlvs ?? Buffer.alloc(0)])
  const head = Buffer.from([version * 16 + command, family, rest.length >> 8, rest.length & 255])
  return Buffer.concat([SIGNATURE, head, rest])
}

/** The address block of TCP over IPv4. */
export function v4(source = [192, 0, 2, 7], port = 4711): Buffer {
  return Buffer.from([...source, 198, 51, 100, 1, port >> 8, port & 255, 995 >> 8, 995 & 255])
}

/** The address block of TCP over IPv6, from 16 octets in hex. */
export function v6(source: string, port = 4711): Buffer {
  const end = Buffer.from('20010db8000000000000000000000001', 'hex')
  return Buffer.concat([Buffer.from(source, 'hex'), end, Buffer.from([port >> 8, port & 255, 3, 227])])
}

/** One type, length, value. */
export function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value])
}
