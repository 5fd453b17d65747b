/**
 * The other workers of this gateway's machine: which models their agents serve and how many slots are free there, told
 * over the bus. A call goes to another worker when that one can begin it and this one cannot; it is admitted, run and
 * metered there and nowhere else.
 */
import { z } from 'zod'
import type { Bus, Clock, Log } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { LiveModel } from './live-models.ts'

const SUBJECT = 'gateways.load'
const TELL_EVERY_MS = 100
/** Also without news, so that a new worker hears of the others and a dead one is forgotten. */
const TELL_AT_LEAST_EVERY_MS = 1_000
const FORGOTTEN_AFTER_MS = 3_500

const PeerLoad = z.object({
  gatewayId: z.string(),
  group: z.string(),
  url: z.url(),
  models: z.array(z.object({ live: LiveModel, busy: z.int(), waiting: z.int() })),
})
type PeerLoad = z.output<typeof PeerLoad>
export type ModelLoad = PeerLoad['models'][number]

export interface Room {
  readonly slots: number
  readonly busy: number
  readonly waiting: number
}

export interface PeerOptions {
  readonly gatewayId: string
  /** Of the workers that belong together: random, made by what started them. */
  readonly group: string
  /** Where the others reach this one. */
  readonly url: string
  loads(): Iterable<ModelLoad>
  /** Of one model; null while no agent here serves it, or none for `task`. */
  loadOf(model: string, task?: EngineRequest['kind']): Room | null
}

export interface Peers {
  /** Where a call for `task` by `model` is to go; null: it stays here. */
  elsewhere(model: string, task: EngineRequest['kind']): Peer | null
  /** The worker that keeps the replies of this key, the same for all of them; null: this one. */
  keeperOf(key: string): Peer | null
  /** How many are heard, this one not among them. */
  count(): number
  models(): Iterable<LiveModel>
  close(): void
}

export interface Peer {
  readonly gatewayId: string
  readonly url: string
}

interface Known {
  readonly load: PeerLoad
  readonly heardMs: number
  /** Sent there since it told its load. */
  readonly sent: Map<string, number>
}

export function joinPeers(
  {
    bus,
    clock,
    log,
  }: { readonly bus: Bus; readonly clock: Pick<Clock, 'elapsedMs' | 'after'>; readonly log: Log },
  { gatewayId, group, url, loads, loadOf }: PeerOptions,
): Peers {
  const known = new Map<string, Known>()
  let told = ''
  let toldMs = Number.NEGATIVE_INFINITY
  let isClosed = false

  const subscription = bus.subscribe(SUBJECT, (message) => {
    const parsed = PeerLoad.safeParse(parse(message))
    if (!parsed.success) return log.warn('peers.malformed', { message: parsed.error.message })
    const load = parsed.data
    if (load.gatewayId === gatewayId || load.group !== group) return
    // One that is new has not heard of this one either.
    if (!known.has(load.gatewayId)) told = ''
    known.set(load.gatewayId, { load, heardMs: clock.elapsedMs(), sent: new Map() })
  })

  function tell(): void {
    if (isClosed) return
    clock.after(TELL_EVERY_MS, tell)
    const nowMs = clock.elapsedMs()
    const message = JSON.stringify(PeerLoad.encode({ gatewayId, group, url, models: [...loads()] }))
    if (message === told && nowMs - toldMs < TELL_AT_LEAST_EVERY_MS) return
    told = message
    toldMs = nowMs
    bus.publish(SUBJECT, message)
  }
  tell()

  function* alive(): Iterable<Known> {
    const nowMs = clock.elapsedMs()
    for (const [id, peer] of known) {
      if (nowMs - peer.heardMs > FORGOTTEN_AFTER_MS) known.delete(id)
      else yield peer
    }
  }

  const peerOf = ({ load }: Known): Peer => ({ gatewayId: load.gatewayId, url: load.url })

  return {
    elsewhere(model, task) {
      const own = loadOf(model, task)
      if (own && own.busy < own.slots && own.waiting === 0) return null
      let best: Known | null = null
      let bestFree = 0
      let anyone: Known | null = null
      for (const peer of alive()) {
        const load = peer.load.models.find(({ live }) => live.id === model)
        if (!load?.live.tasks.includes(task)) continue
        anyone ??= peer
        const free = load.waiting > 0 ? 0 : load.live.slots - load.busy - (peer.sent.get(model) ?? 0)
        if (free > bestFree) [best, bestFree] = [peer, free]
      }
      // Where nobody is free it waits here, unless only others have such nodes.
      const chosen = best ?? (own ? null : anyone)
      if (!chosen) return null
      chosen.sent.set(model, (chosen.sent.get(model) ?? 0) + 1)
      return peerOf(chosen)
    },
    keeperOf(key) {
      let keeper: Peer | null = null
      let best = weightOf(gatewayId, key)
      for (const peer of alive()) {
        const weight = weightOf(peer.load.gatewayId, key)
        if (weight > best) [keeper, best] = [peerOf(peer), weight]
      }
      return keeper
    },
    count: () => [...alive()].length,
    *models() {
      for (const { load } of alive()) for (const { live } of load.models) yield live
    },
    close() {
      isClosed = true
      subscription.close()
    },
  }
}

function parse(message: string): unknown {
  try {
    return JSON.parse(message)
  } catch {
    return null // Told as malformed.
  }
}

/** FNV-1a: every worker finds the same keeper, without asking. */
function weightOf(gatewayId: string, key: string): number {
  let hash = 0x811c9dc5
  for (const char of `${gatewayId} ${key}`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  // Without this keys that begin alike would all go to one of them.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
