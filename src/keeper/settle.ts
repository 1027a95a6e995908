/** The second half of a login: the old server has judged the password, or could not. */
import { timingSafeEqual } from 'node:crypto'
import { ATTEMPT_MAX_MS } from '../base/limits.ts'
import { never } from '../base/never.ts'
import { sealAnew } from '../factors/kept-app-password.ts'
import { trustFor } from '../factors/trusted-device.ts'
import { broke, failed, giveBack, holdMs, type Asked, type Desk, type Login } from './desk.ts'
import type { LoginFailure } from '../audit/events.ts'
import type { Secret } from '../base/secret.ts'
import type { Proof, Trusted } from '../state/store.ts'
import type { Outcome, SettleAnswer } from './messages.ts'

/**
 * Needs the one-use token that `authenticate` gave this very session. A token that is wrong, used, or another session's
 * is a breach and answers `trouble`. `welcome` only after store and audit are on disk. Never rejects.
 */
export async function settle(desk: Desk, session: string, token: string, outcome: Outcome): Promise<SettleAnswer> {
  const login = desk.logins.get(session)
  const asked = login?.asked ?? null
  if (login === undefined || asked === null || !spend(asked, token)) {
    desk.breach(session, 'settle without its token')
    return { say: 'trouble' }
  }
  try {
    // An open claim is not kept for ever: what comes later could prove a code a second time.
    if (desk.clock.monotonic() - asked.at > ATTEMPT_MAX_MS) return await end(desk, login, 'free', 'backend-unavailable')
    switch (outcome.at) {
      case 'proven':
        return await welcome(desk, login, asked)
      case 'refuted':
        desk.refused.remember(asked.refusedKey, desk.clock.monotonic())
        desk.holds.measured(asked.backend.name, desk.clock.monotonic() - asked.at)
        await refute(desk, login, asked)
        return { say: 'refuse', holdMs: holdMs(desk, login) }
      case 'busy':
        await end(desk, login, 'free', 'backend-busy')
        return { say: 'busy' }
      case 'unavailable':
        return await end(desk, login, 'free', 'backend-unavailable')
      default:
        return never(outcome)
    }
  } catch (error) {
    return await broke(desk, login, error)
  }
}

function spend(asked: Asked, token: string): boolean {
  const given = Buffer.from(token)
  const wanted = Buffer.from(asked.token ?? '')
  if (asked.token === null || given.length !== wanted.length || !timingSafeEqual(given, wanted)) return false
  asked.token = null
  return true
}

/** Nobody guessed who came with an app password: what it holds is another password than the old server's by now. */
async function refute(desk: Desk, login: Login, { user, by }: Asked): Promise<void> {
  if (by.is !== 'app-password') return void (await end(desk, login, 'burn', 'password-wrong'))
  await end(desk, login, 'burn', 'app-password-stale')
  const { connection } = login
  if (await desk.store.staleAppPassword(user, by, desk.clock.now()))
    desk.emit({ stream: 'auth', action: 'app-password-stale', connection, user, name: by.name })
}

async function end(desk: Desk, login: Login, how: 'burn' | 'free', reason: LoginFailure): Promise<{ say: 'trouble' }> {
  failed(desk, login, reason)
  await giveBack(desk, login, how)
  return { say: 'trouble' }
}

async function welcome(desk: Desk, login: Login, asked: Asked): Promise<SettleAnswer> {
  const { fresh } = asked
  asked.fresh = null
  const recorded = await record(desk, login, asked, fresh)
  // Gone while the store wrote: the audit has heard of it, and nobody is there to be let in.
  if (login.gone.signal.aborted) return { say: 'trouble' }
  if (recorded.say === 'void') return await end(desk, login, 'free', 'aborted')
  tell(desk, login, asked, recorded.deviceIsNew)
  if (fresh !== null) desk.exposure.proven(asked.user, asked.enrolment, fresh)
  try {
    await desk.durable()
  } catch (error) {
    // Opened, yet without proof on disk: nobody is let in, and the connection gets no second try.
    desk.broken(error)
    return { say: 'trouble' }
  }
  return login.gone.signal.aborted ? { say: 'trouble' } : { say: 'welcome' }
}

function trustOf(desk: Desk, login: Login, { by, marks: { mac, device }, bareMac }: Asked): Trusted | null {
  return by.is === 'code' ? trustFor(device, { mac, bareMac }, login.policy.trusted_device, desk.clock.now()) : null
}

async function record(desk: Desk, login: Login, asked: Asked, fresh: Secret | null) {
  const { user, enrolment, by, factor, marks } = asked
  const { ip, listener } = login.connection
  const at = desk.clock.now()
  const proof: Proof = {
    user,
    enrolment,
    by,
    trust: trustOf(desk, login, asked),
    resealed: fresh === null ? [] : sealAnew(desk.keys, user, (await desk.store.dossier(user)).appPasswords, fresh),
    login: { at, ip, factor, listener },
    network: marks.device.network,
  }
  const recorded = await desk.store.prove(proof, at)
  if (recorded.say === 'recorded') {
    login.claim?.done()
    login.claim = null
  }
  return recorded
}

function tell(
  desk: Desk,
  login: Login,
  { user, backend: { name: backend }, factor, marks, by }: Asked,
  deviceIsNew: boolean,
): void {
  const { connection, session } = login
  const { id: device } = marks.device
  login.told = true
  desk.opened(session, { user, backend })
  if (deviceIsNew) desk.emit({ stream: 'auth', action: 'device-trusted', connection, user, device })
  const named = by.is === 'password' ? {} : { device }
  const app = by.is === 'app-password' ? { appPassword: by.name } : {}
  desk.emit({ stream: 'auth', action: 'login-succeeded', connection, user, factor, backend, ...named, ...app })
  desk.emit({ stream: 'session', action: 'session-opened', connection, user, backend })
}
