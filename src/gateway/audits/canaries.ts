/**
 * The network's own questions. Where callers forbid that a second node looks, or ask what cannot be looked at, a node could do as it
 * likes: so now and then the operator asks it something, paid and metered like anybody. The question has the shape of what callers asked
 * lately (length, sampling, limit) and none of their words: a trusted node writes it, for this once. What comes back is always looked at.
 */
import type { Clock, Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import type { Random } from '#kernel/random.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Directory } from '../directory.ts'
import type { NodeConnection } from '../node-connection.ts'
import type { RunRequest, RunSink } from '../run-request.ts'
import type { Answered } from './audited-answer.ts'

export interface Canaries {
  /** A caller asks for this; only its shape is kept, and only for a while. */
  seen(request: EngineRequest): void
  /** The node gave an answer; `wasLookedAt`: it was its turn. */
  answered(nodeId: string, wasLookedAt: boolean): void
  close(): void
}

export interface CanaryParts {
  readonly clock: Clock
  readonly random: Random
  readonly secrets: Secrets
  readonly directory: Directory
  readonly nodes: () => Iterable<NodeConnection>
  readonly ask: (request: RunRequest, sink: RunSink) => void
}

/** Between two of a gateway, on the average; more at once where many nodes are waiting for one. */
const EVERY_MS = 2 * MINUTE_MS
const NODES_PER_CANARY = 20
const SHAPES_MAX = 64
/** Answers of a node that nobody looked at until it is asked something. */
const UNSEEN_MIN = 10
const NODES_MAX = 10_000
const WATCHED_BPS = 10_000
const CHARS_MAX = 4_000
const CHARS_PER_WORD = 6
const WRITE_MS_MAX = 60_000
const TOKENS_SPARE = 512
/** What stands around each message of a chat. */
const TOKENS_PER_MESSAGE = 16

interface Shape {
  readonly kind: Answered['kind']
  readonly model: string
  readonly chars: number
  readonly maxTokens: number
  readonly sampling: Answered['sampling']
  readonly topLogprobs: number | undefined
  /** Of a chat: who speaks, and how much of the text is whose. */
  readonly messages: readonly { readonly role: Role; readonly chars: number }[]
  readonly withReasoning: true | undefined
}

type Role = Extract<Answered, { kind: 'chat' }>['messages'][number]['role']

export function startCanaries(parts: CanaryParts): Canaries {
  const { clock, random, secrets, directory } = parts
  const shapes: Shape[] = []
  /** By node: answers that nobody looked at since the last one that somebody did. */
  const unseen = new Map<string, number>()
  let isClosed = false

  function tick(): void {
    if (isClosed) return
    const here = [...parts.nodes()]
    const writers = here.filter(isTrusted)
    const askable = shapes.filter(({ model }) => writers.some(({ offers }) => offers.has(model)))
    const wanting = here.filter(
      ({ nodeId, offers }) =>
        (unseen.get(nodeId) ?? 0) >= UNSEEN_MIN && askable.some(({ model }) => offers.has(model)),
    )
    // Those that something speaks against, and new ones, come first.
    const watched = wanting.filter(({ nodeId }) => directory.node(nodeId)?.auditBps === WATCHED_BPS)
    for (let left = Math.ceil(wanting.length / NODES_PER_CANARY); left > 0; left--)
      release(watched.length > 0 ? watched : wanting, askable)
    clock.after(random.int(2 * EVERY_MS), tick)
  }

  function release(wanting: readonly NodeConnection[], askable: readonly Shape[]): void {
    const node = wanting[random.int(Math.max(1, wanting.length))]
    if (!node) return
    const mine = askable.filter(({ model }) => node.offers.has(model))
    const shape = mine[random.int(Math.max(1, mine.length))]
    const writer = shape && [...parts.nodes()].find((one) => isTrusted(one) && one.offers.has(shape.model))
    const payer = writer && directory.node(writer.nodeId)?.organisationId
    if (!shape || !writer || payer === undefined) return
    unseen.delete(node.nodeId)
    write(writer, shape, (text) => send(text, { shape, node, payer }))
  }

  const isTrusted = ({ nodeId }: NodeConnection): boolean => directory.node(nodeId)?.isReference === true
  const newId = (): string => formatId('req', secrets.randomBytes(ID_BYTES))

  function write(
    writer: NodeConnection,
    { chars, model, sampling }: Shape,
    done: (text: string) => void,
  ): void {
    const words = Math.max(3, Math.round(chars / CHARS_PER_WORD))
    let text = ''
    const deadline = clock.after(WRITE_MS_MAX, () => stream.cancel())
    const request: EngineRequest = {
      kind: 'completion',
      requestId: newId(),
      model,
      prompt: `A message of ${words} words that somebody sent to an assistant:\n`,
      maxTokens: Math.min(CHARS_MAX, chars),
      sampling: { ...sampling, temperature: 1, stop: [], seed: random.int(2 ** 31) },
    }
    const stream = writer.open(request, {
      onStarted: () => undefined,
      onData(data) {
        text += data.text
        stream.credit(data.text.length)
      },
      onEmbedding: () => undefined,
      onEnd() {
        deadline.cancel()
        const question = text.trim().slice(0, chars)
        if (question.length > 0 && !isClosed) done(question)
      },
      onProblem: () => deadline.cancel(),
    })
  }

  function send(text: string, { shape, node, payer }: Canary): void {
    const requestId = newId()
    const engine = engineOf(text, shape, { requestId, node })
    const request: RunRequest = {
      requestId,
      organisationId: payer,
      keyId: 'canary',
      engine,
      promptTokensMax: Buffer.byteLength(text) + TOKENS_SPARE + shape.messages.length * TOKENS_PER_MESSAGE,
      completionTokensMax: shape.maxTokens,
      preferences: { ...anyNode, only: new Set([node.nodeId]) },
      isCanary: true,
    }
    parts.ask(request, deaf)
  }

  clock.after(random.int(2 * EVERY_MS), tick)
  return {
    seen(request) {
      const shape = shapeOf(request)
      if (!shape) return
      if (shapes.length < SHAPES_MAX) shapes.push(shape)
      else shapes[random.int(SHAPES_MAX)] = shape
    },
    answered(nodeId, wasLookedAt) {
      if (wasLookedAt) return void unseen.delete(nodeId)
      const [oldest] = unseen.keys()
      if (unseen.size >= NODES_MAX && oldest !== undefined) unseen.delete(oldest)
      unseen.set(nodeId, (unseen.get(nodeId) ?? 0) + 1)
    },
    close() {
      isClosed = true
    },
  }
}

const anyNode = {
  sort: null,
  promptPerMillionMax: null,
  completionPerMillionMax: null,
  nodeClass: 'community',
  regions: null,
  ignore: null,
  keepsNoPrompts: false,
} as const

interface Canary {
  readonly shape: Shape
  readonly node: NodeConnection
  readonly payer: string
}

/** As callers ask: what a canary lacked, and all of theirs have, would tell it from them. */
function engineOf(
  text: string,
  { kind, model, maxTokens, sampling, topLogprobs, messages, withReasoning }: Shape,
  { requestId, node }: { requestId: string; node: NodeConnection },
): EngineRequest {
  const canClaim = node.offers.get(model)?.model.features?.includes('logprobs') === true
  const common = {
    requestId,
    model,
    maxTokens,
    sampling,
    ...(canClaim && topLogprobs !== undefined && { topLogprobs }),
  }
  if (kind === 'completion') return { kind, ...common, prompt: text }
  return { kind, ...common, messages: cutInto(text, messages), ...(withReasoning && { withReasoning }) }
}

/** One text as so many messages, each with its part of it. */
function cutInto(text: string, messages: Shape['messages']): { role: Role; content: string }[] {
  const all = messages.reduce((sum, { chars }) => sum + chars, 0)
  let before = 0
  const at = (chars: number): number => Math.round((text.length * chars) / Math.max(1, all))
  return messages.map(({ role, chars }) => {
    const from = at(before)
    before += chars
    return { role, content: text.slice(from, at(before)) }
  })
}

function shapeOf(request: EngineRequest): Shape | null {
  if (request.kind === 'embedding' || request.scored || request.resumedIds) return null
  if (request.kind === 'chat' && (request.tools || request.format)) return null
  const { kind, model, maxTokens, sampling, topLogprobs } = request
  const messages = kind === 'chat' ? request.messages : []
  if (messages.some(({ role, toolCalls }) => role === 'tool' || toolCalls !== undefined)) return null
  const text = kind === 'chat' ? messages.map(({ content }) => content).join('\n') : request.prompt
  return {
    kind,
    model,
    chars: Math.min(CHARS_MAX, Math.max(1, text.length)),
    maxTokens,
    sampling: { ...sampling, stop: [] },
    topLogprobs,
    messages: messages.map(({ role, content }) => ({ role, chars: content.length })),
    withReasoning: kind === 'chat' ? request.withReasoning : undefined,
  }
}

const deaf: RunSink = {
  onNode: () => undefined,
  onText: () => undefined,
  onEmbedding: () => undefined,
  onFinish: () => undefined,
  onProblem: () => undefined,
  onCut: () => undefined,
}
