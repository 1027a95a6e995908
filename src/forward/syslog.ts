/**
 * An audit line as a syslog message (RFC 5424) in a frame that tells its length (RFC 6587 section 3.4.1, RFC 5425 section 4.3): a line
 * can hold what it likes, it cannot end its frame.
 *
 * The message is the line as it is, so that whoever has it can prove its chain. No BOM goes before it: RFC 8259 section 8.1 forbids one
 * before JSON, and a parser that stumbles over it would lose just those lines whose user name is not ASCII. RFC 5424 section 6.4 has
 * that as MSG-ANY.
 */

/** RFC 5424 section 6.2.1: 10 is security and authorisation, as in auth.log. */
const FACILITY = 10
const WARNING = 4
const INFO = 6

/** Who speaks: `host` as the machine calls itself, `process` the keeper's id. */
export type Speaker = { host: string; process: number }

/** What comes first in each line is ours: no text of outside origin stands before `outcome`. */
const HEAD = /^\{"@timestamp":"([0-9TZ:.-]{20,32})".*?"action":"([a-z0-9-]{1,32})"(?:,"outcome":"(success|failure)")?/
const HEAD_OCTETS = 512

/** Needs one line, with or without its LF; gives its frame. */
export function frameOf(line: Buffer, { host, process }: Speaker): Buffer {
  const [, at = '-', action = '-', outcome] = HEAD.exec(line.toString('latin1', 0, HEAD_OCTETS)) ?? []
  const priority = FACILITY * 8 + (outcome === 'failure' ? WARNING : INFO)
  const header = `<${priority}>1 ${at} ${nameOf(host)} postern ${process} ${action} - `
  const body = line.at(-1) === 0x0a ? line.subarray(0, -1) : line
  const start = Buffer.from(`${Buffer.byteLength(header) + body.length} ${header}`)
  return Buffer.concat([start, body])
}

/** HOSTNAME is of printable ASCII, and `-` where nobody knows it. */
function nameOf(host: string): string {
  return host.replaceAll(/[^\x21-\x7e]/g, '').slice(0, 255) || '-'
}
