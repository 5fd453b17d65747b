import type { ZodError } from 'zod'
import type { Engine, EngineRun } from '#engines/engine.ts'
import type { Link } from '#host/host.ts'
import { STREAM_CREDIT_BYTES } from '#protocol/agent-link.ts'
import { EngineRequest } from '#protocol/engine-request.ts'
import {
  decodeCredit,
  decodeJson,
  encodeDataFrame,
  encodeJsonFrame,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameType,
} from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import type { StreamWatch } from './receipts/receipt-link.ts'
import { vectorFrames } from './vector-frames.ts'

/** The requests of one connection: each a stream between the gateway and the engine. */
export interface AgentStreams {
  /** Takes a request, cancel or credit frame. */
  receive(frame: Frame): void
  count(): number
  /** Runs when the last stream has ended, at once if there is none. */
  onIdle(run: () => void): void
  /** The connection is gone, and with it everybody who waits for an answer: all engines stop. */
  close(): void
}

interface OpenStream {
  run: EngineRun | null
  /** Bytes of text that may still be sent before the gateway gives credit. */
  credit: number
  isPaused: boolean
}

/** What `StreamProblem` takes: a caller's own names may be in both. */
const MESSAGE_LENGTH_MAX = 2_000
const PARAM_LENGTH_MAX = 200

/** `watch` notes what is delivered, where that is signed for. */
export function createAgentStreams(
  engine: Engine,
  link: Link,
  watch: StreamWatch | null = null,
): AgentStreams {
  const streams = new Map<number, OpenStream>()
  let idleListener: (() => void) | null = null

  function end(stream: number): void {
    streams.delete(stream)
    if (streams.size === 0) idleListener?.()
  }

  function fail(stream: number, problem: Problem): void {
    const { code, message, details } = problem
    const { param, code: reason } = details
    const payload = {
      code,
      message: message.slice(0, MESSAGE_LENGTH_MAX),
      ...(typeof param === 'string' && { param: param.slice(0, PARAM_LENGTH_MAX) }),
      ...(typeof reason === 'string' && { reason }),
    }
    link.send(encodeJsonFrame(FrameType.problem, stream, payload))
    end(stream)
  }

  function start({ stream, payload }: Frame): void {
    const wire = decodeJson(payload)
    const read = EngineRequest.safeParse(wire)
    // One caller's request must not cost all others of the connection theirs; what no agent reads, no other does either.
    if (!read.success) return fail(stream, unreadable(read.error))
    const request = read.data
    const note = watch?.begin(stream, payload, wire)
    const open: OpenStream = { run: null, credit: STREAM_CREDIT_BYTES, isPaused: false }
    streams.set(stream, open)
    open.run = engine.start(request, {
      onStarted(promptTokens, cachedPromptTokens) {
        if (note) note.promptTokens = promptTokens
        link.send(encodeJsonFrame(FrameType.started, stream, { promptTokens, cachedPromptTokens }))
      },
      onDelta(delta) {
        if (note) {
          note.text += delta.text
          note.sentTokens += delta.tokenCount
        }
        if (delta.detail) {
          const detail = encodeJsonFrame(FrameType.detail, stream, delta.detail)
          open.credit -= detail.length - FRAME_HEADER_BYTES
          link.send(detail)
        }
        link.send(encodeDataFrame(stream, delta))
        open.credit -= delta.text.length
        if (open.credit <= 0 && !open.isPaused) {
          open.isPaused = true
          open.run?.pause()
        }
      },
      onEmbedding(vectors) {
        try {
          const takesParts = request.kind === 'embedding' && request.takesParts === true
          for (const frame of vectorFrames(vectors, { stream, takesParts })) link.send(frame)
        } catch (error) {
          if (!(error instanceof Problem)) throw error
          watch?.cut(stream)
          open.run?.cancel()
          fail(stream, error)
        }
      },
      onEnd(result) {
        if (streams.get(stream) !== open) return
        if (note) {
          note.promptTokens = result.promptTokens
          note.endTokens = result.completionTokens
        }
        link.send(encodeJsonFrame(FrameType.end, stream, result))
        end(stream)
      },
      onProblem: (problem) => fail(stream, problem),
    })
  }

  return {
    receive(frame) {
      const open = streams.get(frame.stream)
      switch (frame.type) {
        case FrameType.request:
          return start(frame)
        case FrameType.cancel:
          watch?.cut(frame.stream)
          open?.run?.cancel()
          return end(frame.stream)
        case FrameType.credit:
          if (!open) return // It ended while the credit was under way.
          open.credit += decodeCredit(frame.payload)
          if (open.credit > 0 && open.isPaused) {
            open.isPaused = false
            open.run?.resume()
          }
          return
        default:
          throw new Problem(
            'invalid_request',
            `A gateway sent a frame of type ${frame.type}, which agents do not take.`,
          )
      }
    },
    count: () => streams.size,
    onIdle(run) {
      idleListener = run
      if (streams.size === 0) run()
    },
    close() {
      idleListener = null
      for (const { run } of streams.values()) run?.cancel()
      streams.clear()
    },
  }
}

function unreadable({ issues }: ZodError): Problem {
  const [first] = issues
  const at = first && first.path.length > 0 ? `'${first.path.join('.')}' of the request` : 'The request'
  const message = `${at} is nothing that this node can read: ${first?.message ?? 'it has no form'}.`
  return new Problem('invalid_request', message, { details: { code: 'invalid_value' } })
}
