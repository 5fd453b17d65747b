/**
 * What a GGUF file of a llama-architecture model begins with: its shape, a vocabulary of bytes and a few words, and
 * where each tensor lies. For models made of chance, in tests and benches.
 */

export const tinyTokens = { bos: 1, eos: 2, user: 259, assistant: 260, end: 261 } as const

export const TINY_CHAT_TEMPLATE = [
  '{{ bos_token }}',
  "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content | trim + '<|end|>' }}{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
].join('')

export interface LlamaShape {
  readonly name: string
  readonly dimension: number
  readonly feedForward: number
  readonly layers: number
  readonly heads: number
  readonly contextTokens: number
  /** In Jinja; `null` for a model without one. */
  readonly chatTemplate: string | null
}

/** Types of tensors by their number in the format. */
export const tensorTypes = { f32: 0, q8_0: 8 } as const

export interface TensorEntry {
  readonly name: string
  /** Values in a row first. */
  readonly shape: readonly number[]
  readonly type: number
  readonly byteLength: number
}

export interface VocabularyEntry {
  readonly text: string
  readonly score: number
  /** `word` for plain text of one or more whole characters. */
  readonly kind: 'word' | 'unknown' | 'control' | 'byte'
}

/** Tensors begin at multiples of this. */
export const TENSOR_ALIGNMENT = 32
const [U32, I32, F32, STRING, ARRAY] = [4, 5, 6, 8, 9]
const TOKEN_TYPES = { word: 1, unknown: 2, control: 3, byte: 6 } as const

const WORDS =
  'the and you are a is to of in it that for on with what how s e t o n i r l d h u m . , ! ? hello stop GPU node shoal'

export function tinyVocabulary(): readonly VocabularyEntry[] {
  const control = (text: string): VocabularyEntry => ({ text, score: 0, kind: 'control' })
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    score: 0,
    kind: 'byte' as const,
  }))
  const words = WORDS.split(' ').flatMap((word) => [`\u2581${word}`, word])
  return [
    { text: '<unk>', score: 0, kind: 'unknown' },
    control('<s>'),
    control('</s>'),
    ...bytes,
    control('<|user|>'),
    control('<|assistant|>'),
    control('<|end|>'),
    control('<|system|>'),
    { text: '\u2581', score: -1000, kind: 'word' },
    ...[...new Set(words)].map((text, index) => ({ text, score: -1 - index, kind: 'word' as const })),
  ]
}

/** All that stands before the tensors, padded. They follow in this order, each padded to `TENSOR_ALIGNMENT`. */
export function ggufHead(
  shape: LlamaShape,
  vocabulary: readonly VocabularyEntry[],
  tensors: readonly TensorEntry[],
): Buffer {
  const head = Buffer.concat([...metadata(shape, vocabulary, tensors.length), ...directory(tensors)])
  return Buffer.concat([head, Buffer.alloc(paddingOf(head.length))])
}

/** Bytes from `length` to the next tensor. */
export const paddingOf = (length: number): number =>
  (TENSOR_ALIGNMENT - (length % TENSOR_ALIGNMENT)) % TENSOR_ALIGNMENT

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

function metadata(shape: LlamaShape, vocabulary: readonly VocabularyEntry[], tensorCount: number): Buffer[] {
  const number = (key: string, value: number) => Buffer.concat([text(key), u32(U32), u32(value)])
  const words = (key: string, value: string) => Buffer.concat([text(key), u32(STRING), text(value)])
  const array = (key: string, type: number, toItem: (entry: VocabularyEntry) => Buffer) =>
    Buffer.concat([text(key), u32(ARRAY), u32(type), u64(vocabulary.length), ...vocabulary.map(toItem)])
  const entries = [
    words('general.architecture', 'llama'),
    words('general.name', shape.name),
    number('llama.context_length', shape.contextTokens),
    number('llama.embedding_length', shape.dimension),
    number('llama.block_count', shape.layers),
    number('llama.feed_forward_length', shape.feedForward),
    number('llama.attention.head_count', shape.heads),
    number('llama.rope.dimension_count', shape.dimension / shape.heads),
    Buffer.concat([text('llama.attention.layer_norm_rms_epsilon'), u32(F32), f32(1e-5)]),
    words('tokenizer.ggml.model', 'llama'),
    array('tokenizer.ggml.tokens', STRING, (entry) => text(entry.text)),
    array('tokenizer.ggml.scores', F32, (entry) => f32(entry.score)),
    array('tokenizer.ggml.token_type', I32, (entry) => u32(TOKEN_TYPES[entry.kind])),
    number('tokenizer.ggml.bos_token_id', tinyTokens.bos),
    number('tokenizer.ggml.eos_token_id', tinyTokens.eos),
    number('tokenizer.ggml.eot_token_id', tinyTokens.end),
    ...(shape.chatTemplate === null ? [] : [words('tokenizer.chat_template', shape.chatTemplate)]),
  ]
  return [Buffer.from('GGUF'), u32(3), u64(tensorCount), u64(entries.length), ...entries]
}

function directory(tensors: readonly TensorEntry[]): Buffer[] {
  let offset = 0
  return tensors.map(({ name, shape, type, byteLength }) => {
    const entry = Buffer.concat([text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)])
    offset += byteLength + paddingOf(byteLength)
    return entry
  })
}
