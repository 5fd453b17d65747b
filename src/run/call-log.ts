/**
 * The access log's view of calls: one entry for each, once its answer has left and all of its requests have ended. A
 * request that came by no call, as of a batch, has an entry of its own.
 */

import { costOf } from '#ledger/price.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import type { CallObserver } from './call-observers.ts'

/** Flat, as it is written. Amounts are billionths of a US dollar, as decimal text. */
export interface CallEntry {
  readonly event: 'call'
  readonly time: string
  readonly requestId: string
  readonly traceId?: string
  /** Null where it came by no call. */
  readonly method: string | null
  readonly path: string | null
  readonly status: number | null
  /** Why it was refused or failed. */
  readonly code: string | null
  readonly organisationId: string | null
  readonly keyId: string | null
  readonly model: string | null
  /** Which delivered the last token. */
  readonly nodeId: string | null
  /** `refused`: it never became a request. */
  readonly outcome: 'completed' | 'cancelled' | 'failed' | 'refused' | 'answered'
  readonly firstTokenMs: number | null
  readonly totalMs: number
  readonly waitedMs: number | null
  readonly promptTokens: number
  readonly completionTokens: number
  readonly costNanoUsd: string
  readonly attempts: number
  readonly failovers: number
  readonly isHedged: boolean
  /** Of the answer's body. */
  readonly bytes: number
  /** The prompts as JSON; only where they are asked for. */
  readonly prompt?: string
}

export interface CallLogOptions {
  /** Writes prompts, too. */
  readonly hasPrompts: boolean
  nowMs(): number
  elapsedMs(): number
  /** Of a call's trace, where it has one that is recorded. */
  traceIdOf?(requestId: string): string | undefined
  write(entry: CallEntry): void
}

interface OpenCall {
  readonly requestId: string
  readonly startedAtMs: number
  readonly startedMs: number
  readonly method: string | null
  readonly path: string | null
  readonly prompts: string[]
  /** Ids of its requests: by the first it is known anyway. */
  readonly requestIds: string[]
  traceId: string | undefined
  status: number | null
  code: string | null
  organisationId: string | null
  keyId: string | null
  model: string | null
  nodeId: string | null
  outcome: CallEntry['outcome'] | null
  firstTokenMs: number | null
  waitedMs: number | null
  promptTokens: number
  completionTokens: number
  cost: bigint
  attempts: number
  failovers: number
  isHedged: boolean
  bytes: number
  openRequests: number
  /** Another worker has the line of it. */
  isForwarded: boolean
  isClosed: boolean
}

/** A prompt is cut here: a log line is no archive. */
const PROMPT_LENGTH_MAX = 32_768

