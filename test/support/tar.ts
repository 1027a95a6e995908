/** Writes tar archives (POSIX ustar) for tests. */

/** Needs name, content and, where it is no plain file, the type flag of each entry. */
export function tar(entries: readonly (readonly [name: string, content: string | Buffer, flag?: string])[]): Buffer {
  const parts = entries.flatMap(([name, content, flag = name.endsWith('/') ? '5' : '0']) => {
    const bytes = Buffer.from(content)
    const header = Buffer.alloc(512)
    header.write(name, 0, 'latin1')
    header.write(bytes.length.toString(8).padStart(11, '0'), 124, 'latin1')
    header.write(flag, 156, 'latin1')
    header.write('ustar\x0000', 257, 'latin1')
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1_024)])
}
