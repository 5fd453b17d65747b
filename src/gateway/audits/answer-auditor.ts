/**
 * Looks at answers of nodes. Which ones, is drawn in secret before the node is asked, and nothing of the request tells: log
 * probabilities are asked of a share of all requests, looked at or not, and callers ask for them, too. Once an answer
 * was delivered, a node of another owner says how likely it finds it; where that does not fit, a further owner's is asked. What
 * came of it goes to the coordinator, which alone draws conclusions.
 */
import type { Clock, Crypto, Secrets } from '#host/host.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { Random } from '#kernel/random.ts'
import type { AnswerNews, AnswerOpinion, AnswerTest } from '#protocol/answer-audit.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { SlaClass } from '#protocol/sla.ts'
import { OPINIONS_MAX, type WeighedOpinion, weighOpinions } from '#verify/answer-rules.ts'
import type { Directory } from '../directory.ts'
import type { NodeConnection, Offer } from '../node-connection.ts'
import type { Preferences } from '../preferences.ts'
import { askAuditor } from './ask-auditor.ts'
import type { AttemptAudit, Audited, Said } from './audited.ts'
import { type Answered, AuditedAnswer } from './audited-answer.ts'
import { AuditedVectors } from './audited-vectors.ts'
import { chooseAuditor } from './choose-auditor.ts'
import { crowdedOut } from './crowded-out.ts'
import { type AnswerFacts, seenFaults } from './seen-faults.ts'
import { createSilences } from './silences.ts'

export interface AnswerAuditor {
  /** How the node is to be asked: what is to be sent, and where its answer is kept if it is to be looked at. */
  prepare: PrepareAnswer
  /** Answers that are being looked at, or wait for it. */
  open(): number
  close(): void
}

export type PrepareAnswer = (request: EngineRequest, of: AnswerOf) => PreparedAnswer

export interface AnswerOf {
  readonly nodeId: string
  readonly offer: Offer
  readonly organisationId: string
  /** What it was promised. */
  readonly slaClass?: SlaClass | undefined
  readonly preferences: Preferences | undefined
  /** What its prompt can have. */
  readonly promptTokensMax: number
  /** To the network, as the node measured it. */
  readonly roundTripMs: number
  /** The network's own request, which is looked at in any case. */
  readonly isCanary: boolean
}

export interface PreparedAnswer {
  readonly request: EngineRequest
  readonly audit: AttemptAudit | null
}

interface FinishedAnswer extends AnswerOf {
  readonly kept: Audited
  /** `null` where its node did not come to an end. */
  readonly finishReason: 'stop' | 'length' | null
  readonly cost: NanoUsd
}

export interface AnswerAuditorParts {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly random: Random
  readonly secrets: Secrets
  readonly directory: Directory
  readonly nodes: () => Iterable<NodeConnection>
  readonly tell: (news: AnswerNews) => void
  /** Of an answer in words it is known whether anybody looked at it. */
  readonly onAnswer: (nodeId: string, wasLookedAt: boolean) => void
}

/** One request in so many asks for log probabilities that are for nobody but us. */
const CLAIMS_ONE_IN = 4
/** Answers that wait for an auditor, or are with one: then the oldest of the model with most of them counts as if nobody had been there. */
const OPEN_MAX = 256
/** At once, so that audits never take the nodes from callers. */
const RUNNING_MAX = 16
/** Without an independent node for so long, an answer is not looked at. */
const NOBODY_MS = 60_000
const RETRY_MS = 5_000
const TOKENS_SPARE = 64

interface Case {
  readonly audit: FinishedAnswer
  readonly test: AnswerTest
  readonly sinceMs: number
  readonly opinions: (AnswerOpinion & WeighedOpinion)[]
  readonly said: Said[]
  /** Organisations that were asked. */
  readonly asked: Set<string>
}

