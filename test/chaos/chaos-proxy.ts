/**
 * A TCP proxy that does to what passes what bad networks do: it comes late, unevenly, slowly, in part not at all, harmed;
 * connections are reset, go half open, or find nobody. What it draws comes from a seed.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createRandom } from '#kernel/random.ts'
import { openLane } from './chaos-lane.ts'

/** From the client to the server, or back. */
export type Direction = 'up' | 'down'

export interface LinkFaults {
  /** Each way, on top of what the machine takes. */
  readonly latencyMs: number
  /** Between nothing and so much more for each piece; order is kept. */
  readonly jitterMs: number
  /** Of 100 pieces so many are lost once: they and all behind them come `resendMs` later, as TCP sends them again. */
  readonly dropPercent: number
  readonly resendMs: number
  /** Of one connection, each way; `null`: as fast as it goes. */
  readonly bytesPerSecond: number | null
  /** Of 10,000 pieces so many have one bit flipped. */
  readonly corruptPer10k: number
}

export const NO_FAULTS: LinkFaults = {
  latencyMs: 0,
  jitterMs: 0,
  dropPercent: 0,
  resendMs: 200,
  bytesPerSecond: null,
  corruptPer10k: 0,
}

export interface ChaosProxy {
  readonly port: number
  /** Of present connections and later ones. */
  set(faults: Partial<LinkFaults>): void
  /** Nothing passes any more in these directions, not even an end, on present connections and later ones. */
  cut(directions?: readonly Direction[]): void
  /** What was held back by a cut passes, in order. Half-open connections stay so. */
  heal(): void
  /** Present connections stay up on both sides, and nothing passes on them ever again. Later ones work. */
  freeze(): void
  /** Present connections end with RST on both sides. */
  reset(): void
  /** Later connections end with RST at once, while so. */
  refuse(isRefusing: boolean): void
  /** Connections that are up now. */
  connections(): number
  /** Pieces harmed so far. */
  harmed(): number
  close(): Promise<void>
}

export interface ChaosProxyOptions {
  /** Of this machine, where what comes is passed on to. */
  readonly port: number
  readonly seed?: number
  /** Sees each piece as it came, before anything happens to it. */
  readonly onPiece?: (direction: Direction, connection: number, piece: Buffer) => void
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
  readonly lanes: Readonly<Record<Direction, ReturnType<typeof openLane>>>
  isFrozen: boolean
}

export async function openChaosProxy({ port, seed = 1, onPiece }: ChaosProxyOptions): Promise<ChaosProxy> {
  const random = createRandom(seed)
  const pairs = new Set<Pair>()
  const cutDirections = new Set<Direction>()
  let faults = NO_FAULTS
  let isRefusing = false
  let count = 0
  let harmed = 0
  const ports = { random, faults: () => faults, onHarm: () => void harmed++ }

  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (isRefusing) {
      near.on('error', () => undefined).resetAndDestroy()
      return
    }
    const number = count++
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const lanes = { up: openLane(near, far, ports), down: openLane(far, near, ports) }
    const pair: Pair = { near, far, lanes, isFrozen: false }
    pairs.add(pair)
    for (const [direction, source] of [
      ['up', near],
      ['down', far],
    ] as const) {
      if (cutDirections.has(direction)) lanes[direction].hold(true)
      // What broke is closed at once, and so tells itself.
      source.setNoDelay(true).on('error', () => undefined)
      source.on('data', (piece) => onPiece?.(direction, number, piece))
      source.on('close', () => {
        if (near.destroyed && far.destroyed) pairs.delete(pair)
      })
    }
  })

  await once(server.listen(0, '127.0.0.1'), 'listening')
  const each = (act: (pair: Pair) => void): void => {
    for (const pair of [...pairs]) act(pair)
  }
  const holdAll = (): void =>
    each(({ lanes, isFrozen }) => {
      for (const direction of ['up', 'down'] as const)
        lanes[direction].hold(isFrozen || cutDirections.has(direction))
    })
  return {
    port: (server.address() as AddressInfo).port,
    set(changed) {
      faults = { ...faults, ...changed }
    },
    cut(directions = ['up', 'down']) {
      for (const direction of directions) cutDirections.add(direction)
      holdAll()
    },
    heal() {
      cutDirections.clear()
      holdAll()
    },
    freeze() {
      each((pair) => {
        pair.isFrozen = true
      })
      holdAll()
    },
    reset: () =>
      each(({ near, far, lanes }) => {
        lanes.up.drop()
        lanes.down.drop()
        near.resetAndDestroy()
        far.resetAndDestroy()
      }),
    refuse(isNow) {
      isRefusing = isNow
    },
    connections: () => pairs.size,
    harmed: () => harmed,
    async close() {
      each(({ near, far, lanes }) => {
        lanes.up.drop()
        lanes.down.drop()
        near.destroy()
        far.destroy()
      })
      server.close()
      await once(server, 'close')
    },
  }
}
