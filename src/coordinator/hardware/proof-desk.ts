/**
 * Asks nodes to prove their hardware, and looks at what they show. Who is to be asked is decided by their records and by
 * chance; what came of it is decided by the domain (`verify/hardware`). What is under way is in memory alone: after a
 * restart it is asked anew, and answers to what was asked before are answers to nothing.
 */
import type { Bus, Clock, Crypto, Log, Secrets } from '#host/host.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { type ProofHeard, ProofNews, type ProofWord, proofNewsSubject } from '#protocol/hardware-proof.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { classOf, type SizeOf, sizeOf as usualSizeOf } from '#verify/hardware/challenge-size.ts'
import { checkProof } from '#verify/hardware/check-proof.ts'
import type { JudgeCommand } from '#verify/hardware/decide-hardware.ts'
import type { AnswerRefusal, ProofFault } from '#verify/hardware/hardware-events.ts'
import { productsOf } from '#verify/hardware/product.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Gateways } from '../gateways.ts'
import type { Turn } from '../turn.ts'
import { createCheckQueue } from './check-queue.ts'
import { claimedDevices } from './claimed-devices.ts'
import { drawRows } from './draw-due.ts'
import { createNodeWatch } from './node-watch.ts'
import { createOwedProofs } from './owed-proofs.ts'
import { type Committed, createProofSeats, type OpenProof, type Seat } from './proof-seats.ts'
import { askAtRandom, askOwn, askProven, askUnproven, deviceRecord } from './who-is-due.ts'

export interface ProofDesk {
  /** Asks who is due; every second. */
  step(turn: Turn): void
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
  readonly gateways: Pick<Gateways, 'isDeafSince'>
}

/** Rows that are drawn of each answer. */
const ROWS_SHOWN = 8
/** Of a line: what a node adds to it by answering late is not taken from its time. */
const ROUND_TRIP_MS_MAX = SECOND_MS
/** A question is said again every few seconds: a gateway that heard none of them for so long before the end had it too late. */
const HEARD_WITHIN_MS = 30 * SECOND_MS
/** Ends of a connection in a row, each before the answer, that lines and machines may well have. */
const ENDS_EXPLAINED = 6
/** Who was given what runs for long is asked unless he proved himself within this time. */
const LEASE_FRESH_MS = 10 * MINUTE_MS

const proofNews = quickReader(ProofNews)

type Say<Kind extends ProofWord['say']['kind']> = Extract<ProofWord['say'], { kind: Kind }>
/** What one node said, and through whom. */
type News = ProofWord & Pick<ProofNews, 'gatewayId'>