export function createAnswerAuditor(parts: AnswerAuditorParts): AnswerAuditor {
  const { clock, crypto, random, secrets, directory } = parts
  const waiting: Case[] = []
  const running = new Map<Case, { cancel(): void }>()
  const silences = createSilences(clock)
  let isRetrying = false
  let isClosed = false

  /** Below `bound`, unforeseeable. */
  const draw = (bound: number): number => {
    const [a = 0, b = 0, c = 0, d = 0] = secrets.randomBytes(4)
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % bound
  }

  function prepare(request: EngineRequest, of: AnswerOf): PreparedAnswer {
    const plain = { request, audit: null }
    const known = directory.node(of.nodeId)
    const rateBps = of.isCanary ? 10_000 : (known?.auditBps ?? 0)
    if (rateBps === 0 || !known || known.organisationId === of.organisationId) return plain
    const isDue = draw(10_000) < rateBps && of.preferences?.refusesAudits !== true
    if (request.kind === 'embedding') {
      const audit = isDue ? auditOfVectors(new AuditedVectors(request, draw), of) : null
      return { request, audit }
    }
    const canClaim =
      request.topLogprobs === undefined && of.offer.model.features?.includes('logprobs') === true
    const isAskedSecretly = draw(CLAIMS_ONE_IN) === 0 && canClaim
    const asked: Answered = isAskedSecretly ? { ...request, topLogprobs: 0 } : request
    const kept = isDue ? new AuditedAnswer(asked, of.promptTokensMax) : null
    return {
      request: asked,
      audit: {
        hidesLogprobs: isAskedSecretly,
        add: (data) => kept?.add(data),
        addVectors: () => undefined,
        over(facts, cost) {
          seen(asked, facts, of)
          if (kept) look({ ...of, kept, finishReason: facts.finishReason, cost })
          else parts.onAnswer(of.nodeId, false)
        },
      },
    }
  }

  const auditOfVectors = (kept: AuditedVectors, of: AnswerOf): AttemptAudit => ({
    hidesLogprobs: false,
    add: () => undefined,
    addVectors: (vectors) => kept.add(vectors),
    over: ({ finishReason }, cost) => look({ ...of, kept, finishReason, cost }),
  })

  function seen(
    request: Answered,
    facts: Omit<AnswerFacts, 'request'>,
    { nodeId, offer, roundTripMs }: AnswerOf,
  ): void {
    const { decodeTokensPerSecondSingle: tokensPerSecond, contextTokens } = offer.model
    for (const fault of seenFaults({ ...facts, request }, { tokensPerSecond, contextTokens, roundTripMs })) {
      const { requestId, model } = request
      parts.tell({ kind: 'finding', auditId: `${requestId}:${nodeId}`, nodeId, model, ...fault })
    }
  }

  function look(audit: FinishedAnswer): void {
    if (isClosed) return
    const { kept } = audit
    if (kept.isEmpty || !kept.test) return noteLook(audit, false)
    const sinceMs = clock.elapsedMs()
    waiting.push({ audit, test: kept.test, sinceMs, opinions: [], said: [], asked: new Set() })
    if (waiting.length + running.size > OPEN_MAX) {
      const out = crowdedOut(waiting, ({ audit: of }) => of.kept.request.model)
      if (out) tell(out)
    }
    pump()
  }

  /** Of embeddings no canary is asked, whoever looked. */
  function noteLook({ nodeId, kept }: FinishedAnswer, wasLookedAt: boolean): void {
    if (kept.request.kind !== 'embedding') parts.onAnswer(nodeId, wasLookedAt)
  }

  function pump(): void {
    for (let left = waiting.length; left > 0 && running.size < RUNNING_MAX && !isClosed; left--) {
      const next = waiting.shift()
      if (next) ask(next)
    }
    if (waiting.length > 0 && !isRetrying) {
      isRetrying = true
      clock.after(RETRY_MS, () => {
        isRetrying = false
        pump()
      })
    }
  }

  function ask(open: Case): void {
    const { audit } = open
    const owner = directory.node(audit.nodeId)?.organisationId
    const { kept, offer, preferences, finishReason } = audit
    const question = kept.question(`req_${hex(secrets.randomBytes(12))}`, finishReason)
    const notOf = new Set([...open.asked, ...(owner === undefined ? [] : [owner])])
    const auditor = chooseAuditor(
      {
        model: kept.request.model,
        fingerprint: offer.model.fingerprint,
        preferences,
        notOf,
        contextTokens: Math.min(offer.model.contextTokens, question.tokensMax + TOKENS_SPARE),
        kind: question.request.kind === 'embedding' ? 'embedding' : 'score',
      },
      { nodes: [...parts.nodes()].filter(({ nodeId }) => !silences.isResting(nodeId)), directory, random },
    )
    if (!auditor) {
      if (clock.elapsedMs() - open.sinceMs >= NOBODY_MS) tell(open)
      else waiting.push(open)
      return
    }
    open.asked.add(auditor.organisationId)
    const work = askAuditor(clock, { node: auditor.node, question }, (said) => {
      running.delete(open)
      silences.note(auditor.node.nodeId, said !== null)
      if (said) {
        const { organisationId, isReference, isSameFile } = auditor
        const { nodeId } = auditor.node
        const { price } = auditor.offer
        const pay = (price.promptPerMillion * BigInt(said.readTokens)) / 1_000_000n
        open.opinions.push({
          nodeId,
          ...kept.judge(said, isSameFile),
          readTokens: said.readTokens,
          pay,
          organisationId,
          isReference,
        })
        open.said.push(said)
      }
      settle(open)
      pump()
    })
    running.set(open, work)
  }

  /** Either the opinions settle it, or one more owner is asked. */
  function settle(open: Case): void {
    const { isOpen } = weighOpinions(open.opinions)
    if (isOpen && open.asked.size < OPINIONS_MAX) waiting.push(open)
    else tell(open)
  }

  function tell({ audit, test, opinions, said }: Case): void {
    const { kept, nodeId, organisationId, slaClass, cost, isCanary } = audit
    const { requestId, model } = kept.request
    noteLook(audit, opinions.length > 0)
    const seen = JSON.stringify([requestId, ...kept.facts(), said])
    parts.tell({
      kind: 'check',
      // A node may go on with what it began itself, after its engine came back.
      auditId: `${requestId}:${nodeId}:${begunBefore(kept.request)}`,
      nodeId,
      model,
      test,
      organisationId,
      cost,
      ...(slaClass !== undefined && { slaClass }),
      isCanary,
      opinions: opinions.map(({ organisationId: _owner, isReference: _is, ...opinion }) => opinion),
      evidenceHash: hex(crypto.sha256(seen)),
    })
  }

  return {
    prepare,
    open: () => waiting.length + running.size,
    close() {
      isClosed = true
      for (const { cancel } of running.values()) cancel()
      running.clear()
      waiting.length = 0
    },
  }
}

const begunBefore = (request: EngineRequest): number =>
  request.kind === 'embedding' ? 0 : (request.resumedIds?.length ?? 0)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
