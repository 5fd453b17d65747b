/**
 * A real llama-architecture model in milliseconds: two layers of fixed pseudo-random weights over a byte vocabulary.
 * For tests. It talks nonsense and often emits invalid UTF-8, which is what a test of an engine wants.
 */
import { createRandom, type Random } from '#kernel/random.ts'

export interface TinyGgufOptions {
  readonly seed?: number
  readonly contextTokens?: number
  /** The chat template in Jinja, or `null` for a model without one. */
  readonly chatTemplate?: string | null
  /** Gives end-of-text tokens a logit of zero, so that greedy generation always runs to its limit. */
  readonly isEndless?: boolean
}

const DIMENSION = 64
const FEED_FORWARD = 128
const LAYERS = 2
const HEADS = 4
const ALIGNMENT = 32
const F32 = 0
const [U32, F32_VALUE, STRING, ARRAY] = [4, 6, 8, 9]
const [TYPE_NORMAL, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_BYTE] = [1, 2, 3, 6]

export const tinyTokens = { bos: 1, eos: 2, user: 259, assistant: 260, end: 261 } as const

export const TINY_CHAT_TEMPLATE = [
  '{{ bos_token }}',
  "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content | trim + '<|end|>' }}{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
].join('')

const WORDS =
  'the and you are a is to of in it that for on with what how s e t o n i r l d h u m . , ! ? hello stop GPU node shoal'

/** The bytes of a GGUF version 3 file, about 600 kB. Equal options give equal bytes. */
export function tinyGguf(options: TinyGgufOptions = {}): Uint8Array {
  const vocabulary = createVocabulary()
  const random = createRandom(options.seed ?? 20_261_122)
  const tensors = createTensors(vocabulary.length, random)
  if (options.isEndless) silenceEndOfText(tensors)
  const header = [...fileHeader(options, vocabulary, tensors), ...tensorDirectory(tensors)]
  const headerBytes = Buffer.concat(header)
  const padding = Buffer.alloc((ALIGNMENT - (headerBytes.length % ALIGNMENT)) % ALIGNMENT)
  const data = tensors.map(({ values }) => Buffer.from(values.buffer))
  return new Uint8Array(Buffer.concat([headerBytes, padding, ...data]))
}

interface VocabularyEntry {
  readonly text: string
  readonly score: number
  readonly type: number
}

function createVocabulary(): readonly VocabularyEntry[] {
  const control = (text: string): VocabularyEntry => ({ text, score: 0, type: TYPE_CONTROL })
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    score: 0,
    type: TYPE_BYTE,
  }))
  const words = WORDS.split(' ').flatMap((word) => [`\u2581${word}`, word])
  return [
    { text: '<unk>', score: 0, type: TYPE_UNKNOWN },
    control('<s>'),
    control('</s>'),
    ...bytes,
    control('<|user|>'),
    control('<|assistant|>'),
    control('<|end|>'),
    control('<|system|>'),
    { text: '\u2581', score: -1000, type: TYPE_NORMAL },
    ...[...new Set(words)].map((text, index) => ({ text, score: -1 - index, type: TYPE_NORMAL })),
  ]
}

interface Tensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: Float32Array
}

function createTensors(vocabularySize: number, random: Random): readonly Tensor[] {
  const normal = () => {
    let sum = -6
    for (let draw = 0; draw < 12; draw++) sum += random.int(65_536) / 65_536
    return sum
  }
  const weights = (name: string, shape: readonly number[], scale: number): Tensor => ({
    name,
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => normal() * scale),
  })
  const ones = (name: string): Tensor => ({
    name,
    shape: [DIMENSION],
    values: new Float32Array(DIMENSION).fill(1),
  })
  const square = [DIMENSION, DIMENSION]
  const layers = Array.from({ length: LAYERS }, (_, layer) => [
    ones(`blk.${layer}.attn_norm.weight`),
    ones(`blk.${layer}.ffn_norm.weight`),
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].map((part) =>
      weights(`blk.${layer}.${part}.weight`, square, 0.2),
    ),
    weights(`blk.${layer}.ffn_gate.weight`, [DIMENSION, FEED_FORWARD], 0.2),
    weights(`blk.${layer}.ffn_up.weight`, [DIMENSION, FEED_FORWARD], 0.2),
    weights(`blk.${layer}.ffn_down.weight`, [FEED_FORWARD, DIMENSION], 0.2),
  ])
  return [
    weights('token_embd.weight', [DIMENSION, vocabularySize], 1),
    ones('output_norm.weight'),
    weights('output.weight', [DIMENSION, vocabularySize], 0.3),
    ...layers.flat(),
  ]
}

function silenceEndOfText(tensors: readonly Tensor[]): void {
  const output = tensors.find(({ name }) => name === 'output.weight')
  for (const token of [tinyTokens.eos, tinyTokens.end]) {
    output?.values.fill(0, token * DIMENSION, (token + 1) * DIMENSION)
  }
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
const f32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)])

function fileHeader(
  options: TinyGgufOptions,
  vocabulary: readonly VocabularyEntry[],
  tensors: readonly Tensor[],
): Buffer[] {
  const number = (key: string, value: number) => Buffer.concat([text(key), u32(U32), u32(value)])
  const words = (key: string, value: string) => Buffer.concat([text(key), u32(STRING), text(value)])
  const array = (key: string, type: number, items: readonly Buffer[]) =>
    Buffer.concat([text(key), u32(ARRAY), u32(type), u64(items.length), ...items])
  const chatTemplate = options.chatTemplate === undefined ? TINY_CHAT_TEMPLATE : options.chatTemplate
  const entries = [
    words('general.architecture', 'llama'),
    words('general.name', 'tiny'),
    number('llama.context_length', options.contextTokens ?? 2048),
    number('llama.embedding_length', DIMENSION),
    number('llama.block_count', LAYERS),
    number('llama.feed_forward_length', FEED_FORWARD),
    number('llama.attention.head_count', HEADS),
    number('llama.rope.dimension_count', DIMENSION / HEADS),
    Buffer.concat([text('llama.attention.layer_norm_rms_epsilon'), u32(F32_VALUE), f32(1e-5)]),
    words('tokenizer.ggml.model', 'llama'),
    array(
      'tokenizer.ggml.tokens',
      STRING,
      vocabulary.map((entry) => text(entry.text)),
    ),
    array(
      'tokenizer.ggml.scores',
      F32_VALUE,
      vocabulary.map((entry) => f32(entry.score)),
    ),
    array(
      'tokenizer.ggml.token_type',
      5,
      vocabulary.map((entry) => u32(entry.type)),
    ),
    number('tokenizer.ggml.bos_token_id', tinyTokens.bos),
    number('tokenizer.ggml.eos_token_id', tinyTokens.eos),
    number('tokenizer.ggml.eot_token_id', tinyTokens.end),
    ...(chatTemplate === null ? [] : [words('tokenizer.chat_template', chatTemplate)]),
  ]
  return [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(entries.length), ...entries]
}

function tensorDirectory(tensors: readonly Tensor[]): Buffer[] {
  let offset = 0
  return tensors.map(({ name, shape, values }) => {
    const entry = Buffer.concat([text(name), u32(shape.length), ...shape.map(u64), u32(F32), u64(offset)])
    // Every tensor here is a multiple of 256 bytes, so that offsets stay aligned without padding.
    offset += values.byteLength
    return entry
  })
}
