/**
 * Proofs of hardware, between the nodes of this gateway and the coordinator. It decides nothing, but it is near the node: it
 * measures how long an answer took and how long the line takes, and knows what was asked, so that what nobody asked for,
 * what comes twice or too early, is refused here. What nodes say is told to the coordinator until it has answered.
 */
import type { Bus, Clock, Log } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import {
  ProofHeard,
  ProofNews,
  type ProofOrder,
  ProofOrders,
  ProofSay,
  type ProofWord,
  proofNewsSubject,
  proofOrdersTo,
} from '#protocol/hardware-proof.ts'
import { Problem } from '#protocol/problem.ts'
import { quickReader } from '#protocol/quick-reader.ts'
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

type Say = ProofWord['say']

/** What is to be told of a node. */
interface Told {
  readonly entry: Entry
  readonly say: Say
}

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
/** Of nodes that are told of together: a message stays far below what a bus carries. */
const DEVICES_TOGETHER_MAX = 256

const writeNews = jsonWriter(ProofNews)
const proofOrders = quickReader(ProofOrders)
const proofHeard = quickReader(ProofHeard)
const proofSay = quickReader(ProofSay)

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

  function isWorthTelling({ entry, say }: Told): boolean {
    if (entries.get(entry.node.nodeId) !== entry) return false
    // An older word of what it can prove must not come behind a newer one.
    return say.kind !== 'able' || say.devices === entry.able?.devices
  }

  /** Tells the coordinator until it has heard it, as long as the nodes are here. */
  function tellTogether(told: readonly Told[], times = 0): void {
    if (isClosed || times >= TELL_TIMES) return
    const current = told.filter(isWorthTelling)
    const [first, ...others] = current.map(wordOf)
    if (!first) return
    const message = writeNews({ ...first, gatewayId, ...(others.length > 0 && { more: others }) })
    bus.request({ subject: proofNewsSubject, message, timeoutMs: TELL_TIMEOUT_MS }, (problem, reply) => {
      if (problem) return void clock.after(TELL_AGAIN_MS, () => tellTogether(current, times + 1))
      if (others.length === 0) return
      const { heard = 1 } = proofHeard.parse(JSON.parse(reply))
      for (const one of current.slice(heard)) tellTogether([one])
    })
  }

  const tell = (entry: Entry, say: Say): void => tellTogether([{ entry, say }])

  function take(entry: Entry, say: ProofSay): void {
    const nowMs = clock.elapsedMs()
    if (say.kind === 'able') {
      // What a machine can prove is said once: said again, it is no way out of what was asked since.
      if (entry.able) return refuse(entry, '', 'answer_repeated')
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
    for (const { nodeId, session, order: told } of proofOrders.parse(JSON.parse(text)).orders) {
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
      take(entry, proofSay.parse(decodeJson(payload)))
    },
    lost(node) {
      if (entries.get(node.nodeId)?.node === node) entries.delete(node.nodeId)
    },
    tellAll() {
      let told: Told[] = []
      let devices = 0
      for (const entry of entries.values()) {
        const { able } = entry
        if (!able) continue
        if (devices + able.devices.length > DEVICES_TOGETHER_MAX) {
          tellTogether(told)
          told = []
          devices = 0
        }
        told.push({ entry, say: able })
        // One that names none costs a line, too.
        devices += Math.max(1, able.devices.length)
      }
      tellTogether(told)
    },
    close() {
      isClosed = true
      subscription.close()
      entries.clear()
    },
  }
}

const wordOf = ({ entry: { node }, say }: Told): ProofWord => ({
  nodeId: node.nodeId,
  session: node.session,
  say,
})

/** Throws for a node that says more than any agent would. */
function spend(entry: Entry, nowMs: number): void {
  const earned = ((nowMs - entry.budgetAtMs) * BUDGET_PER_SECOND) / 1_000
  entry.budget = Math.min(BUDGET_MAX, entry.budget + earned) - 1
  entry.budgetAtMs = nowMs
  if (entry.budget < 0)
    throw new Problem('rate_limited', 'A node says more of its hardware than there can be to say.')
}
