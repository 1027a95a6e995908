/** The second half of a login: the old server has judged the password, or could not. */
import { timingSafeEqual } from 'node:crypto'
import { ATTEMPT_MAX_MS } from '../base/login-limits.ts'
import { never } from '../base/never.ts'
import { sealAnew } from '../factors/kept-app-password.ts'
import { letsBareRepeat, trustFor } from '../factors/trusted-device.ts'
import { countedNetwork } from './failures.ts'
import { broke, countRefusal, failed, giveBack, holdMs, type Asked, type Desk, type Login } from './desk.ts'
import { answerTrouble } from './roll-out.ts'
import type { LoginFailure } from '../audit/events.ts'
import { reveal, type Secret } from '../base/secret.ts'
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
        await refute(desk, login, asked)
        measure(desk, asked, 'refusal')
        return { say: 'refuse', holdMs: holdMs(desk, login) }
      case 'busy':
        await end(desk, login, 'free', 'backend-busy')
        return { say: 'busy' }
      case 'unavailable':
        await end(desk, login, 'free', 'backend-unavailable')
        measure(desk, asked, 'trouble')
        return answerTrouble(desk, login)
      default:
        return never(outcome)
    }
  } catch (error) {
    return await broke(desk, login, error)
  }
}

function measure({ clock, holds }: Desk, { backend, at }: Asked, what: 'refusal' | 'trouble'): void {
  const now = clock.monotonic()
  holds.measured(backend.name, what, now - at, now)
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
  // At once, and both even if one of them cannot be written.
  await Promise.all([how === 'burn' ? countRefusal(desk, login, reason) : null, giveBack(desk, login, how)])
  return { say: 'trouble' }
}

async function welcome(desk: Desk, login: Login, asked: Asked): Promise<SettleAnswer> {
  const { fresh } = asked
  asked.fresh = null
  const recorded = await record(desk, login, asked, fresh)
  // Gone while the store wrote: nobody is there to be let in, or nobody may be.
  if (login.gone.signal.aborted) return await end(desk, login, 'free', 'aborted')
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
  // Of what was judged, nothing is needed for as long as the session stands.
  login.asked = null
  return login.gone.signal.aborted ? { say: 'trouble' } : { say: 'welcome' }
}

/** `fresh`: the password behind which a code stood, null where there was none. */
function trustOf(desk: Desk, login: Login, { user, marks }: Asked, fresh: Secret | null): Trusted | null {
  if (fresh === null) return null
  const { mac, device } = marks
  const { trusted_device: rules } = login.policy
  const bareMac = letsBareRepeat(rules) ? desk.keys.mac('bare', user, reveal(fresh)) : null
  return trustFor(device, { mac, bareMac }, rules, desk.clock.now())
}

async function record(desk: Desk, login: Login, asked: Asked, fresh: Secret | null) {
  const { user, enrolment, by, factor, marks } = asked
  const { ip, listener } = login.connection
  const at = desk.clock.now()
  const proof: Proof = {
    user,
    enrolment,
    by,
    trust: trustOf(desk, login, asked, fresh),
    resealed: fresh === null ? [] : sealAnew(desk.keys, user, await desk.store.appPasswords(user), fresh),
    login: { at, ip, factor, listener },
    network: marks.device.network,
    counted: countedNetwork(login.policy, ip),
  }
  const recorded = await desk.store.prove(proof, at)
  if (recorded.say === 'recorded') {
    login.stake?.held.release()
    login.stake = null
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
  const named = by.is === 'password' ? {} : { device }
  const app = by.is === 'app-password' ? { appPassword: by.name } : {}
  desk.opened(session, { user, backend, factor, device: named.device ?? null, ...app })
  if (deviceIsNew) desk.emit({ stream: 'auth', action: 'device-trusted', connection, user, device })
  const temporary = by.is === 'code' && by.claim.code.of === 'temp' ? { temporary: true as const } : {}
  const how = { factor, ...named, ...app, ...temporary }
  desk.emit({ stream: 'auth', action: 'login-succeeded', connection, user, backend, ...how })
  desk.emit({ stream: 'session', action: 'session-opened', connection, user, backend })
}
