/**
 * Proofs of hardware, between the nodes of this gateway and the coordinator. It decides nothing, but it is near the node: it
 * measures how long an answer took and how long the line takes, and knows what was asked, so that what nobody asked for,
 * what comes twice or too early, is refused here. What nodes say is told to the coordinator until it has answered.
 */
import type { Bus, Clock, Log } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import {
  ProofNews,
  type ProofOrder,
  ProofOrders,
  ProofSay,
  proofNewsSubject,
  proofOrdersTo,
} from '#protocol/hardware-proof.ts'
import { Problem } from '#protocol/problem.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

/** What the relay needs of a connection. */
export interface ProofNode {
  readonly nodeId: string
  readonly session: number
  /** Of the agent protocol, as agreed on. */
  readonly protocol: number
  send(message: Uint8Array): void
}

export interface ProofRelay {
  /**
   * Takes the payload of a `prove` frame. Throws a `Problem` or a `ZodError` for what no agent says, or says so often: it
   * costs the node its connection.
   */
  hear(node: ProofNode, payload: Uint8Array): void
  /** The connection is gone, and all that was asked on it. */
  lost(node: ProofNode): void
  /** The coordinator forgot what nodes can prove. */
  tellAll(): void
  close(): void
}

interface Asked {
  readonly begunAtMs: number
  roundTripMs: number
  stage: 'asked' | 'committed' | 'opened' | 'shown'
}

interface Entry {
  readonly node: ProofNode
  able: Extract<ProofSay, { kind: 'able' }> | null
  readonly asked: Map<string, Asked>
  /** What it may yet say at once. */
  budget: number
  budgetAtMs: number
}

type Say = ProofNews['say']

/** Rows of an answer, with room to spare. */
const SAY_BYTES_MAX = 1024 * 1024
/** A node has some devices, and says three things for each challenge. */
const BUDGET_MAX = 200
const BUDGET_PER_SECOND = 5
/** Challenges of one node at a time; the oldest is forgotten. */
const ASKED_MAX = 128
const TELL_TIMEOUT_MS = 2_000
const TELL_AGAIN_MS = 1_000
/** After this nobody waits for it any more. */
const TELL_TIMES = 20

const writeNews = jsonWriter(ProofNews)

export function createProofRelay(
  { bus, clock, log }: { bus: Pick<Bus, 'request' | 'subscribe'>; clock: Clock; log: Log },
  { gatewayId }: { readonly gatewayId: string },
): ProofRelay {
  const entries = new Map<string, Entry>()
  let isClosed = false

  function entryOf(node: ProofNode): Entry {
    const known = entries.get(node.nodeId)
    if (known?.node === node) return known
    const made = { node, able: null, asked: new Map(), budget: BUDGET_MAX, budgetAtMs: clock.elapsedMs() }
    entries.set(node.nodeId, made)
    return made
  }

  /** Tells the coordinator until it has heard it, as long as the node is here. */
  function tell(entry: Entry, say: Say, times = 0): void {
    const { nodeId, session } = entry.node
    if (isClosed || entries.get(nodeId) !== entry || times >= TELL_TIMES) return
    // An older word of what it can prove must not come behind a newer one.
    if (say.kind === 'able' && say.devices !== entry.able?.devices) return
    const message = writeNews({ gatewayId, nodeId, session, say })
    bus.request({ subject: proofNewsSubject, message, timeoutMs: TELL_TIMEOUT_MS }, (problem) => {
      if (problem) clock.after(TELL_AGAIN_MS, () => tell(entry, say, times + 1))
    })
  }

  function take(entry: Entry, say: ProofSay): void {
    const nowMs = clock.elapsedMs()
    if (say.kind === 'able') {
      entry.able = say
      return tell(entry, say)
    }
    const { challengeId } = say
    const asked = entry.asked.get(challengeId)
    if (!asked) return refuse(entry, challengeId, 'challenge_unknown')
    switch (say.kind) {
      case 'begun':
        if (asked.stage !== 'asked' || asked.roundTripMs > 0)
          return refuse(entry, challengeId, 'answer_repeated')
        asked.roundTripMs = nowMs - asked.begunAtMs
        return
      case 'commit': {
        if (asked.stage !== 'asked') return refuse(entry, challengeId, 'answer_repeated')
        asked.stage = 'committed'
        const { roundTripMs } = asked
        return tell(entry, { ...say, elapsedMs: nowMs - asked.begunAtMs, roundTripMs })
      }
      case 'opened':
        if (asked.stage === 'shown') return refuse(entry, challengeId, 'answer_repeated')
        if (asked.stage !== 'opened') return refuse(entry, challengeId, 'answer_early')
        asked.stage = 'shown'
        return tell(entry, say)
      case 'failed':
        if (asked.stage === 'shown') return refuse(entry, challengeId, 'answer_repeated')
        asked.stage = 'shown'
        return tell(entry, say)
    }
  }

  function refuse(
    entry: Entry,
    challengeId: string,
    reason: Extract<Say, { kind: 'refused' }>['reason'],
  ): void {
    log.warn('proof.answer_refused', { nodeId: entry.node.nodeId, challengeId, reason })
    tell(entry, { kind: 'refused', challengeId, reason })
  }

  function order(entry: Entry, told: ProofOrder): void {
    const { asked, node } = entry
    const known = asked.get(told.challengeId)
    switch (told.kind) {
      case 'begin': {
        // The coordinator says it again until something comes of it.
        if (known) return
        asked.set(told.challengeId, { begunAtMs: clock.elapsedMs(), roundTripMs: 0, stage: 'asked' })
        const [oldest] = asked.keys()
        if (asked.size > ASKED_MAX && oldest !== undefined) asked.delete(oldest)
        break
      }
      case 'open':
        if (known?.stage !== 'committed') return
        known.stage = 'opened'
        break
      case 'over':
        asked.delete(told.challengeId)
        break
    }
    node.send(encodeJsonFrame(FrameType.prove, 0, told))
  }

  const subscription = bus.subscribe(proofOrdersTo(gatewayId), (text) => {
    if (isClosed) return
    for (const { nodeId, session, order: told } of ProofOrders.parse(JSON.parse(text)).orders) {
      const entry = entries.get(nodeId)
      if (entry?.node.session === session) order(entry, told)
    }
  })

  return {
    hear(node, payload) {
      if (isClosed) return
      if (node.protocol < PROTOCOL_WITH_EVIDENCE)
        throw new Problem(
          'invalid_request',
          'An agent speaks of proofs and agreed on a version without them.',
        )
      if (payload.length > SAY_BYTES_MAX)
        throw new Problem('invalid_request', `A node says ${payload.length} bytes of a proof at once.`)
      const entry = entryOf(node)
      spend(entry, clock.elapsedMs())
      take(entry, ProofSay.parse(decodeJson(payload)))
    },
    lost(node) {
      if (entries.get(node.nodeId)?.node === node) entries.delete(node.nodeId)
    },
    tellAll() {
      for (const entry of entries.values()) if (entry.able) tell(entry, entry.able)
    },
    close() {
      isClosed = true
      subscription.close()
      entries.clear()
    },
  }
}

/** Throws for a node that says more than any agent would. */
function spend(entry: Entry, nowMs: number): void {
  const earned = ((nowMs - entry.budgetAtMs) * BUDGET_PER_SECOND) / 1_000
  entry.budget = Math.min(BUDGET_MAX, entry.budget + earned) - 1
  entry.budgetAtMs = nowMs
  if (entry.budget < 0)
    throw new Problem('rate_limited', 'A node says more of its hardware than there can be to say.')
}
