/** One agent's connection as the gateway sees it: proves the node's key, carries streams, watches for silence. */
import { z } from 'zod'
import { tokenPrice } from '#fleet/token-price.ts'
import type { Clock, Link, Log } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { TokenPrice } from '#ledger/price.ts'
import { EmbeddingVectors, NodeReport, Started, StreamEnd, StreamProblem } from '#protocol/agent-link.ts'
import type { ModelCapability } from '#protocol/capability.ts'
import { DeltaDetail } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  type DataPayload,
  decodeData,
  decodeFrames,
  decodeHeartbeat,
  decodeJson,
  encodeCreditFrame,
  encodeEmptyFrame,
  encodeJsonFrame,
  type Frame,
  FrameType,
  isHeartbeat,
} from '#protocol/frame.ts'
import { type HostedModel, HostedModels } from '#protocol/model-catalogue.ts'
import type { Region } from '#protocol/node-class.ts'
import { Problem, type ProblemCode, problemKinds } from '#protocol/problem.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { batchOffers } from './batches/batch-offers.ts'
import type { StreamEvidence } from './receipts/node-chain.ts'

/** What a node's stream tells. After `onEnd` or `onProblem` nothing more comes. */
export interface StreamSink {
  onStarted(promptTokens: number, cachedPromptTokens?: number): void
  onData(data: DataPayload): void
  onEmbedding(vectors: readonly (readonly number[])[]): void
  onEnd(end: StreamEnd): void
  /** `isNodeFault`: another node may do better; otherwise the request itself is at fault. */
  onProblem(problem: Problem, isNodeFault: boolean): void
}
export interface NodeStream {
  cancel(): void
  credit(bytes: number): void
  /** What its node will sign for it; absent where it signs nothing. */
  readonly evidence?: StreamEvidence
}

/** A model on this node, ready to be chosen. */
export interface Offer {
  readonly model: ModelCapability
  readonly price: TokenPrice
}

export interface NodeConnection {
  readonly nodeId: string
  readonly session: number
  /** Of the agent protocol, as agreed on. */
  readonly protocol: number
  status: 'online' | 'suspect'
  /** The agent said that it takes no new work. */
  isDraining: boolean
  lastHeardMs: number
  offers: ReadonlyMap<string, Offer>
  /** The same at its price for work of batches; empty where it takes none. */
  batchOffers: ReadonlyMap<string, Offer>
  /** As its owner states it; `null` when unsaid. */
  region: Region | null
  keepsNoPrompts: boolean
  /** It gets only what no other node can take. */
  isBackstop: boolean
  /** Of its program, as it says. */
  agentVersion: string
  /** It says that something is wrong with its devices. */
  isSick: boolean
  /** Nothing was heard of it though something was due; until it is heard again. */
  isQuiet: boolean
  /** As the agent measured it when it joined; 0 when it did not. */
  roundTripMs: number
  /** What it said last of models that the network placed on it. */
  hosted: readonly HostedModel[]
  /** Looks again at which of its offers may be used, and at what price. */
  reoffer(): void
  send(message: Uint8Array): void
  /** The network took these models from it: `hasOffered` does not count them. */
  withdraw(models: ReadonlySet<string>): void
  /** It offered the model since it connected, though perhaps not at this moment: its engine may be starting again. */
  hasOffered(model: string): boolean
  outstanding(): number
  open(request: EngineRequest, sink: StreamSink): NodeStream
  /** Takes a message of an admitted node. */
  receive(message: Uint8Array): void
  /** Fails every stream and closes the link. */
  close(code: number, reason: string): void
  /** The link is gone: fails every stream. */
  lost(reason: string): void
}

/** A request as it is sent, and what its node will sign for it. */
export interface SentRequest {
  readonly message: Uint8Array
  readonly evidence: StreamEvidence | null
}

export interface NodeConnectionParts {
  readonly clock: Clock
  readonly log: Log
  readonly link: Link
  readonly nodeId: string
  readonly session: number
  /** Of the agent protocol, as agreed on; the first unless given. */
  readonly protocol?: number
  /** At what price its offer of a model may be used; null when it may not. As asked unless given. */
  readonly quote?: (model: string, asked: TokenPrice) => TokenPrice | null
  readonly onReport: (report: NodeReport) => void
  /** What it says of its tasks, unchecked: throws what a malformed frame is answered with. Not heard unless given. */
  readonly onWork?: (payload: Uint8Array) => void
  /** What it says of its hardware, as `onWork`. */
  readonly onProve?: (payload: Uint8Array) => void
  /** What it says of its devices, as `onWork`. */
  readonly onHealth?: (payload: Uint8Array) => void
  /** What it says of its receipts, unchecked, as `onWork`. */
  readonly onReceipts?: (payload: Uint8Array) => void
  /** Of a stream that is about to be opened: what its node will sign for it. */
  readonly evidence?: (stream: number, request: EngineRequest) => SentRequest
  /** A slot or a model came free, or the node takes work again. */
  readonly onAvailable: () => void
  /** It sent what is no frame: whoever knows this connection forgets it, then closes it. */
  readonly onMalformed: () => void
}

