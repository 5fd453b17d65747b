/** Who is asked to prove his hardware, and when: what is not proven, by its record; what is, by chance nobody can foresee. */
import type { Secrets } from '#host/host.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS, type TimestampMs } from '#kernel/time.ts'
import type { DeviceRecord } from '#verify/hardware/hardware.ts'
import type { ProofWhy } from '#verify/hardware/hardware-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import { drawDue, uniform } from './draw-due.ts'
import type { ProofSeats, Seat } from './proof-seats.ts'

/** Until a device that failed is asked again, by how often it did. */
const RETRY_MS = [5 * SECOND_MS, 20 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS]
/** First proofs and second tries under way at once: more wait their turn. */
const OPEN_MAX = 256
/** One in so many unannounced challenges asks all that its owner has. */
const OWNER_EVERY = 4

export const deviceRecord = (
  state: CoordinatorState,
  { nodeId }: Pick<Seat, 'nodeId'>,
  deviceId: string,
): DeviceRecord | undefined => state.hardware.nodes.get(nodeId)?.devices.get(deviceId)

interface Parts {
  readonly state: CoordinatorState
  readonly seats: ProofSeats
}

/** Asks what is not proven, or is in doubt, once its time has come. */
export function askUnproven({ state, seats }: Parts, seat: Seat, nowMs: TimestampMs): void {
  if (seat.isAway || seats.openCount() >= OPEN_MAX) return
  for (const device of seat.devices.values()) {
    const record = deviceRecord(state, seat, device.deviceId)
    if (!record || (record.isProven && record.failures === 0)) continue
    const waitMs = RETRY_MS[Math.min(record.failures, RETRY_MS.length) - 1] ?? 0
    if (record.failure && nowMs < record.failure.atMs + waitMs) continue
    seats.ask(seat, device, record.failure ? 'retry' : 'enrolment')
  }
}

/** Asks what was proven, but not since `sinceMs`. */
export function askProven(
  { state, seats }: Parts,
  seat: Seat,
  { sinceMs, why }: { readonly sinceMs: TimestampMs; readonly why: ProofWhy },
): void {
  for (const device of seat.devices.values()) {
    const record = deviceRecord(state, seat, device.deviceId)
    if (record?.isProven && (record.provenAtMs ?? 0) < sinceMs) seats.ask(seat, device, why)
  }
}

/** Asks all that is here of what its owner has, at the same time. */
export function askOwn({ state, seats }: Parts, drawn: Seat): void {
  for (const seat of ownOf({ state, seats }, drawn)) {
    if (seat.isAway) continue
    for (const device of seat.devices.values()) seats.ask(seat, device, 'owner')
  }
}

function ownOf({ state, seats }: Parts, drawn: Seat): readonly Seat[] {
  const ownerOf = ({ nodeId }: Seat): string | undefined => state.fleet.nodes.get(nodeId)?.organisationId
  return [...seats.all()].filter((one) => ownerOf(one) === ownerOf(drawn))
}

/** Asks some of them, each once in `everyMs` on average; now and then all that its owner has at the same time. */
export function askAtRandom(
  parts: Parts & { readonly secrets: Pick<Secrets, 'randomBytes'> },
  { stepMs, everyMs }: { readonly stepMs: number; readonly everyMs: number },
): void {
  const { seats, secrets } = parts
  if (seats.size() === 0) return
  const draw = (): number => uniform(secrets.randomBytes(4))
  for (let count = drawDue(draw(), (seats.size() * stepMs) / everyMs); count > 0; count--) {
    const all = [...seats.all()]
    const drawn = all[Math.floor(draw() * all.length)]
    if (!drawn) return
    const isOwners = ownOf(parts, drawn).length > 1 && draw() < 1 / OWNER_EVERY
    if (isOwners) askOwn(parts, drawn)
    else if (!drawn.isAway) for (const device of drawn.devices.values()) seats.ask(drawn, device, 'random')
  }
}
