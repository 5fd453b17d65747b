import type { TimestampMs } from '#kernel/time.ts'
import { HOLD_EXPIRY_GRACE_MS } from '#ledger/ledger.ts'
import { type ApiKey, isOpen } from '#organisations/organisations.ts'
import type { PresenceReply, PresenceReport } from '#protocol/cell.ts'
import { decideForgetChains } from '#receipts/receipts.ts'
import { freeExpiredAnswers } from './answers/answer-pay.ts'
import { endSuspensions } from './answers/judge-node.ts'
import type { Turn } from './turn.ts'
import { keepJobHolds } from './work/task-pay.ts'

/** A gateway that was not heard for this long is given up; its nodes become suspect. */
export const GATEWAY_SILENCE_MS = 6_000

interface GatewayRecord {
  heardAtMs: number
  /** When it heard this coordinator last, as it says. */
  heardUsAtMs: number | null
  incarnation: number
  start: string | undefined
  sequence: number
  /** To the newest report: its answer may have been lost, and the repeat has to tell who was refused. */
  reply: PresenceReply | null
  wantsPresence: boolean
}

/** The gateways that this coordinator hears. In memory only: after a restart each one reports anew. */
export interface Gateways {
  /** Notes a sign of life, and how long ago it heard this coordinator, where it says so; true when the gateway must report all its nodes. */
  heard(gatewayId: string, elapsedMs: number, heardAgoMs?: number): boolean
  /** Whether it says that it heard nothing since `elapsedMs`: what it was told is lost. */
  isDeafSince(gatewayId: string, elapsedMs: number): boolean
  /** Applies a report unless it, or a later one, was applied before; the newest is answered alike when it comes again. */
  report(turn: Turn, report: PresenceReport, epoch: number): PresenceReply
  /** How many are heard. */
  count(elapsedMs: number): number
  /** Marks the nodes of silent gateways as suspect. */
  giveUpSilent(turn: Turn, elapsedMs: number): void
}

export function createGateways(startedMs: number): Gateways {
  const gateways = new Map<string, GatewayRecord>()
  let hasInherited = false

  const recordOf = (gatewayId: string): GatewayRecord => {
    let record = gateways.get(gatewayId)
    if (!record) {
      record = {
        heardAtMs: startedMs,
        heardUsAtMs: null,
        incarnation: 0,
        start: undefined,
        sequence: 0,
        reply: null,
        wantsPresence: true,
      }
      gateways.set(gatewayId, record)
    }
    return record
  }

  /** A gateway that this coordinator never heard may still own nodes from before its start. */
  function inherit(turn: Turn): void {
    for (const node of turn.state.fleet.nodes.values()) {
      if (node.presence === 'online' && node.gatewayId !== null) recordOf(node.gatewayId)
    }
  }

  return {
    heard(gatewayId, elapsedMs, heardAgoMs) {
      const record = recordOf(gatewayId)
      record.heardAtMs = elapsedMs
      if (heardAgoMs !== undefined) record.heardUsAtMs = elapsedMs - heardAgoMs
      return record.wantsPresence
    },

    isDeafSince(gatewayId, elapsedMs) {
      const heardUsAtMs = gateways.get(gatewayId)?.heardUsAtMs ?? null
      return heardUsAtMs !== null && heardUsAtMs < elapsedMs
    },

    report(turn, report, epoch) {
      const record = recordOf(report.gatewayId)
      const isSameStart = report.incarnation === record.incarnation && report.start === record.start
      if (record.reply && isSameStart && report.sequence === record.sequence) return record.reply
      // A gateway on another disk, or on an older copy of its own, counts its starts anew: it is told where to go on.
      if (!isSameStart && report.incarnation <= record.incarnation)
        return { epoch, refused: [], incarnationMin: record.incarnation + 1 }
      if (isSameStart && report.sequence <= record.sequence) return { epoch, refused: [] }
      // What an earlier start of it had told may be over: it has to tell all.
      if (!isSameStart) record.wantsPresence = true
      record.incarnation = report.incarnation
      record.start = report.start
      record.sequence = report.sequence
      if (report.isComplete) record.wantsPresence = false
      record.reply = { epoch, refused: applyReport(turn, report) }
      return record.reply
    },

    count(elapsedMs) {
      let heard = 0
      for (const { heardAtMs } of gateways.values()) if (elapsedMs - heardAtMs < GATEWAY_SILENCE_MS) heard++
      return heard
    },

    giveUpSilent(turn, elapsedMs) {
      if (!hasInherited) inherit(turn)
      hasInherited = true
      for (const [gatewayId, record] of gateways) {
        if (elapsedMs - record.heardAtMs < GATEWAY_SILENCE_MS) continue
        record.wantsPresence = true
        suspectNodesOf(turn, gatewayId)
      }
    },
  }
}

