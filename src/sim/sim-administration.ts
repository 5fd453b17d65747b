/**
 * What owners and operators do while the network is under load: make, rotate, limit and revoke keys, let keys expire,
 * ask for payouts and settle them, each act with its line in the audit log. And what callers may then expect of a key.
 */
import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'
import { createSimActs } from './sim-acts.ts'
import type { ClientResult } from './sim-client.ts'
import { createSimKeys, type SimKey } from './sim-keys.ts'
import { payOut } from './sim-payouts.ts'
import type { GatewaySlot, SimWorld } from './sim-world.ts'

export interface SimAdministration {
  /** A key for `client`'s next call, sometimes one that has ended; `null`: the one that it has always had. */
  keyOf(client: number): SimKey | null
  /** What `key` must come to at this gateway now, to be held against the result. */
  expect(key: SimKey, slot: GatewaySlot): (result: ClientResult) => void
  /** Acts that are not acknowledged, and payouts that are not settled. */
  open(): number
  /** No new acts; what is open is brought to its end. */
  stop(): void
}

export function startAdministration(
  world: SimWorld,
  random: Random,
  organisationOf: (client: number) => string,
): SimAdministration {
  const { scheduler, plan } = world
  const acts = createSimActs(world)
  const { keys, makeKey, rotate, revoke } = createSimKeys({ random, acts }, organisationOf)
  let isStopped = false
  let payouts = 0

  function administer(): void {
    if (isStopped) return
    const key = keys[random.int(Math.max(1, keys.length))]
    const kind = random.int(5)
    if (kind === 0 || !key) makeKey(random.int(plan.clients))
    else if (kind === 1) rotate(key)
    else if (kind === 2) revoke(key)
    else payOut(acts, random, `payout_${++payouts}`)
    scheduler.after(3_000 + random.int(15_000), administer)
  }
  scheduler.after(random.int(10_000), administer)

  return {
    keyOf(client) {
      const own = keys.filter((key) => key.client === client)
      return own.length === 0 || random.chance(1, 3) ? null : (own[random.int(own.length)] ?? null)
    },
    expect(key, slot) {
      const { directory } = slot.gateway ?? {}
      if (!directory?.isLoaded()) return () => {}
      const knows = (sequence: number | null): boolean => sequence !== null && directory.version() >= sequence
      // By the coordinator's own time, of which the gateway has heard since it leads.
      const { coordinator } = world
      const isHeard = directory.epoch() === coordinator?.journal.epoch
      const isPast = key.expiresAtMs !== null && isHeard && coordinator.nowMs() >= key.expiresAtMs
      const mustFail = knows(key.endedIn) || (isPast && knows(key.expiryIn))
      const mustOpen = knows(key.madeIn) && !key.isEnding && key.expiresAtMs === null
      return ({ kind, status }) => {
        assert(!mustFail || status === 401 || kind !== 'completed', `${key.keyId} has ended, and still opens`)
        assert(
          !mustFail || kind === 'cut' || kind === 'left' || status === 401,
          `${key.keyId} gives ${status}`,
        )
        const isRefused = kind === 'refused' && status === 401
        // One whose end was asked for while the call was on its way was good when it was sent.
        assert(!mustOpen || !isRefused || key.isEnding, `${key.keyId} is good`)
      }
    },
    open: acts.open,
    stop() {
      isStopped = true
    },
  }
}
