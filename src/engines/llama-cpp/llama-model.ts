/** Child side: loads a model by node-llama-cpp and says plainly why, if it can't. */
import {
  getLlama,
  InsufficientMemoryError,
  type Llama,
  type LlamaContext,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp'
import { Problem } from '#protocol/problem.ts'
import { createChatTemplate } from './chat-template.ts'
import { FinalProblem } from './final-problem.ts'
import { type Gguf, numberOf, stringOf } from './gguf.ts'
import type { GpuChoice, LoadOrder } from './messages.ts'
import type { PromptTokenizer } from './prompt.ts'
import { createTokenPieces, type TokenPieces } from './token-pieces.ts'
import { boundsOf } from './vocabulary-bounds.ts'

export interface LoadedModel {
  readonly model: LlamaModel
  /** `null` for a model that only embeds. */
  readonly context: LlamaContext | null
  readonly slots: number
  readonly contextTokens: number
  readonly threads: number
  /** Ids below it are tokens of this model. */
  readonly tokenCount: number
  readonly gpu: string | false
  readonly tokenizer: PromptTokenizer<Token>
  readonly pieces: TokenPieces
}

/** Prompt tokens decoded together: larger is not faster on a CPU and delays everybody's next token. */
export const BATCH_TOKENS = 512

export interface MachineFacts {
  readonly cores: number
  /** As packages are named: `linux-x64`. */
  readonly platform: string
}

/** Throws `Problem('engine_missing')` (no working build), `Problem('engine_failed')` (not enough memory) or `Problem('model_corrupt')`. */
export async function loadLlamaModel(
  order: LoadOrder,
  gguf: Gguf,
  machine: MachineFacts,
): Promise<LoadedModel> {
  const threads = order.threads ?? Math.min(4, Math.max(1, machine.cores - 1))
  const errors: string[] = []
  const llama = await openLlama({ gpu: order.gpu, threads, platform: machine.platform }, (line) =>
    errors.push(line),
  )
  const model = await openModel(llama, order, errors)
  const trained =
    numberOf(gguf.metadata, `${model.fileInfo.metadata.general.architecture}.context_length`) ??
    model.trainContextSize
  const contextTokens = Math.min(trained, order.contextTokensMax)
  const isEmbedder = isEmbeddingOnly(gguf)
  const { context, slots } = isEmbedder
    ? { context: null, slots: 1 }
    : await openContext(model, {
        ...order,
        threads,
        contextTokens,
        isRepeatable: llama.gpu === false && scoresFit(gguf, contextTokens),
      })
  const vocabulary = gguf.metadata.get('tokenizer.ggml.tokens')
  return {
    tokenCount: Array.isArray(vocabulary) ? vocabulary.length : Number.POSITIVE_INFINITY,
    model,
    context,
    slots,
    contextTokens,
    threads,
    gpu: llama.gpu,
    tokenizer: createTokenizer(model, gguf),
    pieces: createTokenPieces(gguf.metadata) ?? createFallbackPieces(model),
  }
}

interface LlamaPlan {
  readonly gpu: GpuChoice
  readonly threads: number
  readonly platform: string
}

async function openLlama(
  { gpu, threads, platform }: LlamaPlan,
  onError: (line: string) => void,
): Promise<Llama> {
  let llama: Llama
  try {
    llama = await getLlama({
      gpu,
      // Never compile or download behind the owner's back: a missing build is a problem to tell.
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      maxThreads: threads,
      logLevel: LlamaLogLevel.error,
      logger: (_level, line) => onError(line.trim()),
    })
  } catch (error) {
    throw buildMissing(gpu, platform, error)
  }
  // `auto` falls back to the CPU by itself, at a hundredth of the speed that the owner counts on.
  if (gpu !== false && llama.gpu === false) throw buildMissing(gpu, platform)
  return llama
}

function buildMissing(gpu: GpuChoice, platform: string, cause?: unknown): Problem {
  const base = `@node-llama-cpp/${platform}`
  if (gpu === false) {
    const message = `llama.cpp has no working build for ${platform}. Install ${base}, or use another engine.`
    return new FinalProblem('engine_missing', message, { cause })
  }
  return new FinalProblem(
    'engine_missing',
    `llama.cpp's ${gpu === 'auto' ? 'GPU' : gpu} build does not load on this machine. "shoal doctor --for provide" says what ` +
      'is missing; this node does not compute on the CPU unasked: --cpu does so.',
    { cause },
  )
}

async function openModel(llama: Llama, order: LoadOrder, errors: readonly string[]): Promise<LlamaModel> {
  let model: LlamaModel
  try {
    model = await llama.loadModel({ modelPath: order.modelPath })
  } catch (error) {
    if (error instanceof InsufficientMemoryError) throw memoryShort(order.modelPath, error)
    throw refused(order.modelPath, firstWords(errors) ?? messageOf(error), error)
  }
  if (order.gpu !== false && model.gpuLayers === 0) {
    throw new FinalProblem(
      'engine_failed',
      `${order.modelPath} does not fit into the GPU's free memory, not even in part. Choose a smaller model, or --cpu.`,
    )
  }
  return model
}

const refused = (modelPath: string, reason: string, cause: unknown): Problem =>
  new FinalProblem(
    'model_corrupt',
    `llama.cpp refuses ${modelPath}: ${reason}. Download it again, or choose a model that llama.cpp supports.`,
    { cause },
  )

const memoryShort = (modelPath: string, cause: unknown): Problem =>
  new Problem(
    'engine_failed',
    `Not enough free memory for ${modelPath}: ${messageOf(cause)}. Close other programs, lower slots or the context, or choose a smaller model.`,
    { cause },
  )

/** What llama.cpp may hold of one batch's attention scores. */
const SCORE_BYTES_MAX = 512 * 2 ** 20

/**
 * Whether attention may be computed in full instead of by the fused kernel, which needs no room for the scores. On the
 * CPU the fused one adds in half precision, and differently for a prompt than for one token: an answer that goes on
 * behind given ids then departs from what it would have said in one stream of eight (256 tokens of random weights),
 * without it in none of a hundred.
 */
function scoresFit({ metadata }: Gguf, contextTokens: number): boolean {
  const heads = numberOf(metadata, `${stringOf(metadata, 'general.architecture')}.attention.head_count`)
  return heads !== undefined && BATCH_TOKENS * contextTokens * heads * 4 <= SCORE_BYTES_MAX
}

interface ContextPlan {
  readonly modelPath: string
  readonly slots: number
  readonly contextTokens: number
  readonly threads: number
  /** The same tokens give the same logits, whatever shares their batch, but for the last bits. */
  readonly isRepeatable: boolean
}

/** One context for all slots, so that they decode in common batches. Fewer slots rather than none when memory is short. */
async function openContext(
  model: LlamaModel,
  plan: ContextPlan,
): Promise<{ context: LlamaContext; slots: number }> {
  for (let slots = plan.slots; ; slots = Math.floor(slots / 2)) {
    try {
      const context = await model.createContext({
        contextSize: plan.contextTokens,
        sequences: slots,
        // A batch of somebody's prompt and the next token of everybody else fit together.
        batchSize: BATCH_TOKENS + slots,
        threads: plan.threads,
        flashAttention: plan.isRepeatable ? false : 'auto',
        failedCreationRemedy: false,
      })
      return { context, slots }
    } catch (error) {
      if (slots === 1) throw memoryShort(plan.modelPath, error)
    }
  }
}

export function createTokenizer(model: LlamaModel, gguf: Gguf): PromptTokenizer<Token> {
  const tokenize = (text: string, readsControlTokens: boolean) => model.tokenize(text, readsControlTokens)
  const source = stringOf(gguf.metadata, 'tokenizer.chat_template')
  const bounds = boundsOf(gguf.metadata, (token) => model.isSpecialToken(token as Token))
  return {
    tokenize,
    ...(bounds && { tokensAtLeast: bounds.tokensAtLeast }),
    firstToken: model.tokens.shouldPrependBosToken ? model.tokens.bos : null,
    renderChat:
      source === undefined
        ? null
        : createChatTemplate({
            source,
            bosText: model.tokens.bosString ?? '',
            eosText: model.tokens.eosString ?? '',
            spellsControlTokens:
              bounds?.maySpellControlTokens ??
              ((text) => tokenize(text, true).some((token) => model.isSpecialToken(token))),
          }),
  }
}

/** For rare vocabularies: right for whole characters, wrong for characters that several tokens share. */
export function createFallbackPieces(model: LlamaModel): TokenPieces {
  const encoder = new TextEncoder()
  return { bytesOf: (token) => encoder.encode(model.detokenize([token as Token])), hasLeadingSpace: false }
}

function isEmbeddingOnly(gguf: Gguf): boolean {
  const architecture = stringOf(gguf.metadata, 'general.architecture') ?? ''
  return (
    /bert|^t5encoder$/.test(architecture) || gguf.metadata.get(`${architecture}.attention.causal`) === false
  )
}

/** The first complaint names the cause; the later ones only say that loading failed. */
const firstWords = (errors: readonly string[]): string | undefined =>
  errors[0]?.replace(/^\w+: /, '').replace(/^error loading model: /, '')

export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/[.\s]+$/, '')
