/** A model of the size that people serve, with weights of chance: real work for an engine, and nothing to download. */
import { closeSync, openSync, writeSync } from 'node:fs'
import {
  ggufHead,
  type LlamaShape,
  paddingOf,
  type TensorEntry,
  TINY_CHAT_TEMPLATE,
  tensorTypes,
  tinyVocabulary,
} from '#engines/llama-cpp/tiny-gguf-head.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, type Random } from '#kernel/random.ts'

/** 92 million weights, one byte each: 98 MB. */
export const largeShape: LlamaShape = {
  name: 'large',
  dimension: 768,
  feedForward: 2_304,
  layers: 12,
  heads: 12,
  contextTokens: 512,
  chatTemplate: TINY_CHAT_TEMPLATE,
}

/** Q8_0: 32 weights are a scale in half precision and a byte each. */
const BLOCK_WEIGHTS = 32
const BLOCK_BYTES = 34
/** Powers of two in half precision. Bytes of chance deviate by 74, so the weights by 0.036, 1.2 and 0.14. */
const SCALES = { layer: 0x1000, embedding: 0x2400, output: 0x1800 } as const
const ONES = -1

interface Part {
  readonly entry: TensorEntry
  readonly scale: number
  /** Rows of zeros. */
  readonly silent?: readonly number[]
}

/**
 * Writes the model to `path` and answers its size in bytes. Equal arguments give equal bytes. Of its vocabulary it only ever
 * says words: each of its tokens is a text by itself, and no answer ends before its limit.
 */
export function writeLargeGguf(path: string, shape: LlamaShape = largeShape, seed = 20_261_122): number {
  const random = createRandom(seed)
  const vocabulary = tinyVocabulary()
  const silent = [...vocabulary.keys()].filter(
    (token) => vocabulary[token]?.kind !== 'word' || vocabulary[token]?.text === '\u2581',
  )
  const parts = partsOf(shape, vocabulary.length, silent)
  const file = openSync(path, 'w')
  let size = 0
  try {
    const write = (bytes: Uint8Array): void => {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      size += bytes.length
    }
    write(
      ggufHead(
        shape,
        vocabulary,
        parts.map(({ entry }) => entry),
      ),
    )
    for (const part of parts) {
      write(bytesOf(part, random))
      write(Buffer.alloc(paddingOf(part.entry.byteLength)))
    }
  } finally {
    closeSync(file)
  }
  return size
}

function partsOf(shape: LlamaShape, tokens: number, silent: readonly number[]): readonly Part[] {
  const { dimension, feedForward, layers } = shape
  const matrix = (name: string, [columns, rows]: readonly [number, number], scale: number): Part => {
    assert(columns % BLOCK_WEIGHTS === 0, 'a row is a number of whole blocks')
    const byteLength = (columns / BLOCK_WEIGHTS) * BLOCK_BYTES * rows
    return { entry: { name, shape: [columns, rows], type: tensorTypes.q8_0, byteLength }, scale }
  }
  const ones = (name: string): Part => ({
    entry: { name, shape: [dimension], type: tensorTypes.f32, byteLength: dimension * 4 },
    scale: ONES,
  })
  const layer = (index: number): Part[] => [
    ones(`blk.${index}.attn_norm.weight`),
    ones(`blk.${index}.ffn_norm.weight`),
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].map((part) =>
      matrix(`blk.${index}.${part}.weight`, [dimension, dimension], SCALES.layer),
    ),
    matrix(`blk.${index}.ffn_gate.weight`, [dimension, feedForward], SCALES.layer),
    matrix(`blk.${index}.ffn_up.weight`, [dimension, feedForward], SCALES.layer),
    matrix(`blk.${index}.ffn_down.weight`, [feedForward, dimension], SCALES.layer),
  ]
  return [
    matrix('token_embd.weight', [dimension, tokens], SCALES.embedding),
    ones('output_norm.weight'),
    { ...matrix('output.weight', [dimension, tokens], SCALES.output), silent },
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
  ]
}

function bytesOf({ entry, scale, silent = [] }: Part, random: Random): Uint8Array {
  if (scale === ONES) return new Uint8Array(new Float32Array(entry.byteLength / 4).fill(1).buffer)
  const bytes = Buffer.alloc(entry.byteLength)
  for (let block = 0; block < bytes.length; block += BLOCK_BYTES) {
    bytes.writeUInt16LE(scale, block)
    for (let at = block + 2; at < block + BLOCK_BYTES; at += 4)
      bytes.writeUInt32LE(random.int(0x1_0000_0000), at)
  }
  const rowBytes = ((entry.shape[0] ?? 0) / BLOCK_WEIGHTS) * BLOCK_BYTES
  for (const row of silent) bytes.fill(0, row * rowBytes, (row + 1) * rowBytes)
  return bytes
}
