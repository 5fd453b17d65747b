/** The requests that one node works on: what its frames say of each goes to whoever asked it. */
import { z } from 'zod'
import type { Link, Log } from '#host/host.ts'
import { EmbeddingVectors, Started, StreamEnd, StreamProblem } from '#protocol/agent-link.ts'
import { DeltaDetail } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  type DataPayload,
  decodeData,
  decodeJson,
  encodeEmptyFrame,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import { Problem, type ProblemCode, problemKinds } from '#protocol/problem.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { VectorParts } from './vector-parts.ts'

/** What a node's stream tells. After `onEnd` or `onProblem` nothing more comes. */
export interface StreamSink {
  onStarted(promptTokens: number, cachedPromptTokens?: number): void
  onData(data: DataPayload): void
  onEmbedding(vectors: readonly (readonly number[])[]): void
  onEnd(end: StreamEnd): void
  /** `isNodeFault`: another node may do better; otherwise the request itself is at fault. */
  onProblem(problem: Problem, isNodeFault: boolean): void
}

interface OpenStream {
  readonly sink: StreamSink
  /** Of a request for embeddings. */
  readonly parts: VectorParts | null
}

const started = quickReader(Started)
const deltaDetail = quickReader(DeltaDetail)
const streamEnd = quickReader(StreamEnd)

/** Problems that say something about the request, not about the node: no other node would answer otherwise. */
const callersFault = new Set<ProblemCode>([
  'invalid_request',
  'context_length_exceeded',
  'unsupported_parameter',
])

interface Parts {
  readonly log: Log
  readonly link: Link
  readonly nodeId: string
  /** A slot came free. */
  readonly onAvailable: () => void
}

export class NodeStreams {
  readonly #parts: Parts
  readonly #open = new Map<number, OpenStream>()
  /** Belongs to the data frame that comes next. */
  #pendingDetail: { stream: number; detail: DeltaDetail; detailBytes: number } | null = null

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#open.size
  }

  has(stream: number): boolean {
    return this.#open.has(stream)
  }

  open(stream: number, request: EngineRequest, sink: StreamSink): void {
    const parts = request.kind === 'embedding' ? new VectorParts(request.inputs.length) : null
    this.#open.set(stream, { sink, parts })
  }

  /** Nobody hears any more of it. False when it was over before. */
  close(stream: number): boolean {
    return this.#open.delete(stream)
  }

  failAll(problem: Problem): void {
    const open = [...this.#open.values()]
    this.#open.clear()
    for (const { sink } of open) sink.onProblem(problem, true)
  }

  /** Throws what a malformed frame is answered with. Frames of streams that are over are passed over. */
  take(type: 11 | 12 | 13 | 18, frame: Frame): void {
    switch (type) {
      case FrameType.started: {
        const { promptTokens, cachedPromptTokens } = started.parse(decodeJson(frame.payload))
        return this.#sinkOf(frame.stream)?.onStarted(promptTokens, cachedPromptTokens)
      }
      case FrameType.data:
        return this.#takeData(frame)
      case FrameType.embedding:
        return this.#takeVectors(frame)
      case FrameType.detail:
        return this.#takeDetail(frame)
    }
  }

  /** As `take`, of how it ended. */
  finish(type: 14 | 15, { stream, payload }: Frame): void {
    if (type === FrameType.end) {
      const end = streamEnd.parse(decodeJson(payload))
      return this.#remove(stream)?.onEnd(end)
    }
    const problem = readProblem(payload)
    this.#remove(stream)?.onProblem(problem, !callersFault.has(problem.code))
  }

  #takeData(frame: Frame): void {
    const data = decodeData(frame)
    const pending = this.#pendingDetail
    if (!pending) return this.#sinkOf(frame.stream)?.onData(data)
    const { stream, detail, detailBytes } = pending
    this.#pendingDetail = null
    if (stream !== frame.stream)
      throw new Problem('invalid_request', 'A detail frame has no data frame behind it.')
    this.#sinkOf(stream)?.onData({ ...data, detail, detailBytes })
  }

  #takeDetail({ stream, payload }: Frame): void {
    if (!this.#open.has(stream)) return
    const detail = readDetail(payload)
    if (detail) this.#pendingDetail = { stream, detail, detailBytes: payload.length }
    else this.#fail(stream, 'details that are none')
  }

  #takeVectors({ stream, payload }: Frame): void {
    const open = this.#open.get(stream)
    if (!open) return
    const said = EmbeddingVectors.parse(decodeJson(payload))
    if ('vectors' in said) return open.sink.onEmbedding(said.vectors)
    if (!open.parts) return this.#fail(stream, 'embeddings in answer to a request for text')
    const vectors = open.parts.take(said.packed)
    if (typeof vectors === 'string') return this.#fail(stream, vectors)
    if (vectors) open.sink.onEmbedding(vectors)
  }

  /** What is wrong with one answer costs the node that answer, and nobody else theirs. */
  #fail(stream: number, what: string): void {
    const { log, link, nodeId, onAvailable } = this.#parts
    log.warn('node.answer_malformed', { nodeId, stream, what })
    link.send(encodeEmptyFrame(FrameType.cancel, stream))
    const problem = new Problem('node_failed', `The node sent ${what}.`, { details: { how: 'wrong' } })
    this.#remove(stream)?.onProblem(problem, true)
    onAvailable()
  }

  #sinkOf(stream: number): StreamSink | undefined {
    return this.#open.get(stream)?.sink
  }

  #remove(stream: number): StreamSink | undefined {
    const sink = this.#sinkOf(stream)
    this.#open.delete(stream)
    return sink
  }
}

/** Sent by a node, and nothing that this gateway reads. */
export const isMalformed = (error: unknown): boolean =>
  error instanceof Problem || error instanceof z.ZodError

/** `null` for what is none. */
function readDetail(payload: Uint8Array): DeltaDetail | null {
  try {
    return deltaDetail.parse(decodeJson(payload))
  } catch (error) {
    if (!isMalformed(error)) throw error
    return null
  }
}

function readProblem(payload: Uint8Array): Problem {
  const { code, message, param, reason } = StreamProblem.parse(decodeJson(payload))
  const known = Object.hasOwn(problemKinds, code) ? (code as ProblemCode) : 'node_failed'
  return new Problem(known, message, {
    details: { ...(param !== undefined && { param }), ...(reason !== undefined && { code: reason }) },
  })
}
