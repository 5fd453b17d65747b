/**
 * Asks nodes to prove their hardware, and looks at what they show. Who is to be asked is decided by their records and by
 * chance; what came of it is decided by the domain (`verify/hardware`). What is under way is in memory alone: after a
 * restart it is asked anew, and answers to what was asked before are answers to nothing.
 */
import type { Bus, Clock, Crypto, Log, Secrets } from '#host/host.ts'
import { HOUR_MS, SECOND_MS } from '#kernel/time.ts'
import {
  type ProofHeard,
  ProofNews,
  type ProofWord,
  type ProvableDevice,
  proofNewsSubject,
} from '#protocol/hardware-proof.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { classOf, type SizeOf, sizeOf as usualSizeOf } from '#verify/hardware/challenge-size.ts'
import { checkProof } from '#verify/hardware/check-proof.ts'
import type { JudgeCommand } from '#verify/hardware/decide-hardware.ts'
import type { AnswerRefusal, ProofFault, ProofWhy } from '#verify/hardware/hardware-events.ts'
import { productsOf } from '#verify/hardware/product.ts'
import type { Coordinator } from '../coordinator.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import type { Turn } from '../turn.ts'
import { createCheckQueue } from './check-queue.ts'
import { drawRows } from './draw-due.ts'
import { type Committed, createProofSeats, type OpenProof, type Seat } from './proof-seats.ts'
import { askAtRandom, askUnproven, deviceRecord } from './who-is-due.ts'