const NAMES_MAX = 1_000

const nodeReport = quickReader(NodeReport)
const hostedModels = quickReader(HostedModels)
const started = quickReader(Started)
const deltaDetail = quickReader(DeltaDetail)
const streamEnd = quickReader(StreamEnd)

/** Problems that say something about the request, not about the node: no other node would answer otherwise. */
const callersFault = new Set<ProblemCode>([
  'invalid_request',
  'context_length_exceeded',
  'unsupported_parameter',
])

export function createNodeConnection(parts: NodeConnectionParts): NodeConnection {
  const { clock, log, link, nodeId, session } = parts
  const streams = new Map<number, StreamSink>()
  const offered = new Set<string>()
  let streamNext = 1
  /** Belongs to the data frame that comes next. */
  let pendingDetail: { stream: number; detail: DeltaDetail; detailBytes: number } | null = null
  /** `asked` follows from the report alone; which of it may be used, and at what price, changes. */
  let reported: { readonly report: NodeReport; readonly asked: readonly Offer[] } | null = null
  let withdrawn: ReadonlySet<string> = new Set()
  let isClosed = false

  function finish(stream: number): StreamSink | undefined {
    const sink = streams.get(stream)
    streams.delete(stream)
    return sink
  }

  function failAll(reason: string): void {
    isClosed = true
    const open = [...streams.values()]
    streams.clear()
    for (const sink of open) sink.onProblem(hasLeft(reason), true)
  }

  function onFrame(frame: Frame): void {
    switch (frame.type) {
      case FrameType.heartbeat:
        decodeHeartbeat(frame.payload)
        return
      case FrameType.capability:
        return takeReport(nodeReport.parse(decodeJson(frame.payload)))
      case FrameType.hostedModels:
        connection.hosted = hostedModels.parse(decodeJson(frame.payload)).models
        return
      case FrameType.drain:
        connection.isDraining = true
        return
      case FrameType.resume:
        connection.isDraining = false
        return parts.onAvailable()
      case FrameType.work:
      case FrameType.receipts:
      case FrameType.prove:
      case FrameType.health:
        return besideRequests(parts, frame.type)?.(frame.payload)
      case FrameType.started: {
        const { promptTokens, cachedPromptTokens } = started.parse(decodeJson(frame.payload))
        return streams.get(frame.stream)?.onStarted(promptTokens, cachedPromptTokens)
      }
      case FrameType.detail: {
        const detail = deltaDetail.parse(decodeJson(frame.payload))
        pendingDetail = { stream: frame.stream, detail, detailBytes: frame.payload.length }
        return
      }
      case FrameType.data: {
        const data = decodeData(frame)
        if (!pendingDetail) return streams.get(frame.stream)?.onData(data)
        const { stream, detail, detailBytes } = pendingDetail
        pendingDetail = null
        if (stream !== frame.stream)
          throw new Problem('invalid_request', 'A detail frame has no data frame behind it.')
        return streams.get(stream)?.onData({ ...data, detail, detailBytes })
      }
      case FrameType.embedding:
        return streams
          .get(frame.stream)
          ?.onEmbedding(EmbeddingVectors.parse(decodeJson(frame.payload)).vectors)
      case FrameType.end: {
        const end = streamEnd.parse(decodeJson(frame.payload))
        finish(frame.stream)?.onEnd(end)
        return parts.onAvailable()
      }
      case FrameType.problem: {
        const problem = readProblem(frame.payload)
        finish(frame.stream)?.onProblem(problem, !callersFault.has(problem.code))
        return parts.onAvailable()
      }
      default:
        throw notOfAgents(frame.type)
    }
  }

  function setOffers(offers: ReadonlyMap<string, Offer>, { capability }: NodeReport): void {
    connection.offers = offers
    connection.batchOffers = batchOffers(offers, capability.batchDiscountBps ?? null)
  }

  function takeReport(report: NodeReport): void {
    const { capability } = report
    connection.region = capability.region ?? null
    connection.keepsNoPrompts = capability.keepsNoPrompts === true
    connection.isBackstop = capability.backstop !== undefined
    connection.agentVersion = capability.agentVersion
    connection.roundTripMs = capability.network?.roundTripMs ?? 0
    reported = { report, asked: askedIn(report) }
    setOffers(offersIn(parts, reported.asked), report)
    // Names beyond this many are a node's nonsense.
    if (offered.size < NAMES_MAX) for (const model of connection.offers.keys()) offered.add(model)
    parts.onReport(report)
    parts.onAvailable()
  }

  const connection: NodeConnection = {
    nodeId,
    session,
    status: 'online',
    isDraining: false,
    lastHeardMs: clock.elapsedMs(),
    offers: new Map(),
    batchOffers: new Map(),
    region: null,
    keepsNoPrompts: false,
    isBackstop: false,
    agentVersion: '',
    isSick: false,
    isQuiet: false,
    roundTripMs: 0,
    protocol: parts.protocol ?? 1,
    hosted: [],
    reoffer() {
      if (!reported || !parts.quote) return
      const offers = offersIn(parts, reported.asked)
      if (!areSame(offers, connection.offers)) setOffers(offers, reported.report)
    },
    send(message) {
      if (!isClosed) link.send(message)
    },
    withdraw(models) {
      withdrawn = models
    },
    hasOffered: (model) => offered.has(model) && !withdrawn.has(model),
    outstanding: () => streams.size,
    open(request, sink) {
      assert(!isClosed, 'a closed connection is no candidate')
      const stream = streamNext++
      streams.set(stream, sink)
      const sent = parts.evidence?.(stream, request)
      link.send(sent?.message ?? encodeJsonFrame(FrameType.request, stream, request))
      return {
        ...(sent?.evidence && { evidence: sent.evidence }),
        cancel: () =>
          streams.delete(stream) && !isClosed && link.send(encodeEmptyFrame(FrameType.cancel, stream)),
        credit: (bytes) => streams.has(stream) && link.send(encodeCreditFrame(stream, bytes)),
      }
    },
    receive(message) {
      if (isClosed) return
      connection.lastHeardMs = clock.elapsedMs()
      connection.isQuiet = false
      if (isHeartbeat(message)) return
      try {
        for (const frame of decodeFrames(message)) onFrame(frame)
      } catch (error) {
        // Whatever a node sends is hostile input: a malformed frame costs it the connection, nobody else anything.
        if (!(error instanceof Problem || error instanceof z.ZodError)) throw error
        log.warn('node.frame_malformed', {
          nodeId,
          message: error instanceof Error ? error.message : String(error),
        })
        parts.onMalformed()
      }
    },
    close(code, reason) {
      if (isClosed) return
      failAll(reason)
      link.close(code, reason)
    },
    lost(reason) {
      if (!isClosed) failAll(reason)
    },
  }
  return connection
}

