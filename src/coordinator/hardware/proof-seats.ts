/** Nodes that said what they can prove, and what each is asked now. In memory alone: after a restart they say it again. */
import type { Bus, Clock, Secrets } from '#host/host.ts'
import { SECOND_MS } from '#kernel/time.ts'
import {
  type ProofOrder,
  ProofOrders,
  type ProofSize,
  type ProvableDevice,
  proofOrdersTo,
} from '#protocol/hardware-proof.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { SizeOf } from '#verify/hardware/challenge-size.ts'
import type { ProofWhy } from '#verify/hardware/hardware-events.ts'

/** A node that said what it can prove, through this gateway. */
export interface Seat {
  readonly nodeId: string
  readonly gatewayId: string
  readonly session: number
  readonly devices: ReadonlyMap<string, ProvableDevice>
  /** By device. */
  readonly open: Map<string, OpenProof>
}

export interface OpenProof {
  readonly challengeId: string
  readonly deviceId: string
  readonly why: ProofWhy
  readonly seed: Uint8Array
  readonly size: ProofSize
  readonly deadlineMs: number
  /** Said again until something comes of it; `null` while the rows are looked at. */
  order: ProofOrder | null
  saidAtMs: number
  committed: Committed | null
}

export interface Committed {
  readonly roots: readonly string[]
  readonly rows: readonly number[]
  readonly computeMs: number
}

export interface ProofSeats {
  all(): Iterable<Seat>
  size(): number
  get(nodeId: string): Seat | undefined
  /** In place of what an older session of the node said. */
  take(seat: Omit<Seat, 'open'>): Seat
  leave(nodeId: string): void
  /** How many challenges are under way. */
  openCount(): number
  /** Asks the device, unless it is asked already. */
  ask(seat: Seat, device: ProvableDevice, why: ProofWhy): void
  /** Tells the node, now and until something comes of it. */
  order(seat: Seat, open: OpenProof, order: ProofOrder): void
  /** The challenge is over, however it ended; its node forgets what it kept. */
  end(seat: Seat, open: OpenProof): void
  /** Says again what was perhaps lost on its way; `late` is told of what is beyond its time. */
  sayAgain(late: (seat: Seat, open: OpenProof) => void): void
}

const SAY_AGAIN_MS = 5 * SECOND_MS
const PROCESSOR_WITHIN_MS = 60 * SECOND_MS
const CARD_WITHIN_MS = 180 * SECOND_MS
const writeOrders = jsonWriter(ProofOrders)

export function createProofSeats(parts: {
  readonly bus: Pick<Bus, 'publish'>
  readonly clock: Clock
  readonly secrets: Pick<Secrets, 'randomBytes'>
  readonly sizeOf: SizeOf
}): ProofSeats {
  const { bus, clock, secrets } = parts
  const seats = new Map<string, Seat>()
  let openCount = 0

  function send({ nodeId, gatewayId, session }: Seat, order: ProofOrder): void {
    bus.publish(proofOrdersTo(gatewayId), writeOrders({ orders: [{ nodeId, session, order }] }))
  }

  function leave(nodeId: string): void {
    openCount -= seats.get(nodeId)?.open.size ?? 0
    seats.get(nodeId)?.open.clear()
    seats.delete(nodeId)
  }

  return {
    all: () => seats.values(),
    size: () => seats.size,
    get: (nodeId) => seats.get(nodeId),
    take(about) {
      leave(about.nodeId)
      const seat = { ...about, open: new Map() }
      seats.set(seat.nodeId, seat)
      return seat
    },
    leave,
    openCount: () => openCount,
    ask(seat, device, why) {
      const { deviceId } = device
      if (seat.open.has(deviceId)) return
      const size = parts.sizeOf(device)
      const seed = secrets.randomBytes(32)
      const challengeId = hex(secrets.randomBytes(16))
      const saidAtMs = clock.elapsedMs()
      const deadlineMs = saidAtMs + (device.kind === 'cpu' ? PROCESSOR_WITHIN_MS : CARD_WITHIN_MS)
      const order: ProofOrder = { kind: 'begin', challengeId, deviceId, seed: hex(seed), size }
      const about = { challengeId, deviceId, why, seed, size, deadlineMs }
      seat.open.set(deviceId, { ...about, order, saidAtMs, committed: null })
      openCount++
      send(seat, order)
    },
    order(seat, open, order) {
      open.order = order
      open.saidAtMs = clock.elapsedMs()
      send(seat, order)
    },
    end(seat, open) {
      if (seat.open.get(open.deviceId) !== open) return
      seat.open.delete(open.deviceId)
      openCount--
      send(seat, { kind: 'over', challengeId: open.challengeId })
    },
    sayAgain(late) {
      if (openCount === 0) return
      const nowMs = clock.elapsedMs()
      for (const seat of seats.values())
        for (const open of seat.open.values()) {
          if (open.order === null) continue
          if (nowMs >= open.deadlineMs) late(seat, open)
          else if (nowMs >= open.saidAtMs + SAY_AGAIN_MS) this.order(seat, open, open.order)
        }
    },
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
