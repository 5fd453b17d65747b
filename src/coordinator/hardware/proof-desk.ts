/**
 * Asks nodes to prove their hardware, and looks at what they show. Who is to be asked is decided by their records and by
 * chance that nobody can foresee; what came of it is decided by the domain (`verify/hardware`). What is under way is in
 * memory alone: after a restart it is asked anew, and answers to what was asked before are to nothing.
 */
import type { Bus, Clock, Crypto, Log, Secrets } from '#host/host.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import {
  ProofNews,
  type ProofOrder,
  ProofOrders,
  type ProofSize,
  type ProvableDevice,
  proofNewsSubject,
  proofOrdersTo,
} from '#protocol/hardware-proof.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { classOf, type SizeOf, sizeOf } from '#verify/hardware/challenge-size.ts'
import { checkProof } from '#verify/hardware/check-proof.ts'
import type { JudgeCommand } from '#verify/hardware/decide-hardware.ts'
import type { DeviceRecord } from '#verify/hardware/hardware.ts'
import type { AnswerRefusal, ProofFault, ProofWhy } from '#verify/hardware/hardware-events.ts'
import { productsOf } from '#verify/hardware/product.ts'
import type { Coordinator } from '../coordinator.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import type { Turn } from '../turn.ts'
import { createCheckQueue } from './check-queue.ts'
import { drawDue, drawRows, uniform } from './draw-due.ts'

export interface ProofDesk {
  /** Asks who is due; every second. */
  step(turn: Turn): void
  /** Asks all devices of the node now. False when it is not here, or cannot prove any. */
  challenge(nodeId: string, why: ProofWhy): boolean
  close(): void
}

export interface ProofDeskOptions {
  /** How much is asked for; by the device unless given. */
  readonly sizeOf?: SizeOf
  /** Between two unannounced challenges of a node, on average. */
  readonly everyMs?: number
}

export interface ProofDeskParts extends ProofDeskOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly log: Log
  readonly secrets: Pick<Secrets, 'randomBytes'>
  readonly coordinator: Coordinator
}

/** A node that said what it can prove, through this gateway. */
interface Seat {
  readonly nodeId: string
  readonly gatewayId: string
  readonly session: number
  readonly devices: ReadonlyMap<string, ProvableDevice>
  /** By device. */
  readonly open: Map<string, Open>
}

interface Open {
  readonly challengeId: string
  readonly deviceId: string
  readonly why: ProofWhy
  readonly seed: Uint8Array
  readonly size: ProofSize
  readonly deadlineMs: number
  /** Said again until something comes of it; `null` while the rows are looked at. */
  order: ProofOrder | null
  saidAtMs: number
  committed: {
    readonly roots: readonly string[]
    readonly rows: readonly number[]
    readonly computeMs: number
  } | null
}

/** Rows that are drawn of each answer. */
const ROWS_SHOWN = 8
const SAY_AGAIN_MS = 5 * SECOND_MS
const PROCESSOR_WITHIN_MS = MINUTE_MS
const CARD_WITHIN_MS = 3 * MINUTE_MS
/** Until a device that failed is asked again, by how often it did. */
const RETRY_MS = [5 * SECOND_MS, 20 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS]
/** First proofs and second tries under way at once: more wait their turn. */
const OPEN_MAX = 256
/** Of a line: what a node adds to it by answering late is not taken from its time. */
const ROUND_TRIP_MS_MAX = SECOND_MS
/** One in so many unannounced challenges asks all that its owner has. */
const OWNER_EVERY = 4
const writeOrders = jsonWriter(ProofOrders)

