/** One agent's connection as the gateway sees it: proves the node's key, carries streams, watches for silence. */
import { tokenPrice } from '#fleet/token-price.ts'
import type { Clock, Link, Log } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { TokenPrice } from '#ledger/price.ts'
import { NodeReport } from '#protocol/agent-link.ts'
import type { ModelCapability } from '#protocol/capability.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
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
import { Problem } from '#protocol/problem.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { batchOffers } from './batches/batch-offers.ts'
import { isMalformed, NodeStreams, type StreamSink } from './node-streams.ts'
import type { StreamEvidence } from './receipts/node-chain.ts'

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
/** The vectors of so many texts fit in one frame, of 10,000 numbers each. */
const WHOLE_INPUTS_MAX = 32

const nodeReport = quickReader(NodeReport)
const hostedModels = quickReader(HostedModels)

export function createNodeConnection(parts: NodeConnectionParts): NodeConnection {
  const { clock, log, link, nodeId, session } = parts
  const streams = new NodeStreams(parts)
  const offered = new Set<string>()
  let streamNext = 1
  /** `asked` follows from the report alone; which of it may be used, and at what price, changes. */
  let reported: { readonly report: NodeReport; readonly asked: readonly Offer[] } | null = null
  let withdrawn: ReadonlySet<string> = new Set()
  let isClosed = false

  function failAll(reason: string): void {
    isClosed = true
    streams.failAll(hasLeft(reason))
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
      case FrameType.started:
      case FrameType.detail:
      case FrameType.data:
      case FrameType.embedding:
        return streams.take(frame.type, frame)
      case FrameType.end:
      case FrameType.problem:
        streams.finish(frame.type, frame)
        return parts.onAvailable()
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
      const takesParts = request.kind === 'embedding' && request.inputs.length > WHOLE_INPUTS_MAX
      const told: EngineRequest = takesParts ? { ...request, takesParts } : request
      // First of all: what cannot be sent leaves no stream behind.
      const sent = parts.evidence?.(stream, told)
      const message = sent?.message ?? encodeJsonFrame(FrameType.request, stream, told)
      streams.open(stream, request, sink)
      link.send(message)
      return {
        ...(sent?.evidence && { evidence: sent.evidence }),
        cancel: () =>
          streams.close(stream) && !isClosed && link.send(encodeEmptyFrame(FrameType.cancel, stream)),
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
        if (!isMalformed(error)) throw error
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
