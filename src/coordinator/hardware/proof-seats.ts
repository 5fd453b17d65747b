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
import { classOf, partOf, type SizeOf } from '#verify/hardware/challenge-size.ts'
import { isProcessor } from '#verify/hardware/class-times.ts'
import type { ProofWhy } from '#verify/hardware/hardware-events.ts'

/** A node that said what it can prove, through this gateway. */
export interface Seat {
  readonly nodeId: string
  readonly gatewayId: string
  readonly session: number
  readonly told: readonly ProvableDevice[]
  /** What of it there is to prove; none until it is named. */
  devices: ReadonlyMap<string, ProvableDevice>
  /** Its connection is silent or over; nothing is asked on it. */
  isAway: boolean
  /** By device. */
  readonly open: Map<string, OpenProof>
}

export interface OpenProof {
  readonly challengeId: string
  readonly deviceId: string
  readonly deviceClass: string
  readonly why: ProofWhy
  readonly seed: Uint8Array
  readonly size: ProofSize
  /** Of less than its memory is worth: it said that the rest is in use. */
  readonly isPart: boolean
  readonly deadlineMs: number
  /** Its gateway went away meanwhile, so that no end of it is the node's. */
  isExcused: boolean
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
  /** Those of these nodes that are not away. */
  here(nodeIds: Iterable<string>): Seat[]
  /** In place of what an older session of the node said. */
  take(seat: Omit<Seat, 'open' | 'devices' | 'isAway'>): Seat
  /** What it has to prove, in place of what it had, but for what it is asked right now. False while that is other. */
  name(seat: Seat, devices: readonly ProvableDevice[]): boolean
  leave(nodeId: string): void
  /** How many challenges are under way. */
  openCount(): number
  /** Asks the device, unless it is asked already. */
  ask(seat: Seat, device: ProvableDevice, why: ProofWhy): void
  /** Asks for less, since it has not as much memory free, within the same time. False when it could not be less. */
  askPart(seat: Seat, open: OpenProof): boolean
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

  function begin(seat: Seat, about: Omit<OpenProof, 'challengeId' | 'seed' | 'order' | 'saidAtMs'>): void {
    const seed = secrets.randomBytes(32)
    const challengeId = hex(secrets.randomBytes(16))
    const { deviceId, size } = about
    const order: ProofOrder = { kind: 'begin', challengeId, deviceId, seed: hex(seed), size }
    seat.open.set(deviceId, { ...about, challengeId, seed, order, saidAtMs: clock.elapsedMs() })
    openCount++
    send(seat, order)
  }

  function end(seat: Seat, open: OpenProof): void {
    if (seat.open.get(open.deviceId) !== open) return
    seat.open.delete(open.deviceId)
    openCount--
    send(seat, { kind: 'over', challengeId: open.challengeId })
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
    here: (nodeIds) =>
      [...nodeIds].flatMap((nodeId) => {
        const seat = seats.get(nodeId)
        return seat && !seat.isAway ? seat : []
      }),
    take(about) {
      leave(about.nodeId)
      const seat: Seat = { ...about, devices: new Map(), isAway: false, open: new Map() }
      seats.set(seat.nodeId, seat)
      return seat
    },
    name(seat, devices) {
      const asked = [...seat.devices.values()].filter(({ deviceId }) => seat.open.has(deviceId))
      const named = new Map(devices.map((one) => [one.deviceId, one]))
      const isOther = asked.some((one) => {
        const now = named.get(one.deviceId)
        return !now || classOf(now) !== classOf(one)
      })
      for (const one of asked) named.set(one.deviceId, one)
      seat.devices = named
      return !isOther
    },
    leave,
    openCount: () => openCount,
    ask(seat, device, why) {
      const { deviceId } = device
      if (seat.open.has(deviceId)) return
      const withinMs = device.kind === 'cpu' ? PROCESSOR_WITHIN_MS : CARD_WITHIN_MS
      begin(seat, {
        ...{ deviceId, deviceClass: classOf(device), why, size: parts.sizeOf(device), isPart: false },
        ...{ deadlineMs: clock.elapsedMs() + withinMs, isExcused: false, committed: null },
      })
    },
    askPart(seat, open) {
      const size = isProcessor(open.deviceClass) ? null : partOf(open.size)
      // Who was told which rows to show has had the memory.
      if (!size || open.committed) return false
      end(seat, open)
      begin(seat, { ...open, size, isPart: true })
      return true
    },
    order(seat, open, order) {
      open.order = order
      open.saidAtMs = clock.elapsedMs()
      send(seat, order)
    },
    end,
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