export function serveProofs(parts: ProofDeskParts): ProofDesk {
  const { bus, clock, crypto, log, secrets, coordinator } = parts
  const { everyMs = HOUR_MS } = parts
  const { state } = coordinator
  const seats = new Map<string, Seat>()
  /** Since the last step. */
  const reported = new Set<string>()
  const checks = createCheckQueue(clock)
  let openCount = 0
  let isClosed = false

  const recordOf = ({ nodeId }: Seat, deviceId: string): DeviceRecord | undefined =>
    state.hardware.nodes.get(nodeId)?.devices.get(deviceId)

  function send({ nodeId, gatewayId, session }: Seat, order: ProofOrder): void {
    bus.publish(proofOrdersTo(gatewayId), writeOrders({ orders: [{ nodeId, session, order }] }))
  }

  function ask(seat: Seat, device: ProvableDevice, why: ProofWhy): void {
    const { deviceId } = device
    if (seat.open.has(deviceId)) return
    const size = (parts.sizeOf ?? sizeOf)(device)
    const seed = secrets.randomBytes(32)
    const challengeId = hex(secrets.randomBytes(16))
    const nowMs = clock.elapsedMs()
    const withinMs = device.kind === 'cpu' ? PROCESSOR_WITHIN_MS : CARD_WITHIN_MS
    const order: ProofOrder = { kind: 'begin', challengeId, deviceId, seed: hex(seed), size }
    const about = { challengeId, deviceId, why, seed, size, deadlineMs: nowMs + withinMs }
    seat.open.set(deviceId, { ...about, order, saidAtMs: nowMs, committed: null })
    openCount++
    send(seat, order)
  }

  /** The challenge is over, however it ended; its node forgets what it kept. */
  function end(seat: Seat, open: Open): void {
    if (seat.open.get(open.deviceId) !== open) return
    seat.open.delete(open.deviceId)
    openCount--
    send(seat, { kind: 'over', challengeId: open.challengeId })
  }

  function unseat(seat: Seat): void {
    if (seats.get(seat.nodeId) !== seat) return
    seats.delete(seat.nodeId)
    openCount -= seat.open.size
    seat.open.clear()
  }

  function judge(turn: Turn, seat: Seat, open: Open, outcome: JudgeCommand['outcome']): void {
    const { nodeId } = seat
    const { deviceId, why } = open
    end(seat, open)
    turn.hardware({ kind: 'judge', nodeId, deviceId, why, outcome, nowMs: turn.nowMs })
    const failure = state.hardware.nodes.get(nodeId)?.devices.get(deviceId)?.failure
    if (failure)
      log.warn('hardware.failed', { nodeId, deviceId, why, fault: failure.fault, detail: failure.detail })
    else
      log.info('hardware.proven', {
        nodeId,
        deviceId,
        why,
        ...('computeMs' in outcome && { computeMs: Math.round(outcome.computeMs) }),
      })
  }

  function takeSeat(turn: Turn, news: ProofNews, devices: readonly ProvableDevice[]): void {
    const { nodeId, session, gatewayId } = news
    const node = state.fleet.nodes.get(nodeId)
    const before = seats.get(nodeId)
    if (!node || (before && before.session > session)) return
    if (before) unseat(before)
    const told = devices.length > 0 ? devices : [PROCESSOR_ALONE]
    const seat = {
      nodeId,
      session,
      gatewayId,
      open: new Map(),
      devices: new Map(told.map((one) => [one.deviceId, one])),
    }
    seats.set(nodeId, seat)
    claim(turn, nodeId, [...seat.devices.values()])
    for (const device of seat.devices.values()) {
      const record = recordOf(seat, device.deviceId)
      const isStale = (record?.provenAtMs ?? 0) < turn.nowMs - everyMs
      if (record?.isProven && isStale) ask(seat, device, 'random')
    }
    askUnproven(turn, seat)
  }

  function claim(turn: Turn, nodeId: string, devices?: readonly ProvableDevice[]): void {
    const node = state.fleet.nodes.get(nodeId)
    if (!node || !state.hardware.isRequired) return
    const { organisationId } = node
    turn.hardware({
      ...{ kind: 'claim', nodeId, organisationId, nowMs: turn.nowMs },
      cardIds: (node.capability?.gpus ?? []).flatMap(({ uuid }) => (uuid === '' ? [] : uuid)),
      ...(devices && {
        devices: devices.map((one) => ({ deviceId: one.deviceId, deviceClass: classOf(one) })),
      }),
    })
  }

  /** What is not proven, and is due. */
  function askUnproven(turn: Turn, seat: Seat): void {
    if (openCount >= OPEN_MAX) return
    for (const device of seat.devices.values()) {
      const record = recordOf(seat, device.deviceId)
      if (!record || (record.isProven && record.failures === 0)) continue
      const waitMs = RETRY_MS[Math.min(record.failures, RETRY_MS.length) - 1] ?? 0
      if (record.failure && turn.nowMs < record.failure.atMs + waitMs) continue
      ask(seat, device, record.failure ? 'retry' : 'enrolment')
    }
  }

  function openOf(turn: Turn, news: ProofNews, challengeId: string): { seat: Seat; open: Open } | null {
    const seat = seats.get(news.nodeId)
    const open = [...(seat?.open.values() ?? [])].find((one) => one.challengeId === challengeId)
    if (seat && open && seat.session === news.session) return { seat, open }
    refuse(turn, news.nodeId, 'challenge_unknown')
    return null
  }

  const refuse = (turn: Turn, nodeId: string, reason: AnswerRefusal): void =>
    void turn.hardware({ kind: 'refuse_answer', nodeId, reason, nowMs: turn.nowMs })

  function hear(turn: Turn, news: ProofNews): void {
    const { say } = news
    if (say.kind === 'able') return takeSeat(turn, news, say.devices)
    if (say.kind === 'refused') return refuse(turn, news.nodeId, say.reason)
    const found = openOf(turn, news, say.challengeId)
    if (!found) return
    const { seat, open } = found
    if (say.kind === 'failed') {
      const fault: ProofFault = say.reason === 'memory_short' ? 'memory_short' : 'prover_failed'
      return judge(turn, seat, open, { fault, detail: `Its own prover said: ${say.message}` })
    }
    if (say.kind === 'commit') {
      if (open.committed) return // The gateway had no answer, and says it again.
      const computeMs = Math.max(0, say.elapsedMs - Math.min(say.roundTripMs, ROUND_TRIP_MS_MAX))
      const rows = drawRows((length) => secrets.randomBytes(length), open.size.rows, ROWS_SHOWN)
      open.committed = { roots: say.roots, rows, computeMs }
      open.order = { kind: 'open', challengeId: open.challengeId, rows: [...rows] }
      open.saidAtMs = clock.elapsedMs()
      return send(seat, open.order)
    }
    if (!open.committed) return refuse(turn, news.nodeId, 'answer_early')
    if (open.order === null) return
    open.order = null
    lookAt(seat, open, open.committed, say.chains)
  }

  function lookAt(
    seat: Seat,
    open: Open,
    { computeMs, ...committed }: NonNullable<Open['committed']>,
    chains: Extract<ProofNews['say'], { kind: 'opened' }>['chains'],
  ): void {
    const { seed, size } = open
    checks.add(checkProof({ seed, size, ...committed, chains }, crypto.sha256), (verdict) => {
      if (isClosed || seat.open.get(open.deviceId) !== open) return
      const outcome = verdict === 'good' ? { computeMs, products: productsOf(size) } : verdict
      coordinator.execute((turn) => judge(turn, seat, open, outcome))
    })
  }

  /** What is late, or was perhaps lost on its way. */
  function keepAsking(turn: Turn, nowMs: number): void {
    if (openCount === 0) return
    for (const seat of seats.values())
      for (const open of seat.open.values()) {
        if (open.order === null) continue
        if (nowMs >= open.deadlineMs) lateOne(turn, seat, open)
        else if (nowMs >= open.saidAtMs + SAY_AGAIN_MS) {
          open.saidAtMs = nowMs
          send(seat, open.order)
        }
      }
  }

  function lateOne(turn: Turn, seat: Seat, open: Open): void {
    // Who is away owes no answer.
    if (state.fleet.nodes.get(seat.nodeId)?.presence !== 'online') return end(seat, open)
    judge(turn, seat, open, { fault: 'answer_missing', detail: 'No answer came in time.' })
  }

  function askAtRandom(): void {
    const draw = uniform(secrets.randomBytes(4))
    for (let count = drawDue(draw, (seats.size * SECOND_MS) / everyMs); count > 0; count--) {
      const all = [...seats.values()]
      const seat = all[Math.floor(uniform(secrets.randomBytes(4)) * all.length)]
      if (!seat) return
      const ownerOf = (one: Seat): string | undefined => state.fleet.nodes.get(one.nodeId)?.organisationId
      const own = all.filter((one) => ownerOf(one) === ownerOf(seat))
      const isOwners = own.length > 1 && (secrets.randomBytes(1)[0] ?? 0) % OWNER_EVERY === 0
      for (const one of isOwners ? own : [seat]) challenge(one.nodeId, isOwners ? 'owner' : 'random')
    }
  }

  function challenge(nodeId: string, why: ProofWhy): boolean {
    const seat = seats.get(nodeId)
    if (!seat) return false
    for (const device of seat.devices.values()) ask(seat, device, why)
    return true
  }

  function note(event: CoordinatorEvent): void {
    // Its cards may be reported after what it can prove.
    if (event.type === 'fleet.node_reported') reported.add(event.nodeId)
    if (event.type !== 'fleet.node_lost' && event.type !== 'fleet.node_banned') return
    const seat = seats.get(event.nodeId)
    if (seat) unseat(seat)
  }

  coordinator.onEvent(note)
  const served = bus.serve(proofNewsSubject, (message, reply) => {
    const parsed = ProofNews.safeParse(parseJson(message))
    if (!parsed.success)
      return log.error('bus.message_malformed', { subject: proofNewsSubject, message: parsed.error.message })
    coordinator.execute(
      (turn) => hear(turn, parsed.data),
      () => reply('{}'),
    )
  })
  return {
    step(turn) {
      turn.hardware({ kind: 'keep_time', nowMs: turn.nowMs })
      if (!state.hardware.isRequired) return
      keepAsking(turn, clock.elapsedMs())
      for (const nodeId of reported) claim(turn, nodeId)
      reported.clear()
      for (const seat of seats.values()) askUnproven(turn, seat)
      askAtRandom()
    },
    challenge,
    close() {
      isClosed = true
      served.close()
      checks.close()
    },
  }
}

/** Of a node that can prove nothing in particular. */
const PROCESSOR_ALONE: ProvableDevice = { deviceId: 'cpu', kind: 'cpu', name: 'processor', memoryMib: 0 }

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}
