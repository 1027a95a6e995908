import { createCipheriv } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { image } from './image.ts'

/** A message as it lies in storage: lines end at LF unless the message is about line ends. */
export type Message = { name: string; bytes: Buffer }

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8')

/**
 * Every message of the set, each with the trace line that a delivery agent puts on top: it carries the message's own number
 * (popa3d makes its unique ids from such lines). `traceOf` finds the number again.
 */
export async function messages(): Promise<Message[]> {
  const all = [...made(), ...edges(), ...(await corpora()), huge()]
  return all.map(({ name, bytes }, at) => ({ name, bytes: Buffer.concat([latin1(trace(at)), bytes]) }))
}

function trace(at: number): string {
  const id = String(at).padStart(4, '0')
  return `Received: from corpus (localhost [127.0.0.1]) by old.example with LMTP id no${id}; Thu, 1 Jan 2026 00:00:00 +0000\n`
}

/** The number that {@link messages} wrote into a message, read from what a server or a client gives. */
export function traceOf(message: Buffer): number {
  return Number(/ LMTP id no(\d{4});/.exec(message.subarray(0, 400).toString('latin1'))?.[1] ?? 'NaN')
}

/** Messages of the test corpora that Debian packages ship, byte for byte. */
async function corpora(): Promise<Message[]> {
  const dir = (await image()).corpora
  const names = (await readdir(dir)).toSorted()
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(dir, name)) })))
}

function mail(name: string, body: string | Buffer, header = ''): Message {
  const top = `From: Ann <ann@example.com>\nTo: bob@example.com\nSubject: ${name}\nMessage-ID: <${name.replaceAll(' ', '-')}@x>\n`
  const rest = typeof body === 'string' ? latin1(body) : body
  return { name, bytes: Buffer.concat([latin1(`${top}${header}\n`), rest]) }
}

function bare(name: string, bytes: string): Message {
  return { name, bytes: latin1(bytes) }
}

const TYPE = (value: string): string => `MIME-Version: 1.0\nContent-Type: ${value}\n`

function made(): Message[] {
  return [...dots(), ...lineEnds(), ...lengths(), ...letters(), ...shapes()]
}

function dots(): Message[] {
  return [
    mail('dot stuffed lines', '.\n..\n...\n.a\n..a\n. \n .\n.\t\na.\n\n.\n\n..\nend\n'),
    mail('only a dot', '.\n'),
    mail('dot without newline at the end', 'text\n.'),
    mail('two dots at the end', 'text\n..\n'),
    mail('ten thousand dots', '.\n'.repeat(10_000)),
    mail('a line of dots', `${'.'.repeat(10_000)}\n`),
    mail('dot first in the header', 'body\n', '.X-Dot: yes\n'),
    mail('talks like a server', '+OK\n-ERR [AUTH] Authentication failed.\n+OK 3 octets\n.\nQUIT\n.\r\nDELE 1\nRSET\n'),
  ]
}

function lineEnds(): Message[] {
  return [
    mail('bare CR', 'a\rb\r\rc\n\r\n\rd\n'),
    mail('bare CR around dots', 'a\r.\r\n.\r.\n\r.\n\r\n.\r\n'),
    mail('CR at the very end', 'text\r'),
    mail('stored with CR LF', 'one\r\ntwo\r\n.\r\n..\r\nend\r\n'),
    mail('bare LF among CR LF', 'one\r\ntwo\nthree\n.\nfour\r\n\n\r\nend\n'),
    mail('LF CR', 'one\n\rtwo\n\r.\n\rend\n'),
    mail('no newline at the end', 'the last line just stops'),
    mail('only newlines', '\n'.repeat(100)),
    mail('a hundred thousand empty lines', '\n'.repeat(100_000)),
    mail('empty body', ''),
    bare('header only', 'Subject: header only\nFrom: ann@example.com\n'),
    bare('header cut off', 'Subject: header cut off'),
    bare('no header', '\nbody without any header\n'),
  ]
}

function lengths(): Message[] {
  const words = 'The quick brown fox jumps over the lazy dog. '
  return [
    mail('lines of ten thousand', `${words.repeat(230).slice(0, 10_000)}\n`.repeat(20)),
    mail('a line of a million', `${words.repeat(22_223).slice(0, 1_000_000)}\n`),
    mail('lines of 998 and 1000', `${'x'.repeat(998)}\n${'y'.repeat(999)}\n${'z'.repeat(1000)}\n`),
    mail('lines of one', 'x\n'.repeat(20_000)),
    mail(
      'long folded header',
      'body\n',
      `References:${'\n <0123456789.abcdefghij@some.host.example.com>'.repeat(300)}\n`,
    ),
    mail('header line of twenty thousand', 'body\n', `X-Long: ${'v'.repeat(20_000)}\n`),
    mail(
      'four hundred header lines',
      'body\n',
      Array.from({ length: 400 }, (_, n) => `X-Field-${String(n)}: v\n`).join(''),
    ),
    mail('header with nothing in it', 'body\n', 'X-Empty:\nX-Blank: \nX-Tab:\t\n'),
  ]
}

