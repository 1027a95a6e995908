/** What a stranger may type for a user name to write into somebody's log, terminal or ban list. */
export const HOSTILE: Record<string, string> = {
  'a line end': 'ann\r\nMar 14 09:26:53 gw dovecot: pop3-login: Login: user=<root>, rip=192.0.2.99',
  'a bare line feed': 'ann\n<34>1 2027-03-14T09:26:53Z gw su - - - root',
  'a forged field': 'ann>, method=PLAIN, rip=192.0.2.99, lip=192.0.2.1, TLS, session=<x',
  'a forged member': 'ann","outcome":"success"},"event":{"action":"login-succeeded"},"x":"',
  'a forged chain': 'ann","chain":{"seq":1,"prev":"0","hash":"0"}}',
  'a line separator': 'ann\u2028forged\u2029forged',
  'terminal escapes': 'ann\x1b[2J\x1b]0;owned\x07\x9b31m',
  'bidi controls': 'ann\u202egro.elpmaxe@toor\u2066\u200f',
  'a NUL': 'ann\0root',
  'a BOM': '\ufeffann',
  'half of a pair': 'ann\ud800',
  'a frame of its own': '47 <34>1 - - - - - - ann',
  '10,000 octets': 'x'.repeat(10_000),
  '10,000 octets of three': '\u2028'.repeat(3_333),
  'no octet': '',
}