export function createCallLog(options: CallLogOptions): CallObserver {
  const calls = new Map<string, OpenCall>()

  function open(
    requestId: string,
    facts: Partial<Pick<OpenCall, 'method' | 'path' | 'startedAtMs' | 'startedMs'>>,
  ) {
    const call: OpenCall = {
      requestId,
      startedAtMs: options.nowMs(),
      startedMs: options.elapsedMs(),
      method: null,
      path: null,
      prompts: [],
      requestIds: [requestId],
      traceId: undefined,
      status: null,
      code: null,
      organisationId: null,
      keyId: null,
      model: null,
      nodeId: null,
      outcome: null,
      firstTokenMs: null,
      waitedMs: null,
      promptTokens: 0,
      completionTokens: 0,
      cost: 0n,
      attempts: 0,
      failovers: 0,
      isHedged: false,
      bytes: 0,
      openRequests: 0,
      isForwarded: false,
      isClosed: false,
      ...facts,
    }
    calls.set(requestId, call)
    return call
  }

  function finishWhenOver(call: OpenCall): void {
    if (!call.isClosed || call.openRequests > 0) return
    for (const requestId of call.requestIds) calls.delete(requestId)
    if (!call.isForwarded) options.write(entryOf(call, options.elapsedMs() - call.startedMs))
  }

  return {
    onCall({ requestId, method, path, startedAtMs, startedMs }) {
      open(requestId, { method, path, startedAtMs, startedMs })
    },
    onCaller(requestId, { keyId, organisationId }) {
      const call = calls.get(requestId)
      if (call) Object.assign(call, { keyId, organisationId })
    },
    onForwarded(requestId, isForwarded) {
      const call = calls.get(requestId)
      if (call) call.isForwarded = isForwarded
    },
    onRequest(requestId, engine) {
      const call = calls.get(requestId)
      if (!call) return
      call.model = engine.model
      call.traceId = options.traceIdOf?.(requestId)
      if (options.hasPrompts && call.prompts.length === 0) call.prompts.push(promptOf(engine))
      if (engine.requestId === requestId) return
      calls.set(engine.requestId, call)
      call.requestIds.push(engine.requestId)
    },
    onAnswer(requestId, { status, code }) {
      const call = calls.get(requestId)
      if (!call) return
      call.status = status
      call.code ??= code
    },
    onClosed(requestId, { bytes }) {
      const call = calls.get(requestId)
      if (!call) return
      call.bytes = bytes
      call.isClosed = true
      finishWhenOver(call)
    },
    telemetry: {
      onAdmitted({ requestId, organisationId, model }) {
        let call = calls.get(requestId)
        if (!call) {
          call = open(requestId, {})
          Object.assign(call, { organisationId, model, isClosed: true })
        }
        call.openRequests++
      },
      onAttempt({ requestId, nodeId, waitedMs }) {
        const call = calls.get(requestId)
        if (!call) return
        call.attempts++
        call.nodeId = nodeId
        call.waitedMs = (call.waitedMs ?? 0) + waitedMs
      },
      onFailover({ requestId }) {
        const call = calls.get(requestId)
        if (call) call.failovers++
      },
      onHedge({ requestId, result }) {
        const call = calls.get(requestId)
        if (!call || result !== 'started') return
        call.attempts++
        call.isHedged = true
      },
      onFailed({ requestId, code }) {
        const call = calls.get(requestId)
        if (call) call.code ??= code
      },
      onOutcome(record) {
        const call = calls.get(record.requestId)
        if (!call) return
        addOutcome(call, record)
        call.openRequests--
        finishWhenOver(call)
      },
    },
  }
}

function addOutcome(call: OpenCall, { keyId, outcome, parts, firstTokenMs }: UsageRecord): void {
  call.keyId = keyId
  // One choice that fails fails the whole answer.
  if (call.outcome === null || outcome !== 'completed') call.outcome = outcome
  if (firstTokenMs !== null) call.firstTokenMs = Math.min(firstTokenMs, call.firstTokenMs ?? firstTokenMs)
  call.nodeId = parts.at(-1)?.nodeId ?? call.nodeId
  for (const part of parts) {
    call.promptTokens += part.promptTokens
    call.completionTokens += part.completionTokens
    call.cost += costOf(part, part)
  }
}

function entryOf(call: OpenCall, totalMs: number): CallEntry {
  const { startedAtMs, requestId, traceId, status, cost, prompts } = call
  const isRefusal = status === null || status >= 400
  return {
    event: 'call',
    time: new Date(startedAtMs).toISOString(),
    requestId,
    ...(traceId !== undefined && { traceId }),
    method: call.method,
    path: call.path,
    status,
    code: call.code,
    organisationId: call.organisationId,
    keyId: call.keyId,
    model: call.model,
    nodeId: call.nodeId,
    outcome: call.outcome ?? (isRefusal ? 'refused' : 'answered'),
    firstTokenMs: call.firstTokenMs,
    totalMs: Math.round(totalMs),
    waitedMs: call.waitedMs === null ? null : Math.round(call.waitedMs),
    promptTokens: call.promptTokens,
    completionTokens: call.completionTokens,
    costNanoUsd: cost.toString(),
    attempts: call.attempts,
    failovers: call.failovers,
    isHedged: call.isHedged,
    bytes: call.bytes,
    ...(prompts.length > 0 && { prompt: prompts[0] }),
  }
}

function promptOf(engine: EngineRequest): string {
  const prompt =
    engine.kind === 'chat' ? engine.messages : engine.kind === 'completion' ? engine.prompt : engine.inputs
  return JSON.stringify(prompt).slice(0, PROMPT_LENGTH_MAX)
}