function letters(): Message[] {
  const every = Buffer.from(
    Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => ![0, 10, 13].includes(byte)),
  )
  return [
    mail('latin1', 'Gr\xfc\xdfe aus K\xf6ln\n', TYPE('text/plain; charset=iso-8859-1')),
    mail('utf8', utf8('Grüße, Привет, こんにちは, 🦊\n'), TYPE('text/plain; charset=utf-8')),
    { name: 'utf8 header', bytes: utf8('From: Jürgen <jürgen@exämple.com>\nSubject: Überraschung 🦊\n\nRFC 6532\n') },
    mail('encoded words', 'body\n', 'X-Words: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?B?S/ZsbgA=?=\n'),
    mail('every byte', Buffer.concat(Array.from({ length: 40 }, () => Buffer.concat([every, latin1('\n')])))),
    mail('NUL in the body', 'before\0after\n\0\n\0\0\0.\n'),
    mail('iso-2022-jp', '\x1b$B$3$s$K$A$O\x1b(B\n.\x1b$B\x1b(B\n', TYPE('text/plain; charset=iso-2022-jp')),
    mail('utf16', Buffer.from('\ufeffwide\nletters\n', 'utf16le'), TYPE('text/plain; charset=utf-16')),
    mail('eight bit noise', noise(200_000), TYPE('application/octet-stream')),
    mail('control bytes', '\x01\x02\x03\x04\x08\x0b\x0c\x1a\x1b\x7f\n\x04\n\x1a\n'),
  ]
}

function shapes(): Message[] {
  const part = (boundary: string, type: string, body: string): string =>
    `--${boundary}\nContent-Type: ${type}\n\n${body}\n`
  const mixed = `Preamble\n${part('b', 'text/plain', 'hello\n.')}${part('b', 'text/html', '<p>.</p>')}--b--\nEpilogue\n`
  const nested = Array.from({ length: 30 }, (_, n) =>
    part(`n${String(n)}`, `multipart/mixed; boundary=n${String(n + 1)}`, ''),
  )
  const flowed = 'This flows \non and \n> quoted \n From stuffed\n-- \nsig\n'
  const inner = 'From: a@b\nSubject: inner\n\n.inner\n'
  const base64 = lines64(noise(30_000))
  return [
    mail('mixed', mixed, TYPE('multipart/mixed; boundary=b')),
    mail('nested thirty deep', nested.join(''), TYPE('multipart/mixed; boundary=n0')),
    mail('flowed', flowed, TYPE('text/plain; format=flowed; delsp=yes')),
    mail(
      'From at the line start',
      'From here to there\n>From quoted\n>>From twice\nFrom ann@x Thu Jan  1 00:00:00 2026\n',
    ),
    mail('a message in a message', inner, TYPE('message/rfc822')),
    mail('digest', part('d', 'message/rfc822', inner).repeat(20), TYPE('multipart/digest; boundary=d')),
    mail('attachment', base64, `${TYPE('application/pdf; name=a.pdf')}Content-Transfer-Encoding: base64\n`),
    mail('quoted printable', '=2E=\n.=\n..=\n=0D=0A.=0D=0A\n', 'Content-Transfer-Encoding: quoted-printable\n'),
    mail('status of another server', 'body\n', 'Status: RO\nX-Status: A\nX-UID: 7\nContent-Length: 3\nLines: 99\n'),
    mail(
      'signed',
      part('s', 'text/plain', '-----BEGIN PGP SIGNED MESSAGE-----\n- .'),
      TYPE('multipart/signed; boundary=s'),
    ),
  ]
}

/** Messages whose end falls around the sizes that buffers have. */
function edges(): Message[] {
  return [4096, 8192, 16_384, 65_536].flatMap((size) =>
    [-8, -5, -4, -3, -2, -1, 0, 1].map((off) => {
      const name = `ends at ${String(size)}${off < 0 ? '' : '+'}${String(off)}`
      const empty = mail(name, '')
      // In line ends of the wire: the trace line and four header lines and the empty one have two bytes where storage has one.
      const wire = trace(0).length + empty.bytes.length + 6
      const lines = Math.floor((size + off - wire - 2) / 60)
      const last = size + off - wire - lines * 60 - 2
      return {
        name,
        bytes: Buffer.concat([
          empty.bytes,
          latin1(`${'.'.repeat(57)}\n`.repeat(lines)),
          latin1(`${'e'.repeat(last)}\n`),
        ]),
      }
    }),
  )
}

/** A message with an attachment of 25 MiB; always the last one of the set. */
function huge(): Message {
  const header = `${TYPE('application/octet-stream; name=film.bin')}Content-Transfer-Encoding: base64\n`
  return mail('attachment of 25 MiB', lines64(noise(25 * 1024 * 1024)), header)
}

function lines64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/.{76}/g, '$&\n') + '\n'
}

/** The same bytes of no pattern at every run. */
function noise(size: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(size))
}