export interface ProofDesk {
  /** Asks who is due; every second. */
  step(turn: Turn): void
  /** Asks all devices of the node now. False when it is not here. */
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

/** Rows that are drawn of each answer. */
const ROWS_SHOWN = 8
/** Of a line: what a node adds to it by answering late is not taken from its time. */
const ROUND_TRIP_MS_MAX = SECOND_MS
/** Of a node that names nothing that it can prove. */
const PROCESSOR_ALONE: ProvableDevice = { deviceId: 'cpu', kind: 'cpu', name: 'processor', memoryMib: 0 }

const proofNews = quickReader(ProofNews)

type Say<Kind extends ProofWord['say']['kind']> = Extract<ProofWord['say'], { kind: Kind }>
/** What one node said, and through whom. */
type News = ProofWord & Pick<ProofNews, 'gatewayId'>

export function serveProofs(parts: ProofDeskParts): ProofDesk {
  const { bus, clock, crypto, log, secrets, coordinator } = parts
  const { everyMs = HOUR_MS, sizeOf = usualSizeOf } = parts
  const { state } = coordinator
  const seats = createProofSeats({ bus, clock, secrets, sizeOf })
  const checks = createCheckQueue(clock)
  /** Nodes that reported since the last step. */
  const reported = new Set<string>()
  let isClosed = false

  function judge(turn: Turn, { seat, open }: Found, outcome: JudgeCommand['outcome']): void {
    const { nodeId } = seat
    const { deviceId, why } = open
    seats.end(seat, open)
    turn.hardware({ kind: 'judge', nodeId, deviceId, why, outcome, nowMs: turn.nowMs })
    const record = deviceRecord(state, seat, deviceId)
    if (record?.failure) {
      const { fault, detail } = record.failure
      log.warn('hardware.failed', { nodeId, deviceId, why, fault, detail })
    } else
      log.info('hardware.proven', { nodeId, deviceId, why, computeMs: Math.round(record?.computeMs ?? 0) })
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

  function takeSeat(turn: Turn, { nodeId, session, gatewayId }: News, { devices }: Say<'able'>): void {
    const before = seats.get(nodeId)
    if (!state.fleet.nodes.has(nodeId) || (before && before.session > session)) return
    const told = devices.length > 0 ? devices : [PROCESSOR_ALONE]
    const seat = seats.take({
      ...{ nodeId, session, gatewayId },
      devices: new Map(told.map((one) => [one.deviceId, one])),
    })
    claim(turn, nodeId, [...seat.devices.values()])
    for (const device of seat.devices.values()) {
      const record = deviceRecord(state, seat, device.deviceId)
      const isStale = (record?.provenAtMs ?? 0) < turn.nowMs - everyMs
      if (record?.isProven && isStale) seats.ask(seat, device, 'random')
    }
    askUnproven({ state, seats }, seat, turn.nowMs)
  }

  interface Found {
    readonly seat: Seat
    readonly open: OpenProof
  }

  function find(turn: Turn, news: News, challengeId: string): Found | null {
    const seat = seats.get(news.nodeId)
    const open = [...(seat?.open.values() ?? [])].find((one) => one.challengeId === challengeId)
    if (seat && open && seat.session === news.session) return { seat, open }
    refuse(turn, news.nodeId, 'challenge_unknown')
    return null
  }

  const refuse = (turn: Turn, nodeId: string, reason: AnswerRefusal): void =>
    void turn.hardware({ kind: 'refuse_answer', nodeId, reason, nowMs: turn.nowMs })

  function hear(turn: Turn, news: News): void {
    const { say } = news
    if (say.kind === 'able') return takeSeat(turn, news, say)
    if (say.kind === 'refused') return refuse(turn, news.nodeId, say.reason)
    const found = find(turn, news, say.challengeId)
    if (!found) return
    if (say.kind === 'failed') {
      const fault: ProofFault = say.reason === 'memory_short' ? 'memory_short' : 'prover_failed'
      return judge(turn, found, { fault, detail: `Its own prover said: ${say.message}` })
    }
    if (say.kind === 'commit') return drawShown(found, say)
    if (!found.open.committed) return refuse(turn, news.nodeId, 'answer_early')
    if (found.open.order !== null) lookAt(found, found.open.committed, say)
  }

  /** Which rows it has to show is drawn now that it cannot change any. */
  function drawShown({ seat, open }: Found, say: Say<'commit'>): void {
    if (open.committed) return // The gateway had no answer, and says it again.
    const computeMs = Math.max(0, say.elapsedMs - Math.min(say.roundTripMs, ROUND_TRIP_MS_MAX))
    const rows = drawRows((length) => secrets.randomBytes(length), open.size.rows, ROWS_SHOWN)
    open.committed = { roots: say.roots, rows, computeMs }
    seats.order(seat, open, { kind: 'open', challengeId: open.challengeId, rows: [...rows] })
  }

  function lookAt(found: Found, { computeMs, ...committed }: Committed, { chains }: Say<'opened'>): void {
    const { seat, open } = found
    const { seed, size } = open
    open.order = null
    checks.add(checkProof({ seed, size, ...committed, chains }, crypto.sha256), (verdict) => {
      if (isClosed || seat.open.get(open.deviceId) !== open) return
      const outcome = verdict === 'good' ? { computeMs, products: productsOf(size) } : verdict
      coordinator.execute((turn) => judge(turn, found, outcome))
    })
  }

  function late(turn: Turn, seat: Seat, open: OpenProof): void {
    // Who is away owes no answer.
    if (state.fleet.nodes.get(seat.nodeId)?.presence !== 'online') return seats.end(seat, open)
    judge(turn, { seat, open }, { fault: 'answer_missing', detail: 'No answer came in time.' })
  }

  function note(event: CoordinatorEvent): void {
    // Its cards may be reported after what it can prove.
    if (event.type === 'fleet.node_reported') reported.add(event.nodeId)
    if (event.type === 'fleet.node_lost' || event.type === 'fleet.node_banned') seats.leave(event.nodeId)
  }

  coordinator.onEvent(note)
  const served = bus.serve(proofNewsSubject, (message, reply) => {
    const parsed = proofNews.safeParse(parseJson(message))
    if (!parsed.success)
      return log.error('bus.message_malformed', {
        subject: proofNewsSubject,
        message: parsed.error.message,
      })
    const { gatewayId, more = [], ...first } = parsed.data
    coordinator.execute(
      (turn) => {
        for (const word of [first, ...more]) hear(turn, { ...word, gatewayId })
        return { heard: 1 + more.length } satisfies ProofHeard
      },
      (heard) => reply(JSON.stringify(heard)),
    )
  })
  return {
    step(turn) {
      turn.hardware({ kind: 'keep_time', nowMs: turn.nowMs })
      if (!state.hardware.isRequired) return reported.clear()
      seats.sayAgain((seat, open) => late(turn, seat, open))
      for (const nodeId of reported) claim(turn, nodeId)
      reported.clear()
      for (const seat of seats.all()) askUnproven({ state, seats }, seat, turn.nowMs)
      askAtRandom({ state, seats, secrets }, { stepMs: SECOND_MS, everyMs })
    },
    challenge(nodeId, why) {
      const seat = seats.get(nodeId)
      for (const device of seat?.devices.values() ?? []) if (seat) seats.ask(seat, device, why)
      return seat !== undefined
    },
    close() {
      isClosed = true
      served.close()
      checks.close()
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}
