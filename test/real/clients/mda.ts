import type { Seat } from './client.ts'

const MDA = '/usr/local/bin/mda'
const SCRIPT = `#!/bin/sh
# mda DIR: writes the message on stdin to DIR/1, the next one to DIR/2 and so on.
n=1
[ -e "$1.count" ] && read n < "$1.count" && n=$((n + 1))
echo $n > "$1.count"
exec cat > "$1/$n"
`

/** Puts a delivery program into the house and gives the line that calls it to write to the folder `dir`. */
export async function mda(seat: Seat, dir: string): Promise<string> {
  await seat.house.put(MDA, SCRIPT, { uid: 0, gid: 0, mode: 0o755 })
  await seat.house.put(`${dir}.count`, '0\n')
  return `${MDA} ${dir}`
}