export function serveProofs(parts: ProofDeskParts): ProofDesk {
  const { bus, clock, crypto, log, secrets, coordinator } = parts
  const { everyMs = HOUR_MS, sizeOf = usualSizeOf } = parts
  const { state } = coordinator
  const seats = createProofSeats({ bus, clock, secrets, sizeOf })
  const owed = createOwedProofs()
  const watch = createNodeWatch(state, { seats, owed })
  const checks = createCheckQueue(clock)
  let isClosed = false

  function conclude(turn: Turn, { seat, open }: Found, outcome: JudgeCommand['outcome']): void {
    seats.end(seat, open)
    judge(turn, { nodeId: seat.nodeId, deviceId: open.deviceId, why: open.why }, outcome)
  }

  function judge(
    turn: Turn,
    { nodeId, deviceId, why }: Pick<JudgeCommand, 'nodeId' | 'deviceId' | 'why'>,
    outcome: JudgeCommand['outcome'],
  ): void {
    turn.hardware({ kind: 'judge', nodeId, deviceId, why, outcome, nowMs: turn.nowMs })
    const record = deviceRecord(state, { nodeId }, deviceId)
    if (record?.isProven && !record.failure) owed.paid(nodeId, deviceId)
    if (record?.failure) {
      const { fault, detail } = record.failure
      log.warn('hardware.failed', { nodeId, deviceId, why, fault, detail })
    } else
      log.info('hardware.proven', { nodeId, deviceId, why, computeMs: Math.round(record?.computeMs ?? 0) })
  }

  function claim(turn: Turn, nodeId: string): void {
    const node = state.fleet.nodes.get(nodeId)
    if (!node) return
    const { organisationId } = node
    const seat = seats.get(nodeId)
    // What it reports while it is asked is no way out of the answer.
    if (seat && !seats.name(seat, claimedDevices(seat.told, node.capability))) watch.lookAgain(nodeId)
    if (!state.hardware.isRequired) return
    turn.hardware({
      ...{ kind: 'claim', nodeId, organisationId, nowMs: turn.nowMs },
      cardIds: (node.capability?.gpus ?? []).flatMap(({ uuid }) => (uuid === '' ? [] : uuid)),
      ...(seat && {
        devices: [...seat.devices.values()].map((one) => ({
          deviceId: one.deviceId,
          deviceClass: classOf(one),
        })),
      }),
    })
  }

  function takeSeat(turn: Turn, { nodeId, session, gatewayId }: News, { devices }: Say<'able'>): void {
    const before = seats.get(nodeId)
    // A gateway says it until it was heard: what was asked on this connection stays asked.
    if (!state.fleet.nodes.has(nodeId) || (before && before.session >= session)) return
    for (const open of before?.open.values() ?? []) owed.note(nodeId, open)
    const seat = seats.take({ nodeId, session, gatewayId, told: devices })
    claim(turn, nodeId)
    greet(turn, seat)
  }

  /** It is here, again or for the first time. */
  function greet(turn: Turn, seat: Seat): void {
    for (const { deviceId, why, times, isExcused } of owed.due(seat)) {
      const device = seat.devices.get(deviceId)
      // What is not proven has nothing to keep, and is asked below.
      if (!device || !deviceRecord(state, seat, deviceId)?.isProven) continue
      if (!isExcused && times > ENDS_EXPLAINED) {
        const detail = `Its connection ended before the answer, ${times} times in a row.`
        judge(turn, { nodeId: seat.nodeId, deviceId, why }, { fault: 'answer_missing', detail })
      }
      if (why === 'owner') askOwn({ state, seats }, seat)
      else seats.ask(seat, device, why)
    }
    askProven({ state, seats }, seat, { sinceMs: turn.nowMs - everyMs, why: 'random' })
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
      // Models that the network put on a card leave less of it free: what is free is proven then.
      if (say.reason === 'memory_short' && seats.askPart(found.seat, found.open)) return
      const fault: ProofFault = say.reason === 'memory_short' ? 'memory_short' : 'prover_failed'
      return conclude(turn, found, { fault, detail: `Its own prover said: ${say.message}` })
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
    const { seed, size, isPart } = open
    const { rows } = size
    open.order = null
    checks.add(checkProof({ seed, size, ...committed, chains }, crypto.sha256), (verdict) => {
      if (isClosed || seat.open.get(open.deviceId) !== open) return
      const good = { computeMs, products: productsOf(size), rows, isPart }
      coordinator.execute((turn) => conclude(turn, found, verdict === 'good' ? good : verdict))
    })
  }

  function late(turn: Turn, seat: Seat, open: OpenProof): void {
    const isAway = state.fleet.nodes.get(seat.nodeId)?.presence !== 'online'
    const wasTold = !parts.gateways.isDeafSince(seat.gatewayId, open.deadlineMs - HEARD_WITHIN_MS)
    if (!isAway && wasTold)
      return conclude(turn, { seat, open }, { fault: 'answer_missing', detail: 'No answer came in time.' })
    // Who is away owes the answer for when he is back; whose gateway never had the question kept no silence.
    if (isAway) owed.note(seat.nodeId, open)
    seats.end(seat, open)
    const device = seat.devices.get(open.deviceId)
    if (!isAway && device) seats.ask(seat, device, open.why)
  }

  coordinator.onEvent(watch.note)
  const served = bus.serve(proofNewsSubject, (message, reply) => {
    const parsed = proofNews.safeParse(parseJson(message))
    if (!parsed.success) return malformed(log, parsed.error.message)
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
      const { reported, returned, leased } = watch.take()
      if (!state.hardware.isRequired) return
      seats.sayAgain((seat, open) => late(turn, seat, open))
      for (const nodeId of reported) claim(turn, nodeId)
      for (const seat of seats.here(returned)) greet(turn, seat)
      for (const seat of seats.here(leased))
        askProven({ state, seats }, seat, { sinceMs: turn.nowMs - LEASE_FRESH_MS, why: 'lease' })
      for (const seat of seats.all()) askUnproven({ state, seats }, seat, turn.nowMs)
      askAtRandom({ state, seats, secrets }, { stepMs: SECOND_MS, everyMs })
    },
    close() {
      isClosed = true
      served.close()
      checks.close()
    },
  }
}

const malformed = (log: Log, message: string): void =>
  log.error('bus.message_malformed', { subject: proofNewsSubject, message })

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}
