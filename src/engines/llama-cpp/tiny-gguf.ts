/**
 * A real llama-architecture model in milliseconds: two layers of fixed pseudo-random weights over a byte vocabulary.
 * For tests. It talks nonsense and often emits invalid UTF-8, which is what a test of an engine wants.
 */
import { createRandom, type Random } from '#kernel/random.ts'
import { ggufHead, TINY_CHAT_TEMPLATE, tensorTypes, tinyTokens, tinyVocabulary } from './tiny-gguf-head.ts'

export interface TinyGgufOptions {
  readonly seed?: number
  readonly contextTokens?: number
  /** The chat template in Jinja, or `null` for a model without one. */
  readonly chatTemplate?: string | null
  /** Gives end-of-text tokens a logit of zero, so that greedy generation always runs to its limit; sampled may still end. */
  readonly isEndless?: boolean
}

const DIMENSION = 64
const FEED_FORWARD = 128
const LAYERS = 2
const HEADS = 4

/** The bytes of a GGUF version 3 file, about 600 kB. Equal options give equal bytes. */
export function tinyGguf(options: TinyGgufOptions = {}): Uint8Array {
  const { contextTokens = 2048, chatTemplate = TINY_CHAT_TEMPLATE } = options
  const vocabulary = tinyVocabulary()
  const random = createRandom(options.seed ?? 20_261_122)
  const tensors = createTensors(vocabulary.length, random)
  if (options.isEndless) silenceEndOfText(tensors)
  const head = ggufHead(
    {
      name: 'tiny',
      dimension: DIMENSION,
      feedForward: FEED_FORWARD,
      layers: LAYERS,
      heads: HEADS,
      contextTokens,
      chatTemplate,
    },
    vocabulary,
    // Every tensor here is a multiple of 256 bytes, so that none needs padding.
    tensors.map(({ name, shape, values }) => ({
      ...{ name, shape, type: tensorTypes.f32 },
      byteLength: values.byteLength,
    })),
  )
  return new Uint8Array(Buffer.concat([head, ...tensors.map(({ values }) => Buffer.from(values.buffer))]))
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