const askedIn = ({ capability, askPerGpuHour }: NodeReport): Offer[] =>
  capability.models.map((model) => ({ model, price: tokenPrice(capability, model, askPerGpuHour) }))

function offersIn(
  { quote }: Pick<NodeConnectionParts, 'quote'>,
  asked: readonly Offer[],
): Map<string, Offer> {
  const offers = new Map<string, Offer>()
  for (const offer of asked) {
    const { model } = offer
    const price = quote ? quote(model.id, offer.price) : offer.price
    if (price) offers.set(model.id, price === offer.price ? offer : { model, price })
  }
  return offers
}

/** Who hears what a node says beside its requests: unchecked, as it came. */
function besideRequests(
  { onWork, onReceipts, onProve, onHealth }: NodeConnectionParts,
  type: 21 | 22 | 23 | 24,
): ((payload: Uint8Array) => void) | undefined {
  switch (type) {
    case FrameType.work:
      return onWork
    case FrameType.receipts:
      return onReceipts
    case FrameType.prove:
      return onProve
    case FrameType.health:
      return onHealth
  }
}

const notOfAgents = (type: number): Problem =>
  new Problem('invalid_request', `An agent sent a frame of type ${type}, which agents do not send.`)

const hasLeft = (reason: string): Problem =>
  new Problem('node_failed', `The node left: ${reason}.`, { details: { how: 'lost' } })

function areSame(a: ReadonlyMap<string, Offer>, b: ReadonlyMap<string, Offer>): boolean {
  if (a.size !== b.size) return false
  for (const [id, { price }] of a) {
    const other = b.get(id)?.price
    if (other === price) continue
    const isSame =
      other?.promptPerMillion === price.promptPerMillion &&
      other.cachedPerMillion === price.cachedPerMillion &&
      other.completionPerMillion === price.completionPerMillion
    if (!isSame) return false
  }
  return true
}

function readProblem(payload: Uint8Array): Problem {
  const { code, message, param, reason } = StreamProblem.parse(decodeJson(payload))
  const known = Object.hasOwn(problemKinds, code) ? (code as ProblemCode) : 'node_failed'
  return new Problem(known, message, {
    details: { ...(param !== undefined && { param }), ...(reason !== undefined && { code: reason }) },
  })
}
