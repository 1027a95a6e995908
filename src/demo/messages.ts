/** Five messages with the shapes that break careless gateways. */
export function demoMessages(): Buffer[] {
  const message = (subject: string, ...body: string[]) =>
    Buffer.from(
      [
        `From: post@example.com`,
        `To: demo@example.com`,
        `Subject: ${subject}`,
        `MIME-Version: 1.0`,
        '',
        ...body,
        '',
      ].join('\r\n'),
    )
  return [
    message(
      'Welcome',
      'This message came from an old server that speaks plain text,',
      'through TLS, with a password and a code.',
    ),
    message('Dots', '.', '..', '.one dot before, and a line of one dot above'),
    message('Bytes', 'Grüße, naïve café, 東京', 'a bare \r in the middle, and a tab\t.'),
    message('A long line', 'x'.repeat(10_000)),
    message('Nothing'),
  ]
}
