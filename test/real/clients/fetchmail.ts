import { mda } from './mda.ts'
import { CA, HOST } from './client.ts'
import type { Client, Seat } from './client.ts'

/** Messages up to this size are fetched and deleted when the client is told to delete; the others stay. */
const LIMIT = 1500
/** What fetchmail 6.4 reads of a body line at once. */
const PIECE = 8191

async function line(seat: Seat, dir: string, more: string): Promise<string[]> {
  const at = `/root/fetchmailrc-${seat.user}`
  const lines = `set no bouncemail
set no spambounce
set invisible
set idfile "/root/fetchids"
poll ${HOST} protocol POP3 port ${String(seat.port)} timeout 60 bad-header accept
  user "${seat.user}" password "${seat.password}" is root here
  ${seat.stls === true ? 'sslproto "tls1.2+"' : 'ssl'} sslcertck sslcertfile "${CA}"
  fetchall no rewrite no mimedecode pass8bits no stripcr no forcecr no dropstatus no dropdelivered
  mda "${await mda(seat, dir)}" ${more}
`
  await seat.house.put(at, lines, { uid: 0, gid: 0, mode: 0o600 })
  return ['/usr/bin/fetchmail', '-f', at, '--nodetach', '--nosyslog', '--pidfile', `/root/fetchmail-${seat.user}.pid`]
}

/** fetchmail, delivering through a program of ours, with all rewriting switched off that can be. CR LF stays CR LF. */
export const fetchmail: Client = {
  name: 'fetchmail',
  retrieve: async (seat, dir) => line(seat, dir, 'keep'),
  keeps: (message) => Buffer.from(rewritten(message.toString('latin1')), 'latin1'),
  // The byte that it leaves behind the NUL of a broken line is whatever lay on its stack.
  steady: (bytes) => Buffer.from(bytes.toString('latin1').replace(/\0[^]\r\n/g, '\0?\r\n'), 'latin1'),
  remove: async (seat, dir, listed) => {
    const told = listed.filter(({ size }) => size <= LIMIT).map(({ number }) => number)
    return { argv: await line(seat, dir, `nokeep limit ${String(LIMIT)}`), told }
  },
}

/**
 * What fetchmail changes whatever its settings. In the header: dot stuffing is not undone, lines of an mbox (`From `, `>From `) go,
 * and what ends it is one empty line, also when there was none or one of CR CR LF. In the body: a line that it cannot hold at once is broken.
 */
function rewritten(message: string): string {
  const lines = message.match(/[^\n]*\n|[^\n]+$/g) ?? []
  const empty = lines.findIndex((each) => /^\r*\n$/.test(each))
  const header = [...(empty < 0 ? lines : lines.slice(0, empty)), '\r\n']
  const body = empty < 0 ? [] : lines.slice(empty + 1)
  const top = header.filter((each) => !/^>?From /.test(each)).map((each) => each.replace(/^\./, '..'))
  return [...top, ...body.map(broken)].join('')
}

/** Each piece ends with NUL, a stray byte and CR LF; a dot that starts a piece is taken for dot stuffing. */
function broken(bodyLine: string): string {
  if (bodyLine.length <= PIECE) return bodyLine
  const wire = bodyLine.replace(/^\./, '..')
  const pieces = wire.match(new RegExp(`[^]{1,${String(PIECE)}}`, 'g')) ?? []
  return pieces.map((piece) => piece.replace(/^\./, '') + (piece.endsWith('\n') ? '' : '\0?\r\n')).join('')
}
