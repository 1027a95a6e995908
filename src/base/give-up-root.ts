/**
 * What a process without powers does first: gives up root for good. Needs user and group id as the keeper passed them, and does
 * nothing without them (the keeper had no root to give up). Throws when root is still there: then nothing may be read.
 */
export function giveUpRoot(uid: string | undefined, gid: string | undefined): void {
  if (uid === undefined || gid === undefined) return
  process.setgroups?.([])
  process.setgid?.(Number(gid))
  process.setuid?.(Number(uid))
  if (process.getuid?.() === 0) throw new Error('still root')
}