function applyReport(turn: Turn, report: PresenceReport): PresenceReply['refused'] {
  const refused: PresenceReply['refused'] = []
  for (const { nodeId, session, status, reason } of report.nodes) {
    if (status === 'online') {
      const { gatewayId } = report
      const refusal = turn.fleet({ kind: 'come_online', nodeId, gatewayId, session, nowMs: turn.nowMs })
      if (refusal) {
        const newest = turn.state.fleet.nodes.get(nodeId)?.session ?? 0
        refused.push({ nodeId, session, sessionMin: newest + 1 })
      }
      continue
    }
    // An agent that starts again may use a number again: only the gateway where the node is knows that it left.
    if (turn.state.fleet.nodes.get(nodeId)?.gatewayId !== report.gatewayId) continue
    // Stale or repeated news is refused by the decider, and that is all there is to it.
    const absence = { nodeId, session, reason: reason ?? 'silent', nowMs: turn.nowMs } as const
    turn.fleet(
      status === 'gone' && reason === 'left' ? { kind: 'lose', ...absence } : { kind: 'suspect', ...absence },
    )
  }
  if (report.isComplete) suspectUnreported(turn, report)
  return refused
}

function suspectUnreported(turn: Turn, report: PresenceReport): void {
  const reported = new Set(report.nodes.map((node) => node.nodeId))
  for (const node of turn.state.fleet.nodes.values()) {
    if (node.gatewayId !== report.gatewayId || node.presence !== 'online' || reported.has(node.id)) continue
    const { id: nodeId, session } = node
    turn.fleet({ kind: 'suspect', nodeId, session, reason: 'gateway_lost', nowMs: turn.nowMs })
  }
}

function suspectNodesOf(turn: Turn, gatewayId: string): void {
  for (const node of turn.state.fleet.nodes.values()) {
    if (node.gatewayId !== gatewayId || node.presence !== 'online') continue
    const { id: nodeId, session } = node
    turn.fleet({ kind: 'suspect', nodeId, session, reason: 'gateway_lost', nowMs: turn.nowMs })
  }
}

/** Ends the grace of suspects and the life of holds and tokens: every second, so it asks only about what is over. */
export function keepHouse(turn: Turn, { mayExpireHolds }: { mayExpireHolds: boolean }): void {
  const { nowMs, state } = turn
  for (const node of state.fleet.nodes.values()) {
    if (node.presence !== 'suspect') continue
    turn.fleet({
      kind: 'lose',
      nodeId: node.id,
      session: node.session,
      reason: node.lossReason ?? 'silent',
      nowMs,
    })
  }
  for (const token of state.fleet.tokens.values()) expireToken(turn, token)
  for (const key of state.organisations.keys.values()) expireKey(turn, key)
  if (!mayExpireHolds) return
  keepJobHolds(turn)
  for (const { id: holdId, expiresAtMs } of state.ledger.holds.values()) {
    if (nowMs >= expiresAtMs + HOLD_EXPIRY_GRACE_MS) turn.ledger({ kind: 'expire_hold', holdId, nowMs })
  }
}

/** Ends the memory of old transfers, payouts and keys. It walks all of them, so it is no work for every second. */
export function forgetOld(turn: Turn): void {
  freeExpiredAnswers(turn)
  endSuspensions(turn)
  turn.ledger({ kind: 'forget_transfers', nowMs: turn.nowMs })
  turn.ledger({ kind: 'forget_payouts', nowMs: turn.nowMs })
  turn.organisations({ kind: 'forget_keys', nowMs: turn.nowMs })
  turn.record(decideForgetChains(turn.state.receipts, turn.nowMs))
}

/** A key opens nothing from its expiry on; this only notes it, so that it can be forgotten where keys are looked up. */
function expireKey(turn: Turn, key: ApiKey): void {
  if (key.expiresAtMs === null || turn.nowMs < key.expiresAtMs || !isOpen(key)) return
  turn.organisations({ kind: 'expire_key', keyId: key.id, nowMs: turn.nowMs })
}

function expireToken(turn: Turn, token: { hash: string; expiresAtMs: TimestampMs }): void {
  if (turn.nowMs >= token.expiresAtMs) {
    turn.fleet({ kind: 'expire_token', tokenHash: token.hash, nowMs: turn.nowMs })
  }
}
